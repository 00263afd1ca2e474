/* pool.c - the connections to one origin: latest used first, so that the rest may go idle and be
 * closed; a cap, and a queue in order of arrival behind it. */
#include <stdlib.h>
#include <string.h>

#include "http/client_internal.h"

struct weir__pool *weir__pool_of(struct weir_http_client *c, struct weir_origin *o)
{
    struct weir__pool *p;

    HASH_FIND(hh, c->pools, o->key, sizeof o->key, p);
    if (!p) {
        p = WEIR_NEW(struct weir__pool);
        p->client = c;
        memcpy(p->key, o->key, sizeof p->key);
        weir_list_init(&p->idle);
        weir_list_init(&p->busy);
        weir_list_init(&p->waiting);
        HASH_ADD(hh, c->pools, key, sizeof p->key, p);
    }
    /* The latest of equal origins, so that an old snapshot's can go. */
    if (p->origin != o) {
        weir_origin_unref(p->origin);
        p->origin = weir_origin_ref(o);
    }
    return p;
}

/* True: the call is on its way or has failed; false: the connection had gone unseen and nothing of
 * the request left, so another one may be used without anybody noticing. */
static bool try_idle(struct weir_http_call *call)
{
    struct weir__conn *conn = WEIR_CONTAINER(call->pool->idle.prev, struct weir__conn, link);
    int rc;

    call->info.reused_connection = true;
    rc = weir__conn_begin(conn, call);
    if (rc == WEIR_OK)
        return true;
    call->conn = NULL;
    conn->call = NULL;
    if (!call->info.request_bytes_sent) {
        call->info.reused_connection = false;
        weir__conn_close(conn);
        return false;
    }
    weir__conn_close(conn);
    weir__call_fail_later(call, rc, "the connection was closed while the request was sent");
    return true;
}

void weir__pool_assign(struct weir_http_call *call)
{
    struct weir__pool *p = call->pool;

    if (!weir_list_empty(&p->idle) && !call->retried) {
        if (try_idle(call))
            return;
        call->retried = true; /* once, and then on a new connection */
    }
    if (p->open < p->origin->max_connections) {
        weir__conn_dial(p, call);
        return;
    }
    weir__call_enter(call, WEIR_HTTP_PHASE_QUEUE);
    if (p->waiting_count >= p->origin->max_waiting) {
        weir__call_fail_later(call, WEIR_ELIMIT, "too many calls wait for a connection");
        return;
    }
    weir_list_push(&p->waiting, &call->waiting);
    p->waiting_count++;
}

void weir__pool_next(struct weir__pool *p)
{
    while (p->waiting_count && !p->client->closing &&
           (!weir_list_empty(&p->idle) || p->open < p->origin->max_connections)) {
        struct weir_link *l = weir_list_pop(&p->waiting);

        p->waiting_count--;
        weir__pool_assign(WEIR_CONTAINER(l, struct weir_http_call, waiting));
    }
}

void weir__pool_drop(struct weir__pool *p)
{
    WEIR_LIST_EACH (&p->idle, l, next) {
        weir__conn_close(WEIR_CONTAINER(l, struct weir__conn, link));
    }
    HASH_DEL(p->client->pools, p);
    weir_origin_unref(p->origin);
    weir_tls_ticket_destroy(p->ticket);
    free(p);
}
