#include "world_internal.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "controlplane/store/store.h"
#include "weir/v1/ledger.pb-c.h"

uint64_t world_random(struct world *w, uint64_t below)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return w->rng % below;
}

int64_t world_now(const struct world *w)
{
    return w->mono_ms;
}

struct weir__core *world_core(struct world *w)
{
    return w->core;
}

struct weir_holder *world_holder(struct world *w, int proxy)
{
    return w->proxies[proxy].holder;
}

void world_faults(struct world *w, struct world_faults f)
{
    w->faults = f;
}

/* ---- the network ---- */

static void post(struct world *w, bool up, int proxy, const uint8_t *bytes, size_t n)
{
    struct packet *p;

    if (world_random(w, 1000) < w->faults.lose)
        return;
    for (int copies = world_random(w, 1000) < w->faults.repeat ? 2 : 1; copies > 0; copies--) {
        struct packet **at = &w->packets;

        p = weir_alloc(sizeof *p + n);
        p->up = up;
        p->proxy = proxy;
        p->stream = w->proxies[proxy].stream;
        p->at_ms =
            w->mono_ms +
            (w->faults.delay_ms ? (int64_t)world_random(w, (uint64_t)w->faults.delay_ms) : 0);
        p->n = n;
        memcpy(p->bytes, bytes, n);
        while (*at && (*at)->at_ms <= p->at_ms)
            at = &(*at)->next;
        p->next = *at;
        *at = p;
    }
}

static void send_up(void *arg, const Weir__V1__BudgetUp *up)
{
    struct proxy *p = arg;
    size_t n = weir__v1__budget_up__get_packed_size(up);
    uint8_t *bytes = weir_alloc(n + 1);

    (void)weir__v1__budget_up__pack(up, bytes);
    post(p->w, true, p->index, bytes, n);
    free(bytes);
}

static void send_down(void *arg, const Weir__V1__BudgetDown *down)
{
    struct proxy *p = arg;
    size_t n = weir__v1__budget_down__get_packed_size(down);
    uint8_t *bytes = weir_alloc(n + 1);

    (void)weir__v1__budget_down__pack(down, bytes);
    post(p->w, false, p->index, bytes, n);
    free(bytes);
}

static void end_batch(struct world *w)
{
    if (w->in_batch)
        WEIR_ASSERT(weir__core_end(w->core) == WEIR_OK);
    w->in_batch = false;
}

static void deliver_up(struct world *w, struct proxy *p, const struct packet *k)
{
    Weir__V1__BudgetUp *up = weir__v1__budget_up__unpack(NULL, k->n, k->bytes);

    if (p->conn && w->core) {
        if (!w->in_batch)
            weir__core_begin(w->core, now_of(w));
        w->in_batch = true;
        weir__core_up(w->core, p->conn, up);
        if (w->n_proxies < BATCH_FROM_PROXIES)
            end_batch(w);
    }
    weir__v1__budget_up__free_unpacked(up, NULL);
}

static void deliver_down(struct world *w, struct proxy *p, const struct packet *k)
{
    Weir__V1__BudgetDown *down = weir__v1__budget_down__unpack(NULL, k->n, k->bytes);

    if (p->conn && strcmp(down->incarnation, p->incarnation) == 0)
        weir_holder_on_down(p->holder, w->mono_ms, down);
    weir__v1__budget_down__free_unpacked(down, NULL);
}

static void deliver(struct world *w)
{
    while (w->packets && w->packets->at_ms <= w->mono_ms) {
        struct packet *k = w->packets;
        struct proxy *p = &w->proxies[k->proxy];

        w->packets = k->next;
        if (k->stream == p->stream && k->up)
            deliver_up(w, p, k);
        else if (k->stream == p->stream)
            deliver_down(w, p, k);
        free(k);
        if (!w->packets || w->packets->at_ms > w->mono_ms)
            end_batch(w); /* its answers may be due at once */
    }
}

