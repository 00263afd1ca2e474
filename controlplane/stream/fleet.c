/* fleet.c - the records of all proxies, and the copy of them that the API gets. */
#include "controlplane/stream/fleet.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "controlplane/stream/internal.h"

enum {
    GONE_KEPT_MS = 3600000,
    COMPARISONS = 64, /* distinct sets that are compared with the policy for one snapshot */
};

static void free_errors(struct weir__stream_record *r)
{
    for (size_t i = 0; i < r->error_count; i++) {
        free(r->errors[i].type);
        free(r->errors[i].name);
        free(r->errors[i].path);
        free(r->errors[i].reason);
    }
    r->error_count = 0;
}

static void free_record(struct weir_stream *s, struct weir__stream_record *r)
{
    HASH_DEL(s->records, r);
    free_errors(r);
    free(r->status.problem);
    free(r->key);
    free(r->ns);
    free(r->node);
    free(r->incarnation);
    free(r->build);
    free(r->peer);
    free(r);
}

struct weir__stream_record *weir__stream_record_of(struct weir_stream *s,
                                                   struct weir__stream_session *x)
{
    char key[2 * WEIR__STREAM_NAME_BYTES];
    struct weir__stream_record *r;

    snprintf(key, sizeof key, "%s/%s", x->ns, x->node);
    HASH_FIND_STR(s->records, key, r);
    if (!r) {
        r = WEIR_NEW(struct weir__stream_record);
        r->key = weir_strdup(weir_str_of(key));
        r->ns = weir_strdup(weir_str_of(x->ns));
        r->node = weir_strdup(weir_str_of(x->node));
        weir__v1__config_status__init(&r->status);
        HASH_ADD_KEYPTR(hh, s->records, r->key, strlen(r->key), r);
    }
    r->session = x;
    r->outstanding_since_ms = 0;
    return r;
}

static char *copy_text(const char *text)
{
    return weir_strdup((struct weir_str){text ? text : "", text ? strnlen(text, 512) : 0});
}

void weir__stream_record_nack(struct weir__stream_record *r, const Weir__V1__ConfigNack *n)
{
    free_errors(r);
    if (!n) {
        r->nacked_revision[0] = '\0';
        return;
    }
    for (size_t i = 0; i < n->n_errors && i < WEIR__STREAM_ERRORS; i++) {
        const Weir__V1__ResourceError *e = n->errors[i];

        r->errors[r->error_count++] = (struct weir__stream_error){
            copy_text(e->type), copy_text(e->name), copy_text(e->path), copy_text(e->reason)};
    }
}

void weir__stream_record_status(struct weir__stream_record *r, const Weir__V1__ConfigStatus *s)
{
    free(r->status.problem);
    weir__v1__config_status__init(&r->status);
    r->status.inflight = s->inflight;
    r->status.calls = s->calls;
    r->status.residentbytes = s->residentbytes;
    r->status.spoolbytes = s->spoolbytes;
    r->status.cpumicros = s->cpumicros;
    if (s->problem)
        r->status.problem = copy_text(s->problem);
}

void weir__stream_prune(struct weir_stream *s, bool all)
{
    struct weir__stream_record *r, *next;
    int64_t before = weir_wall_ms() - GONE_KEPT_MS;
    bool full = HASH_COUNT(s->records) > 2 * s->max_proxies;

    HASH_ITER (hh, s->records, r, next) {
        if (!r->session && (all || full || r->last_seen_ms < before))
            free_record(s, r);
    }
}

struct box {
    struct weir_fleet fleet;
    struct weir_arena *arena;
};

struct query {
    struct weir_stream *s;
    struct box *box;
    pthread_mutex_t lock;
    pthread_cond_t ready;
    bool done;
};

static const char *copy(struct weir_arena *a, const char *text)
{
    return weir_arena_strdup(a, weir_str_of(text ? text : ""));
}

static void copy_proxy(struct weir_stream *s, struct weir_arena *a,
                       const struct weir__stream_record *r, struct weir_fleet_proxy *p)
{
    struct weir_rendered *target = weir__stream_target(s, r->ns);
    struct weir_fleet_error *errors = weir_arena_zalloc(a, (r->error_count + 1) * sizeof *errors);

    for (size_t i = 0; i < r->error_count; i++)
        errors[i] =
            (struct weir_fleet_error){copy(a, r->errors[i].type), copy(a, r->errors[i].name),
                                      copy(a, r->errors[i].path), copy(a, r->errors[i].reason)};
    *p = (struct weir_fleet_proxy){
        .node = copy(a, r->node),
        .incarnation = copy(a, r->incarnation),
        .ns = copy(a, r->ns),
        .build = copy(a, r->build),
        .peer = copy(a, r->peer),
        .connected = r->session != NULL,
        .workers = r->workers,
        .connected_ms = r->connected_ms,
        .last_seen_ms = r->last_seen_ms,
        .acked_revision = copy(a, r->acked_revision),
        .target_revision = copy(a, target ? weir_rendered_revision(target) : ""),
        .outstanding_since_ms = r->outstanding_since_ms,
        .nacked_revision = copy(a, r->nacked_revision),
        .nacked_ms = r->nacked_ms,
        .errors = errors,
        .error_count = r->error_count,
        .in_flight = r->status.inflight,
        .calls = r->status.calls,
        .resident_bytes = r->status.residentbytes,
        .spool_bytes = r->status.spoolbytes,
        .cpu_micros = r->status.cpumicros,
        .problem = copy(a, r->status.problem),
    };
}

