/* The ledger's thread: takes what has queued up, makes one transaction of it, sends the answers. */
#include "controlplane/ledger/ledger.h"

#include <pthread.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/ledger/calendar.h"
#include "controlplane/ledger/core.h"
#include "weir/v1/ledger.pb-c.h"

enum { QUEUE_MAX = 65536, BATCH_MAX = 4096, KEPT_MAX = 65536, TRIES_MAX = 100 };

enum item_kind { IT_ATTACH, IT_UP, IT_DETACH, IT_BUDGETS, IT_RELEASE, IT_ENTRY, IT_TOLD };

struct item {
    struct weir_link link;
    enum item_kind kind;
    struct weir_ledger_session *session;
    Weir__V1__BudgetUp *up;
    struct weir__budget_set *budgets;
    char *lease;
    int64_t crossing;
    struct weir_ledger_entry entry; /* its strings are the item's */
    void (*done)(void *arg, int rc);
    void *arg;
    int rc;
    int tries; /* of a kept message that failed for no reason that passes by itself */
};

struct weir_ledger_session {
    struct weir_ledger *l;
    char *node;
    struct weir__conn *conn; /* of the ledger's thread */
    pthread_mutex_t mutex;   /* send against detach; held for the length of one hand-over */
    bool detached;
    weir_ledger_send_fn send;
    void *arg;
};

struct weir_ledger {
    struct weir__core *core; /* of the thread */
    struct weir_link kept;   /* of the thread: messages whose batch failed, without their asks */
    size_t n_kept;
    pthread_t thread;
    pthread_mutex_t mutex; /* what follows */
    pthread_cond_t cond;
    struct weir_link queue;
    size_t queued;
    bool stop;
    struct weir_ledger_counters count;
};

static struct weir__core_time time_now(void)
{
    return (struct weir__core_time){.wall_ms = weir_wall_ms(), .mono_ms = weir_mono_ms()};
}

static void send_to(void *arg, const Weir__V1__BudgetDown *down)
{
    struct weir_ledger_session *s = arg;

    (void)pthread_mutex_lock(&s->mutex);
    if (!s->detached)
        s->send(s->arg, down);
    (void)pthread_mutex_unlock(&s->mutex);
}

static void session_free(struct weir_ledger_session *s)
{
    (void)pthread_mutex_destroy(&s->mutex);
    free(s->node);
    free(s);
}

static void item_free(struct item *it)
{
    if (it->up)
        weir__v1__budget_up__free_unpacked(it->up, NULL);
    weir__budget_set_free(it->budgets);
    free(it->lease);
    free((char *)it->entry.budget);
    free((char *)it->entry.scope);
    free((char *)it->entry.actor);
    free((char *)it->entry.reason);
    free(it);
}

static void apply(struct weir_ledger *l, struct item *it, struct weir__core_time now)
{
    switch (it->kind) {
    case IT_ATTACH:
        it->session->conn = weir__core_connect(l->core, it->session->node, send_to, it->session);
        break;
    case IT_UP:
        weir__core_up(l->core, it->session->conn, it->up);
        break;
    case IT_DETACH:
        weir__core_disconnect(l->core, it->session->conn, now);
        it->session->conn = NULL;
        break;
    case IT_BUDGETS:
        weir__core_set_budgets(l->core, it->budgets);
        it->budgets = NULL;
        break;
    case IT_RELEASE:
        it->rc = weir__core_release(l->core, weir_str_of(it->lease));
        break;
    case IT_TOLD:
        weir__core_crossing_done(l->core, it->crossing);
        break;
    case IT_ENTRY:
        it->rc = weir__core_enter(l->core, &it->entry);
        break;
    }
}

/* Waits for work; takes at most BATCH_MAX items. False: stop, and nothing is left. */
static bool take(struct weir_ledger *l, struct weir_link *batch)
{
    struct timespec until;
    int64_t wait_ms = weir__core_tick_ms(l->core);
    bool go_on;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += wait_ms % 1000 * 1000000;
    until.tv_sec += wait_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&l->mutex);
    weir__core_count(l->core, &l->count);
    while (weir_list_empty(&l->queue) && !l->stop)
        if (pthread_cond_timedwait(&l->cond, &l->mutex, &until) != 0)
            break;
    for (int n = 0; n < BATCH_MAX && !weir_list_empty(&l->queue); n++) {
        weir_list_push(batch, weir_list_pop(&l->queue));
        l->queued--;
    }
    go_on = !l->stop || !weir_list_empty(batch);
    (void)pthread_mutex_unlock(&l->mutex);
    return go_on;
}