static void tick(struct world *w)
{
    w->ticked_ms = w->mono_ms;
    for (int i = 0; i < w->n_proxies; i++)
        weir_holder_tick(w->proxies[i].holder, w->mono_ms);
    if (!w->core)
        return;
    weir__core_begin(w->core, now_of(w));
    weir__core_tick(w->core);
    WEIR_ASSERT(weir__core_end(w->core) == WEIR_OK);
}

void world_run(struct world *w, int64_t ms)
{
    int64_t until = w->mono_ms + ms;

    deliver(w);
    while (w->mono_ms < until) {
        int64_t next = w->ticked_ms + TICK_MS;

        if (w->packets && w->packets->at_ms < next)
            next = w->packets->at_ms;
        if (next > until)
            next = until;
        if (next < w->mono_ms)
            next = w->mono_ms;
        w->wall_ms += next - w->mono_ms;
        w->mono_ms = next;
        deliver(w);
        if (w->mono_ms - w->ticked_ms >= TICK_MS)
            tick(w);
    }
}

void world_step_wall(struct world *w, int64_t ms)
{
    w->wall_ms += ms;
}

/* ---- life ---- */

void world__start_core(struct world *w)
{
    struct weir_ledger_options o = {.path = w->db};

    WEIR_ASSERT(weir__core_create(&o, now_of(w), &w->core) == WEIR_OK);
    if (w->n_budgets > 0)
        world_budgets(w, w->budgets, w->n_budgets);
}

static void start_proxy(struct world *w, int i)
{
    struct proxy *p = &w->proxies[i];
    struct weir_holder_options o = {.node = "node",
                                    .incarnation = p->incarnation,
                                    .journal_path = p->journal,
                                    .send = send_up,
                                    .arg = p};

    p->w = w;
    p->index = i;
    (void)snprintf(p->incarnation, sizeof p->incarnation, "p%d-%d", i, ++p->starts);
    (void)snprintf(p->journal, sizeof p->journal, "%s/journal-%d", w->dir, i);
    p->holder = weir_holder_create(&o, w->mono_ms);
}

struct world *world_create(uint64_t seed, int proxies)
{
    struct world *w = WEIR_NEW(struct world);
    struct stat st;

