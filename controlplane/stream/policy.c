/* policy.c - the policy in force, the debounce before it, and sending it out.
 *
 *   set -> held back until it has been quiet -> in force -> sessions marked -> sent, some at a time
 *
 * A session has one transaction outstanding at most. What changes meanwhile is in the next one,
 * since each is made from what the proxy has and what it should have by then. */
#include "controlplane/stream/internal.h"

#include "base/clock.h"
#include "base/log.h"

enum { PUSH_AT_ONCE = 64 }; /* sessions served before the loop looks at its other work */

void weir__stream_free_policy(struct weir__stream_ns **policy)
{
    struct weir__stream_ns *n, *next;

    HASH_ITER (hh, *policy, n, next) {
        HASH_DEL(*policy, n);
        weir_rendered_unref(n->rendered);
        free(n->name);
        free(n);
    }
}

struct weir_rendered *weir__stream_target(struct weir_stream *s, const char *ns)
{
    struct weir__stream_ns *n;

    if (!s->has_policy)
        return NULL;
    HASH_FIND_STR(s->policy, ns, n);
    return n ? n->rendered : s->empty;
}

void weir__stream_promote(struct weir_stream *s)
{
    weir__stream_free_policy(&s->policy);
    s->policy = s->next;
    s->next = NULL;
    s->has_next = false;
    s->has_policy = true;
    WEIR_LIST_EACH (&s->sessions, l, next) {
        struct weir__stream_session *x = WEIR_CONTAINER(l, struct weir__stream_session, link);

        weir_list_remove(&x->dirty);
        weir_list_push(&s->dirty, &x->dirty);
    }
    uv_idle_start(&s->pusher, weir__stream_push);
}

static void on_quiet(uv_timer_t *h)
{
    weir__stream_promote(h->data);
}

struct change {
    struct weir_stream *s;
    struct weir__stream_ns *policy;
};

static void take_change(void *arg)
{
    struct change *c = arg;
    struct weir_stream *s = c->s;
    int64_t now = weir_mono_ms(), wait;

    if (s->draining) {
        weir__stream_free_policy(&c->policy);
        free(c);
        return;
    }
    weir__stream_free_policy(&s->next);
    s->next = c->policy;
    free(c);
    if (!s->has_next)
        s->first_change_ms = now;
    s->has_next = true;
    if (!s->has_policy) { /* nobody has anything: no reason to wait */
        weir__stream_promote(s);
        return;
    }
    wait = s->first_change_ms + s->quiet_max_ms - now;
    if (wait > s->quiet_ms)
        wait = s->quiet_ms;
    uv_timer_start(&s->debounce, on_quiet, wait > 0 ? (uint64_t)wait : 0, 0);
}

static bool fits(const struct weir_rendered *r)
{
    size_t total = 0;

    for (size_t i = 0; i < weir_rendered_count(r); i++) {
        size_t n = weir_rendered_at(r, i)->body.n;

        total += n;
        if (n > WEIR__DIFF_RESOURCE_BYTES || total > WEIR__DIFF_SET_BYTES)
            return false;
    }
    return true;
}

int weir_stream_set_policy(struct weir_stream *s, const struct weir_stream_policy list[], size_t n)
{
    struct change *c;
    int rc;

    for (size_t i = 0; i < n; i++)
        if (!fits(list[i].rendered))
            return WEIR_ELIMIT;
    c = WEIR_NEW(struct change);
    c->s = s;
    for (size_t i = 0; i < n; i++) {
        struct weir__stream_ns *ns = WEIR_NEW(struct weir__stream_ns);

        ns->name = weir_strdup(weir_str_of(list[i].ns));
        ns->rendered = weir_rendered_ref(list[i].rendered);
        HASH_ADD_KEYPTR(hh, c->policy, ns->name, strlen(ns->name), ns);
    }
    rc = weir__stream_post(s, take_change, c);
    if (rc != WEIR_OK) {
        weir__stream_free_policy(&c->policy);
        free(c);
    }
    return rc;
}

static bool same(const struct weir_rendered *a, const struct weir_rendered *b)
{
    return a && b && strcmp(weir_rendered_revision(a), weir_rendered_revision(b)) == 0;
}

static void push_one(struct weir_stream *s, struct weir__stream_session *x)
{
    struct weir_rendered *target = weir__stream_target(s, x->ns);
    const struct weir__diff *d;

    if (!target || !x->record || x->closing || x->outstanding || same(target, x->nacked))
        return;
    /* Empty ones are sent too, first and after a NACK: they tell the proxy that it is current, and
     * its ACK ends what the NACK said. */
    if (x->outstanding_id != 0 && !x->nacked && same(target, x->acked))
        return;
    d = weir__diff_get(s->diffs, x->acked, target, &s->next_txn);
    /* One transaction is all that ever waits for a proxy, and its messages are shared by all. */
    weir_grpc_set_queue_bytes(x->stream, d->bytes + s->queue_bytes);
    for (size_t i = 0; i < d->count; i++)
        if (weir_grpc_send_msg(x->stream, d->messages[i]) != WEIR_OK)
            return; /* it has ended; on_close comes */
    x->outstanding = weir_rendered_ref(target);
    x->outstanding_id = d->id;
    x->sent_ms = weir_mono_ms();
    x->record->outstanding_since_ms = weir_wall_ms();
    s->txns_sent++;
}

void weir__stream_push(uv_idle_t *h)
{
    struct weir_stream *s = h->data;

    for (int i = 0; i < PUSH_AT_ONCE; i++) {
        struct weir_link *l = weir_list_pop(&s->dirty);

        if (!l) {
            uv_idle_stop(h);
            return;
        }
        push_one(s, WEIR_CONTAINER(l, struct weir__stream_session, dirty));
    }
}