/* A session that ends takes its kept messages along: its holders report all again elsewhere. */
static void drop_kept(struct weir_ledger *l, const struct weir_ledger_session *s)
{
    WEIR_LIST_EACH (&l->kept, at, next) {
        struct item *it = WEIR_CONTAINER(at, struct item, link);

        if (it->session != s)
            continue;
        weir_list_remove(at);
        l->n_kept--;
        item_free(it);
    }
}

/* Reports of a batch that failed would be lost; asks were answered with "ask again". */
static bool keep(struct weir_ledger *l, struct item *it)
{
    if (it->kind != IT_UP || !it->session->conn || (!it->up->hello && it->up->n_reports == 0))
        return false;
    if (l->n_kept == KEPT_MAX) {
        WEIR_LOG(WEIR_LOG_WARN, "ledger",
                 "a report is dropped, since the ledger can't be written: the next one repeats it");
        return false;
    }
    while (it->up->n_asks > 0)
        weir__v1__lease_ask__free_unpacked(it->up->asks[--it->up->n_asks], NULL);
    weir_list_push(&l->kept, &it->link);
    l->n_kept++;
    return true;
}

static void tried_kept(struct weir_ledger *l, int rc)
{
    bool passing = rc == WEIR_ERETRY || rc == WEIR_EUNSURE || rc == WEIR_ECONNECT;

    WEIR_LIST_EACH (&l->kept, at, next) {
        struct item *it = WEIR_CONTAINER(at, struct item, link);

        if (rc != WEIR_OK && (passing || ++it->tries < TRIES_MAX))
            continue;
        weir_list_remove(at);
        l->n_kept--;
        item_free(it);
    }
}

static void finish(struct weir_ledger *l, struct item *it, int rc)
{
    if (it->done)
        it->done(it->arg, it->rc == WEIR_OK ? rc : it->rc);
    if (it->kind == IT_DETACH) {
        drop_kept(l, it->session);
        session_free(it->session);
    }
    if (rc == WEIR_OK || !keep(l, it))
        item_free(it);
}

static void commit_batch(struct weir_ledger *l, struct weir_link *batch, struct weir__core_time now)
{
    struct weir_link *link;
    int rc;

    weir__core_begin(l->core, now);
    WEIR_LIST_EACH (&l->kept, at, next)
        apply(l, WEIR_CONTAINER(at, struct item, link), now);
    WEIR_LIST_EACH (batch, at, next)
        apply(l, WEIR_CONTAINER(at, struct item, link), now);
    weir__core_tick(l->core);
    rc = weir__core_end(l->core);
    tried_kept(l, rc);
    while ((link = weir_list_pop(batch)))
        finish(l, WEIR_CONTAINER(link, struct item, link), rc);
}

static void *run(void *arg)
{
    struct weir_ledger *l = arg;
    struct weir_link batch, *link;

    weir_list_init(&batch);
    while (take(l, &batch)) {
        struct weir__core_time now = time_now();

        if (!weir_list_empty(&batch) || l->n_kept > 0 || weir__core_due(l->core, now))
            commit_batch(l, &batch, now);
    }
    while ((link = weir_list_pop(&l->kept)))
        item_free(WEIR_CONTAINER(link, struct item, link));
    return NULL;
}

/* WEIR_EAGAIN: the queue is full and the item may wait outside; it is freed then. */
static int push(struct weir_ledger *l, struct item *it)
{
    bool full;

    (void)pthread_mutex_lock(&l->mutex);
    full = it->kind == IT_UP && l->queued >= QUEUE_MAX;
    if (!full) {
        weir_list_push(&l->queue, &it->link);
        l->queued++;
        (void)pthread_cond_signal(&l->cond);
    }
    (void)pthread_mutex_unlock(&l->mutex);
    if (full)
        item_free(it);
    return full ? WEIR_EAGAIN : WEIR_OK;
}

static struct item *item(enum item_kind kind, struct weir_ledger_session *s)
{
    struct item *it = WEIR_NEW(struct item);

    it->kind = kind;
    it->session = s;
    return it;
}

