#include "world.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "controlplane/store/store.h"
#include "weir/v1/ledger.pb-c.h"

enum {
    TICK_MS = 100,
    TRUTHS_MAX = 65536,
    /* Few proxies: each message is a transaction of its own, for more histories. */
    BATCH_FROM_PROXIES = 8
};

struct packet {
    struct packet *next;
    bool up;
    int proxy;
    unsigned stream; /* only a packet of the present stream arrives */
    int64_t at_ms;
    size_t n;
    uint8_t bytes[];
};

struct proxy {
    struct world *w;
    int index;
    struct weir_holder *holder;
    struct weir__conn *conn;
    unsigned stream;
    int starts;
    char incarnation[32], journal[128];
};

/* What was truly spent under a lease, and what is held open there. */
struct truth {
    char lease[WEIR_LEASE_ID_MAX];
    int64_t spent, open;
};

struct world {
    uint64_t rng;
    int64_t mono_ms, wall_ms, ticked_ms;
    struct world_faults faults;
    char dir[64], db[96], db_copy[96];
    struct weir__core *core;
    struct weir_store *reader;
    int n_proxies;
    struct proxy *proxies;
    struct packet *packets;
    struct world_call *calls;
    int n_calls;
    world_refused_fn on_refused;
    void *refused_arg;
    struct truth *truths;
    size_t n_truths;
    int64_t spent;
    bool in_batch; /* a transaction of the ledger is open */
    struct weir_ledger_budget budgets[4];
    size_t n_budgets;
    char problem[256];
};

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

static struct weir__core_time now_of(const struct world *w)
{
    return (struct weir__core_time){.wall_ms = w->wall_ms, .mono_ms = w->mono_ms};
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

static void start_core(struct world *w)
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
    start_core(w);
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

static struct truth *truth_of(struct world *w, const char *lease)
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
    truth_of(w, h->lease)->spent += actual;
    w->spent += actual;
}

int64_t world_truth(struct world *w)
{
    return w->spent;
}

