/* dial.c - see dial.h.
 *
 *   RESOLVING -> RACING -> done (one callback) -> CLOSED
 * A dial has one timer: it starts the next attempt, and with delay 0 it tells an early failure, so
 * that nothing is ever called from inside start.
 */
#include "net/dial.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct weir_dial {
    uv_timer_t timer;
    uv_loop_t *loop;
    struct weir_dns *dns;
    struct weir_dns_query *query;
    struct weir_dns_result addrs;
    struct weir_socket *attempts[WEIR_DNS_MAX_ADDRESSES]; /* NULL: failed or not begun */
    size_t next;                                          /* address to try */
    size_t open;                                          /* attempts under way */
    int last_uv;                                          /* of the latest failure */
    int rc;
    bool over;
    weir_dial_fn done;
    void *arg;
};

static const char *cause_of(int rc, int uv)
{
    if (rc == WEIR_ENOTFOUND)
        return "the host name does not resolve";
    if (rc == WEIR_EIO)
        return "the name server did not answer";
    switch (uv) {
    case UV_ECONNREFUSED:
        return "connection refused";
    case UV_ETIMEDOUT:
        return "the host did not answer";
    case UV_ENETUNREACH:
    case UV_EHOSTUNREACH:
        return "no route to the host";
    case UV_ENOENT:
        return "the socket file does not exist";
    case UV_EACCES:
    case UV_EPERM:
        return "not permitted";
    case UV_EMFILE:
    case UV_ENFILE:
        return "no file descriptors left on this side";
    default:
        return "no connection could be made";
    }
}

static void on_timer_closed(uv_handle_t *h)
{
    free(h->data);
}

static void shut(struct weir_dial *d)
{
    d->over = true;
    if (d->query)
        weir_dns_cancel(d->query);
    d->query = NULL;
    for (size_t i = 0; i < WEIR_DNS_MAX_ADDRESSES; i++)
        if (d->attempts[i])
            weir_socket_close(d->attempts[i]);
    uv_close((uv_handle_t *)&d->timer, on_timer_closed);
}

static void finish(struct weir_dial *d, int rc, struct weir_socket *winner)
{
    weir_dial_fn done = d->done;
    void *arg = d->arg;
    const char *cause = rc ? cause_of(rc, d->last_uv) : "";

    shut(d);
    if (rc == WEIR_EIO)
        rc = WEIR_ECONNECT;
    done(arg, rc, cause, winner);
}

static void on_timer(uv_timer_t *timer);

static void start_next(struct weir_dial *d);

static size_t slot_of(const struct weir_dial *d, const struct weir_socket *s)
{
    size_t i = 0;

    while (d->attempts[i] != s)
        i++;
    return i;
}

static void on_connected(uv_connect_t *req, int status)
{
    struct weir_socket *s = WEIR_CONTAINER(req, struct weir_socket, connect);
    struct weir_dial *d = s->owner;
    size_t slot;

    if (!d) /* closed meanwhile */
        return;
    slot = slot_of(d, s);
    d->attempts[slot] = NULL;
    d->open--;
    if (d->dns)
        weir_dns_note(d->dns, (const struct sockaddr *)&d->addrs.addr[slot], status < 0);
    if (status == 0) {
        s->owner = NULL;
        finish(d, WEIR_OK, s);
        return;
    }
    d->last_uv = status;
    weir_socket_close(s);
    if (d->next < d->addrs.count)
        start_next(d);
    else if (d->open == 0)
        finish(d, WEIR_ECONNECT, NULL);
}

/* True: under way. */
static bool attempt(struct weir_dial *d, size_t slot)
{
    struct weir_socket *s = weir_socket_create();
    int rc;

    rc = uv_tcp_init(d->loop, &s->u.tcp);
    if (rc) {
        free(s);
        d->last_uv = rc;
        return false;
    }
    s->owner = d;
    s->u.handle.data = s;
    rc = uv_tcp_connect(&s->connect, &s->u.tcp, (const struct sockaddr *)&d->addrs.addr[slot],
                        on_connected);
    if (rc) {
        d->last_uv = rc;
        weir_socket_close(s);
        return false;
    }
    uv_tcp_nodelay(&s->u.tcp, 1);
    d->attempts[slot] = s;
    d->open++;
    return true;
}

static void start_next(struct weir_dial *d)
{
    uint64_t delay = WEIR_DIAL_ATTEMPT_DELAY_MS;

    while (d->next < d->addrs.count)
        if (attempt(d, d->next++))
            break;
    if (d->next >= d->addrs.count && d->open)
        return;
    if (d->open == 0) {
        d->rc = WEIR_ECONNECT;
        delay = 0;
    }
    uv_timer_start(&d->timer, on_timer, delay, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct weir_dial *d = timer->data;

    if (d->over)
        return;
    if (d->rc)
        finish(d, d->rc, NULL);
    else
        start_next(d);
}

static void on_resolved(void *arg, int rc, const struct weir_dns_result *result)
{
    struct weir_dial *d = arg;

    d->query = NULL;
    if (rc) {
        finish(d, rc, NULL);
        return;
    }
    d->addrs = *result;
    start_next(d);
}

static struct weir_dial *dial_create(uv_loop_t *loop, weir_dial_fn done, void *arg)
{
    struct weir_dial *d = WEIR_NEW(struct weir_dial);

    d->loop = loop;
    d->done = done;
    d->arg = arg;
    uv_timer_init(loop, &d->timer); /* cannot fail on a live loop */
    d->timer.data = d;
    return d;
}

static void fail_soon(struct weir_dial *d, int rc)
{
    d->rc = rc;
    uv_timer_start(&d->timer, on_timer, 0, 0);
}

struct weir_dial *weir_dial_tcp(uv_loop_t *loop, struct weir_dns *dns, struct weir_str host,
                                uint16_t port, weir_dial_fn done, void *arg)
{
    struct weir_dial *d = dial_create(loop, done, arg);
    int rc;

    d->dns = dns;
    rc = weir_dns_resolve(dns, host, port, on_resolved, d, &d->addrs, &d->query);
    if (rc == WEIR_OK)
        start_next(d);
    else if (rc != WEIR_EWAIT)
        fail_soon(d, rc == WEIR_EINVAL ? WEIR_ENOTFOUND : rc);
    return d;
}

struct weir_dial *weir_dial_unix(uv_loop_t *loop, struct weir_str path, weir_dial_fn done,
                                 void *arg)
{
    struct weir_dial *d = dial_create(loop, done, arg);
    struct weir_socket *s = weir_socket_create();
    char name[108]; /* sun_path */

    if (path.n == 0 || path.n >= sizeof name || uv_pipe_init(loop, &s->u.pipe, 0)) {
        free(s);
        d->last_uv = UV_ENOENT;
        fail_soon(d, WEIR_ECONNECT);
        return d;
    }
    memcpy(name, path.p, path.n);
    name[path.n] = 0;
    s->owner = d;
    s->u.handle.data = s;
    d->attempts[0] = s;
    d->open = 1;
    uv_pipe_connect(&s->connect, &s->u.pipe, name, on_connected); /* tells errors by callback */
    return d;
}

void weir_dial_cancel(struct weir_dial *d)
{
    shut(d);
}