int weir_ledger_create(const struct weir_ledger_options *o, struct weir_ledger **out)
{
    struct weir_ledger *l = WEIR_NEW(struct weir_ledger);
    pthread_condattr_t monotonic;
    int rc = weir__core_create(o, time_now(), &l->core);

    if (rc != WEIR_OK) {
        free(l);
        return rc;
    }
    weir_list_init(&l->queue);
    weir_list_init(&l->kept);
    (void)pthread_mutex_init(&l->mutex, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&l->cond, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (pthread_create(&l->thread, NULL, run, l) != 0) {
        weir__core_destroy(l->core);
        free(l);
        return WEIR_EIO;
    }
    *out = l;
    return WEIR_OK;
}

void weir_ledger_destroy(struct weir_ledger *l)
{
    if (!l)
        return;
    (void)pthread_mutex_lock(&l->mutex);
    l->stop = true;
    (void)pthread_cond_signal(&l->cond);
    (void)pthread_mutex_unlock(&l->mutex);
    (void)pthread_join(l->thread, NULL);
    weir__core_destroy(l->core);
    (void)pthread_cond_destroy(&l->cond);
    (void)pthread_mutex_destroy(&l->mutex);
    free(l);
}

int weir_ledger_set_budgets(struct weir_ledger *l, const struct weir_ledger_budget budgets[],
                            size_t n)
{
    struct weir__budget_set *set;
    int rc = weir__budget_set_make(budgets, n, &set);
    struct item *it;

    if (rc != WEIR_OK)
        return rc;
    it = item(IT_BUDGETS, NULL);
    it->budgets = set;
    return push(l, it);
}

bool weir_ledger_knows_timezone(struct weir_str name)
{
    struct weir_zone *z = NULL;
    bool known = weir_zone_load(name, &z) == WEIR_OK;

    weir_zone_free(z);
    return known;
}

struct weir_ledger_session *weir_ledger_attach(struct weir_ledger *l, const char *node,
                                               weir_ledger_send_fn send, void *arg)
{
    struct weir_ledger_session *s = WEIR_NEW(struct weir_ledger_session);

    s->l = l;
    s->node = weir_strdup(weir_str_of(node));
    (void)pthread_mutex_init(&s->mutex, NULL);
    s->send = send;
    s->arg = arg;
    (void)push(l, item(IT_ATTACH, s));
    return s;
}

static bool is_text(const char *z)
{
    return !z || weir_str_is_utf8(weir_str_of(z));
}

/* What PostgreSQL would refuse, and with it the whole batch. */
static bool is_all_text(const Weir__V1__BudgetUp *up)
{
    bool ok = is_text(up->incarnation) && (!up->hello || is_text(up->hello->incarnation));

    for (size_t i = 0; ok && i < up->n_asks; i++)
        ok = is_text(up->asks[i]->budget) && is_text(up->asks[i]->scope);
    for (size_t i = 0; ok && up->hello && i < up->hello->n_gone; i++)
        ok = is_text(up->hello->gone[i]);
    return ok;
}

static bool in_bounds(const Weir__V1__BudgetUp *up)
{
    return up->n_asks <= 4096 && up->n_reports <= 16384 &&
           (!up->hello || (up->hello->n_reports <= 65536 && up->hello->n_gone <= 64));
}

int weir_ledger_receive(struct weir_ledger_session *s, const Weir__V1__BudgetUp *up)
{
    struct item *it;
    uint8_t *bytes;
    size_t n;

    if (!in_bounds(up) || !is_all_text(up))
        return WEIR_EPROTO;
    n = weir__v1__budget_up__get_packed_size(up);
    bytes = weir_alloc(n + 1);
    (void)weir__v1__budget_up__pack(up, bytes);
    it = item(IT_UP, s);
    it->up = weir__v1__budget_up__unpack(NULL, n, bytes);
    free(bytes);
    if (!it->up) {
        item_free(it);
        return WEIR_EPROTO;
    }
    return push(s->l, it);
}

void weir_ledger_detach(struct weir_ledger_session *s)
{
    if (!s)
        return;
    (void)pthread_mutex_lock(&s->mutex);
    s->detached = true;
    (void)pthread_mutex_unlock(&s->mutex);
    (void)push(s->l, item(IT_DETACH, s));
}

void weir_ledger_release(struct weir_ledger *l, struct weir_str lease,
                         void (*done)(void *arg, int rc), void *arg)
{
    struct item *it = item(IT_RELEASE, NULL);

    it->lease = weir_strdup(lease);
    it->done = done;
    it->arg = arg;
    (void)push(l, it);
}

static char *copy(const char *z)
{
    return z ? weir_strdup(weir_str_of(z)) : NULL;
}

void weir_ledger_enter(struct weir_ledger *l, const struct weir_ledger_entry *entry,
                       void (*done)(void *arg, int rc), void *arg)
{
    struct item *it = item(IT_ENTRY, NULL);

    it->entry = *entry;
    it->entry.budget = copy(entry->budget);
    it->entry.scope = copy(entry->scope);
    it->entry.actor = copy(entry->actor);
    it->entry.reason = copy(entry->reason);
    it->done = done;
    it->arg = arg;
    (void)push(l, it);
}

void weir_ledger_crossing_done(struct weir_ledger *l, int64_t id)
{
    struct item *it = item(IT_TOLD, NULL);

    it->crossing = id;
    (void)push(l, it);
}

void weir_ledger_count(struct weir_ledger *l, struct weir_ledger_counters *out)
{
    (void)pthread_mutex_lock(&l->mutex);
    *out = l->count;
    (void)pthread_mutex_unlock(&l->mutex);
}