    WEIR_ASSERT(weir_log_set_level("error") == WEIR_OK);
    w->rng = seed * 0x9e3779b97f4a7c15u + 1;
    w->mono_ms = 1000000;
    w->wall_ms = 1750000000000;
    w->n_proxies = proxies;
    w->proxies = weir_zalloc((size_t)proxies * sizeof *w->proxies);
    w->n_calls = proxies * 4 > WORLD_CALLS_MIN ? proxies * 4 : WORLD_CALLS_MIN;
    w->calls = weir_zalloc((size_t)w->n_calls * sizeof *w->calls);
    w->truths = weir_zalloc(TRUTHS_MAX * sizeof *w->truths);
    /* Memory rather than disk: the ledger really syncs each commit. */
    (void)snprintf(w->dir, sizeof w->dir, "%s/weir-world-XXXXXX",
                   stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp");
    WEIR_ASSERT(mkdtemp(w->dir));
    (void)snprintf(w->db, sizeof w->db, "%s/ledger.db", w->dir);
    (void)snprintf(w->db_copy, sizeof w->db_copy, "%s/copy.db", w->dir);
    world__start_core(w);
    for (int i = 0; i < proxies; i++) {
        start_proxy(w, i);
        world_connect(w, i);
    }
    return w;
}

static void forget_packets(struct world *w)
{
    while (w->packets) {
        struct packet *k = w->packets;

        w->packets = k->next;
        free(k);
    }
}

void world_destroy(struct world *w)
{
    char path[160];

    for (int i = 0; i < w->n_proxies; i++) {
        weir_holder_destroy(w->proxies[i].holder);
        (void)unlink(w->proxies[i].journal);
    }
    weir_store_close(w->reader);
    weir__core_destroy(w->core);
    forget_packets(w);
    for (const char *const *suffix = (const char *const[]){"", "-wal", "-shm", NULL}; *suffix;
         suffix++) {
        (void)snprintf(path, sizeof path, "%s%s", w->db, *suffix);
        (void)unlink(path);
    }
    (void)unlink(w->db_copy);
    (void)rmdir(w->dir);
    free(w->truths);
    free(w->proxies);
    free(w->calls);
    free(w);
}

void world_budgets(struct world *w, const struct weir_ledger_budget budgets[], size_t n)
{
    struct weir__budget_set *set;

    if (budgets != w->budgets)
        memcpy(w->budgets, budgets, n * sizeof *budgets);
    w->n_budgets = n;
    WEIR_ASSERT(weir__budget_set_make(budgets, n, &set) == WEIR_OK);
    weir__core_begin(w->core, now_of(w));
    weir__core_set_budgets(w->core, set);
    WEIR_ASSERT(weir__core_end(w->core) == WEIR_OK);
    world__note_caps(w);
}

void world_connect(struct world *w, int i)
{
    struct proxy *p = &w->proxies[i];

    if (p->conn || !w->core)
        return;
    p->stream++;
    p->conn = weir__core_connect(w->core, "node", send_down, p);
    weir_holder_on_connected(p->holder, w->mono_ms);
}

void world_disconnect(struct world *w, int i)
{
    struct proxy *p = &w->proxies[i];

    if (!p->conn)
        return;
    p->stream++;
    weir__core_disconnect(w->core, p->conn, now_of(w));
    p->conn = NULL;
    weir_holder_on_disconnected(p->holder, w->mono_ms);
}

/* ---- truth ---- */

struct truth *world__truth_of(struct world *w, const char *lease)
{
    for (size_t i = w->n_truths; i-- > 0;)
        if (strcmp(w->truths[i].lease, lease) == 0)
            return &w->truths[i];
    WEIR_ASSERT(w->n_truths < TRUTHS_MAX);
    memcpy(w->truths[w->n_truths].lease, lease, WEIR_LEASE_ID_MAX);
    return &w->truths[w->n_truths++];
}

static void spend(struct world *w, const struct weir_hold *h, int64_t actual)
{
    world__truth_of(w, h->lease)->spent += actual;
    w->spent += actual;
}

int64_t world_truth(struct world *w)
{
    return w->spent;
}

void world_crash_proxy(struct world *w, int i, bool lose_journal)
{
    struct proxy *p = &w->proxies[i];

    w->crashes++;
    for (int k = 0; k < w->n_calls; k++) {
        struct world_call *c = &w->calls[k];

        if (!c->used || c->proxy != i)
            continue;
        if (c->open) /* the provider had done some of the work, or all of it */
            for (unsigned b = 0; b < c->adm.n; b++)
                spend(w, &c->adm.holds[b],
                      world_random(w, 2)
                          ? c->adm.holds[b].held
                          : (int64_t)world_random(w, (uint64_t)c->adm.holds[b].held + 1));
        *c = (struct world_call){0};
    }
    if (p->conn) {
        p->stream++;
        if (w->core)
            weir__core_disconnect(w->core, p->conn, now_of(w));
        p->conn = NULL;
    }
    weir_holder_destroy(p->holder);
    if (lose_journal)
        (void)unlink(p->journal);
    start_proxy(w, i);
    world_connect(w, i);
}

static void stop_core(struct world *w)
{
    for (int i = 0; i < w->n_proxies; i++)
        world_disconnect(w, i);
    weir_store_close(w->reader);
    w->reader = NULL;
    weir__core_destroy(w->core);
    w->core = NULL;
}

void world_crash_control(struct world *w)
{
    stop_core(w);
    world__start_core(w);
    for (int i = 0; i < w->n_proxies; i++)
        world_connect(w, i);
}

static void copy_file(const char *from, const char *to)
{
    struct weir_buf b;

    weir_buf_init(&b, 64 << 20);
    WEIR_ASSERT(weir_file_read(from, &b) == WEIR_OK);
    WEIR_ASSERT(weir_file_replace(to, weir_buf_str(&b), 0600, false) == WEIR_OK);
    weir_buf_fini(&b);
}

void world_checkpoint(struct world *w)
{
    struct weir_store *s;

    WEIR_ASSERT(weir_store_open(w->db, WEIR_STORE_FULL_SYNC, &s) == WEIR_OK);
    weir_store_checkpoint(s);
    weir_store_close(s);
    copy_file(w->db, w->db_copy);
}

void world_lose_commit(struct world *w)
{
    stop_core(w);
    copy_file(w->db_copy, w->db);
    world__start_core(w);
    for (int i = 0; i < w->n_proxies; i++)
        world_connect(w, i);
}

/* ---- calls ---- */

static void on_admitted(void *arg, int rc, const struct weir_admit_failure *failure)
{
    struct world_call *c = arg;

    c->resumed++;
    c->waiting = false;
    c->rc = rc;
    if (failure)
        c->failure = *failure;
    if (rc == WEIR_OK) {
        c->open = true;
        c->since_ms = c->w->mono_ms;
    } else if (!c->open) {
        if (c->w->on_refused)
            c->w->on_refused(c->w->refused_arg, c);
        c->used = false;
    }
}

void world_on_refused(struct world *w, world_refused_fn fn, void *arg)
{
    w->on_refused = fn;
    w->refused_arg = arg;
}

struct world_call *world_calls(struct world *w, int *n)
{
    *n = w->n_calls;
    return w->calls;
}

struct world_call *world_call(struct world *w, int proxy, const struct weir_budget_conf *confs,
                              const int64_t amounts[], unsigned n)
{
    struct weir_admit_part parts[WEIR_ADMIT_PARTS_MAX];
    struct world_call *c = NULL;

    for (int i = 0; i < w->n_calls && !c; i++)
        if (!w->calls[i].used)
            c = &w->calls[i];
    if (!c)
        return NULL;
    *c = (struct world_call){.w = w, .proxy = proxy, .used = true};
    for (unsigned i = 0; i < n; i++) {
        parts[i] = (struct weir_admit_part){
            .budget = &confs[i], .scope = WEIR_STR(""), .amount = amounts[i]};
        c->amount[i] = amounts[i];
    }
    c->rc = weir_holder_admit(w->proxies[proxy].holder, w->mono_ms, parts, n, on_admitted, c,
                              &c->adm, &c->failure);
    c->waiting = c->rc == WEIR_EWAIT;
    c->open = c->rc == WEIR_OK;
    c->since_ms = w->mono_ms;
    c->used = c->waiting || c->open;
    if (!c->used && w->on_refused)
        w->on_refused(w->refused_arg, c);
    return c;
}

int world_extend(struct world_call *c, const int64_t more[])
{
    c->rc = weir_holder_extend(c->w->proxies[c->proxy].holder, c->w->mono_ms, &c->adm, more,
                               on_admitted, c, &c->failure);
    c->waiting = c->rc == WEIR_EWAIT;
    return c->rc;
}

void world_settle(struct world_call *c, const int64_t actual[])
{
    WEIR_ASSERT(c->open);
    c->open = c->used = c->waiting = false;
    for (unsigned i = 0; i < c->adm.n; i++)
        spend(c->w, &c->adm.holds[i], actual[i]);
    weir_holder_settle(c->w->proxies[c->proxy].holder, c->w->mono_ms, &c->adm, actual);
}

void world_release(struct world_call *c)
{
    c->open = c->used = c->waiting = false;
    weir_holder_release(c->w->proxies[c->proxy].holder, c->w->mono_ms, &c->adm);
}

struct world_call *world_any_open(struct world *w)
{
    uint64_t start = world_random(w, (uint64_t)w->n_calls);

    for (int i = 0; i < w->n_calls; i++) {
        struct world_call *c = &w->calls[(start + (uint64_t)i) % (uint64_t)w->n_calls];

        if (c->used && c->open && !c->waiting)
            return c;
    }
    return NULL;
}

int world_open_calls(struct world *w)
{
    int n = 0;

    for (int i = 0; i < w->n_calls; i++)
        n += w->calls[i].used && w->calls[i].open;
    return n;
}