static size_t version_at(const struct weir_rendered *have, size_t j,
                         const struct weir_rendered_resource *want, bool *same)
{
    const struct weir_rendered_resource *h;

    for (*same = false; (h = weir_rendered_at(have, j)); j++) {
        int order = strcmp(h->type, want->type);

        if (order == 0)
            order = strcmp(h->name, want->name);
        if (order > 0)
            break;
        if (order == 0) {
            *same = strcmp(h->version, want->version) == 0;
            break;
        }
    }
    return j;
}

static const char *refusal(const struct weir__stream_record *r,
                           const struct weir_rendered_resource *want)
{
    for (size_t i = 0; i < r->error_count; i++)
        if (strcmp(r->errors[i].type, want->type) == 0 &&
            strcmp(r->errors[i].name, want->name) == 0)
            return r->errors[i].reason;
    return NULL;
}

/* How one connected proxy took each resource of its namespace. */
static void count_session(struct weir_arena *a, const struct weir__stream_session *x,
                          const struct weir_rendered *target, struct weir_fleet_resource *out,
                          int *comparisons)
{
    size_t n = weir_rendered_count(target), j = 0;
    bool current = strcmp(weir_rendered_revision(x->acked), weir_rendered_revision(target)) == 0;
    bool refused =
        x->nacked && strcmp(weir_rendered_revision(x->nacked), weir_rendered_revision(target)) == 0;

    if (!current && --*comparisons < 0) { /* a storm: not worth the time on this thread */
        for (size_t i = 0; i < n; i++)
            out[i].pending++;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct weir_rendered_resource *want = weir_rendered_at(target, i);
        const char *reason = refused ? refusal(x->record, want) : NULL;
        bool same = current;

        if (!current)
            j = version_at(x->acked, j, want, &same);
        if (reason) {
            out[i].nacked++;
            out[i].reason = copy(a, reason);
        } else if (same && x->outstanding_id != 0) {
            out[i].programmed++;
        } else if (refused) {
            out[i].nacked++; /* held back with the others of its transaction */
        } else {
            out[i].pending++;
        }
    }
}

static void copy_resources(struct weir_stream *s, struct box *b)
{
    struct weir__stream_ns *n, *next;
    struct weir_fleet_resource *list;
    size_t total = 0;
    int comparisons = COMPARISONS;

    HASH_ITER (hh, s->policy, n, next)
        total += weir_rendered_count(n->rendered);
    list = weir_arena_zalloc(b->arena, (total + 1) * sizeof *list);
    b->fleet.resources = list;
    b->fleet.resource_count = total;
    HASH_ITER (hh, s->policy, n, next) {
        for (size_t i = 0; i < weir_rendered_count(n->rendered); i++) {
            const struct weir_rendered_resource *r = weir_rendered_at(n->rendered, i);

            list[i].type = copy(b->arena, r->type);
            list[i].name = copy(b->arena, r->name);
            list[i].version = copy(b->arena, r->version);
        }
        WEIR_LIST_EACH (&s->sessions, l, after) {
            struct weir__stream_session *x = WEIR_CONTAINER(l, struct weir__stream_session, link);

            if (x->record && x->record->session == x && strcmp(x->ns, n->name) == 0)
                count_session(b->arena, x, n->rendered, list, &comparisons);
        }
        list += weir_rendered_count(n->rendered);
    }
}

static void fill(void *arg)
{
    struct query *q = arg;
    struct weir_stream *s = q->s;
    struct weir_fleet *f = &q->box->fleet;
    struct weir_fleet_proxy *list;
    struct weir__stream_record *r, *next;

    list = weir_arena_zalloc(q->box->arena, (HASH_COUNT(s->records) + 1) * sizeof *list);
    f->proxies = list;
    HASH_ITER (hh, s->records, r, next)
        copy_proxy(s, q->box->arena, r, &list[f->proxy_count++]);
    copy_resources(s, q->box);
    f->txns_sent = s->txns_sent;
    f->acks = s->acks;
    f->nacks = s->nacks;
    f->closed_slow = s->closed_slow;
    f->refused = s->refused;
    pthread_mutex_lock(&q->lock);
    q->done = true;
    pthread_cond_signal(&q->ready);
    pthread_mutex_unlock(&q->lock);
}

struct weir_fleet *weir_fleet_snapshot(struct weir_stream *s)
{
    struct query q = {.s = s, .box = WEIR_NEW(struct box)};

    q.box->arena = weir_arena_create(NULL);
    pthread_mutex_init(&q.lock, NULL);
    pthread_cond_init(&q.ready, NULL);
    if (weir__stream_post(s, fill, &q) == WEIR_OK) {
        pthread_mutex_lock(&q.lock);
        while (!q.done)
            pthread_cond_wait(&q.ready, &q.lock);
        pthread_mutex_unlock(&q.lock);
    }
    pthread_cond_destroy(&q.ready);
    pthread_mutex_destroy(&q.lock);
    return &q.box->fleet;
}

void weir_fleet_free(struct weir_fleet *f)
{
    struct box *b;

    if (!f)
        return;
    b = WEIR_CONTAINER(f, struct box, fleet);
    weir_arena_destroy(b->arena);
    free(b);
}