void world_crash_proxy(struct world *w, int i, bool lose_journal)
{
    struct proxy *p = &w->proxies[i];

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
    start_core(w);
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
    start_core(w);
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

/* ---- checks ---- */

static struct weir_store *reader(struct world *w)
{
    if (!w->reader)
        WEIR_ASSERT(weir_store_open(w->db, WEIR_STORE_READ_ONLY, &w->reader) == WEIR_OK);
    return w->reader;
}

static struct weir_stmt *query(struct world *w, const char *sql)
{
    struct weir_stmt *st;

    WEIR_ASSERT(weir_store_stmt(reader(w), sql, &st) == WEIR_OK);
    return st;
}

static bool next(struct weir_stmt *st)
{
    int rc = weir_stmt_step(st);

    WEIR_ASSERT(rc >= 0);
    if (rc == 0)
        weir_stmt_reset(st);
    return rc == 1;
}

static const char *check_windows(struct world *w)
{
    struct weir_stmt *st =
        query(w, "SELECT budget, start_ms, budget_limit, closed_settled, committed,"
                 " (SELECT coalesce(sum(settled), 0) FROM leases WHERE window = w.id AND closed),"
                 " (SELECT coalesce(sum(max(granted - returned, settled)), 0) FROM leases"
                 "  WHERE window = w.id AND NOT closed) FROM windows w");
    bool bad = false;

    while (!bad && next(st)) {
        int64_t limit = weir_stmt_i64(st, 2), closed = weir_stmt_i64(st, 3),
                committed = weir_stmt_i64(st, 4);

        bad = closed + committed > limit || closed != weir_stmt_i64(st, 5) ||
              committed != weir_stmt_i64(st, 6);
        if (bad)
            (void)snprintf(w->problem, sizeof w->problem,
                           "I3: %s: closed %lld (leases: %lld) + committed %lld (leases: %lld),"
                           " limit %lld",
                           weir_stmt_str(st, 0).p, (long long)closed,
                           (long long)weir_stmt_i64(st, 5), (long long)committed,
                           (long long)weir_stmt_i64(st, 6), (long long)limit);
    }
    weir_stmt_reset(st);
    return bad ? w->problem : NULL;
}

static void gather_open(struct world *w)
{
    for (size_t i = 0; i < w->n_truths; i++)
        w->truths[i].open = 0;
    for (int i = 0; i < w->n_calls; i++)
        if (w->calls[i].used && w->calls[i].open)
            for (unsigned b = 0; b < w->calls[i].adm.n; b++)
                truth_of(w, w->calls[i].adm.holds[b].lease)->open += w->calls[i].adm.holds[b].held;
}

/* I1 per window by its leases; I5 per closed lease. A lease that the ledger does not know means
 * that a grant was sent which was not durable. */
static const char *check_truth(struct world *w)
{
    int64_t window = -1, sum = 0;
    struct weir_stmt *st = query(w, "SELECT window, closed, settled, budget_limit,"
                                    " (SELECT id FROM ledger) || '-' || number FROM leases"
                                    " JOIN windows w ON w.id = window ORDER BY window");
    size_t seen = 0, with_truth = 0;

    gather_open(w);
    for (size_t i = 0; i < w->n_truths; i++)
        with_truth += w->truths[i].lease[0] != '\0';
    while (next(st)) {
        char id[WEIR_LEASE_ID_MAX] = {0};
        struct weir_str s = weir_stmt_str(st, 4);
        size_t before = w->n_truths;
        const struct truth *t;

        memcpy(id, s.p, s.n);
        t = truth_of(w, id);
        if (w->n_truths != before) {
            w->n_truths = before; /* never spent under: leave no entry behind */
            memset(&w->truths[before], 0, sizeof *w->truths);
        } else
            seen++;
        if (weir_stmt_i64(st, 0) != window)
            sum = 0;
        window = weir_stmt_i64(st, 0);
        sum += t->spent + t->open;
        if (sum > weir_stmt_i64(st, 3)) {
            (void)snprintf(w->problem, sizeof w->problem, "I1: spent and held %lld of %lld",
                           (long long)sum, (long long)weir_stmt_i64(st, 3));
            weir_stmt_reset(st);
            return w->problem;
        }
        if (weir_stmt_i64(st, 1) && weir_stmt_i64(st, 2) < t->spent + t->open) {
            (void)snprintf(w->problem, sizeof w->problem, "I5: lease %s closed at %lld, cost %lld",
                           id, (long long)weir_stmt_i64(st, 2), (long long)(t->spent + t->open));
            weir_stmt_reset(st);
            return w->problem;
        }
    }
    return seen < with_truth ? "I1: spent under a lease that the ledger does not know" : NULL;
}

const char *world_check(struct world *w)
{
    const char *problem = check_windows(w);

    return problem ? problem : check_truth(w);
}

const char *world_finish(struct world *w)
{
    static const int64_t nothing[WEIR_ADMIT_PARTS_MAX];
    struct world_call *c;
    bool clean = false;
    struct weir_stmt *st;
    int64_t committed = 0;

    world_faults(w, (struct world_faults){0});
    if (!w->core)
        start_core(w);
    for (int i = 0; i < w->n_proxies; i++) { /* the stream's first message may have been lost */
        world_disconnect(w, i);
        world_connect(w, i);
    }
    for (int round = 0; round < 200 && !clean; round++) {
        world_run(w, 200);
        while ((c = world_any_open(w)))
            world_settle(c, nothing);
        clean = world_open_calls(w) == 0;
        for (int i = 0; i < w->n_proxies; i++)
            clean &= weir_holder_drain(w->proxies[i].holder, w->mono_ms);
    }
    if (!clean)
        return "I7: a holder can't be drained";
    st = query(w, "SELECT coalesce(sum(committed), 0) FROM windows");
    if (next(st))
        committed = weir_stmt_i64(st, 0);
    weir_stmt_reset(st);
    if (committed != 0)
        return "I7: something is still committed";
    return world_check(w);
}

struct world_sum world_ledger_sum(struct world *w, const char *budget)
{
    struct world_sum sum = {0};
    struct weir_stmt *st = query(
        w, "SELECT budget_limit, closed_settled, committed, closed_settled +"
           " (SELECT coalesce(sum(settled), 0) FROM leases WHERE window = w.id AND NOT closed)"
           " FROM windows w WHERE budget = ?1 ORDER BY start_ms DESC LIMIT 1");

    weir_stmt_bind_str(st, 1, weir_str_of(budget));
    if (next(st))
        sum = (struct world_sum){.limit = weir_stmt_i64(st, 0),
                                 .closed_settled = weir_stmt_i64(st, 1),
                                 .committed = weir_stmt_i64(st, 2),
                                 .settled = weir_stmt_i64(st, 3)};
    weir_stmt_reset(st);
    return sum;
}

void world_release_some_lease(struct world *w)
{
    struct weir_stmt *st =
        query(w, "SELECT (SELECT id FROM ledger) || '-' || number FROM leases WHERE NOT closed"
                 " ORDER BY number DESC LIMIT 1");
    char id[64] = {0};

    if (next(st))
        memcpy(id, weir_stmt_str(st, 0).p, weir_stmt_str(st, 0).n);
    weir_stmt_reset(st);
    if (!id[0])
        return;
    weir__core_begin(w->core, now_of(w));
    (void)weir__core_release(w->core, weir_str_of(id));
    WEIR_ASSERT(weir__core_end(w->core) == WEIR_OK);
}
