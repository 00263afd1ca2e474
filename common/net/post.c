#include "net/post.h"

#include <pthread.h>

#include "base/mem.h"

struct message {
    struct message *next;
    weir_post_fn fn;
    void *arg;
};

struct weir_mailbox {
    uv_async_t async;
    pthread_mutex_t lock; /* guards what follows */
    struct message *first, **last;
    size_t count, max;
    bool closing;
};

static struct message *take_all(struct weir_mailbox *m)
{
    struct message *all;

    pthread_mutex_lock(&m->lock);
    all = m->first;
    m->first = NULL;
    m->last = &m->first;
    m->count = 0;
    pthread_mutex_unlock(&m->lock);
    return all;
}

static void run_all(struct weir_mailbox *m)
{
    struct message *next;

    for (struct message *e = take_all(m); e; e = next) {
        next = e->next;
        e->fn(e->arg);
        free(e);
    }
}

static void on_async(uv_async_t *async)
{
    run_all(async->data);
}

struct weir_mailbox *weir_mailbox_create(uv_loop_t *loop, size_t max)
{
    struct weir_mailbox *m = WEIR_NEW(struct weir_mailbox);

    if (uv_async_init(loop, &m->async, on_async) != 0) {
        free(m);
        return NULL;
    }
    uv_unref((uv_handle_t *)&m->async);
    m->async.data = m;
    m->last = &m->first;
    m->max = max;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

int weir_mailbox_post(struct weir_mailbox *m, weir_post_fn fn, void *arg)
{
    struct message *e = weir_alloc(sizeof *e);
    int rc = WEIR_OK;

    *e = (struct message){NULL, fn, arg};
    pthread_mutex_lock(&m->lock);
    if (m->closing) {
        rc = WEIR_ECLOSED;
    } else if (m->count >= m->max) {
        rc = WEIR_ELIMIT;
    } else {
        *m->last = e;
        m->last = &e->next;
        m->count++;
    }
    pthread_mutex_unlock(&m->lock);
    if (rc == WEIR_OK)
        uv_async_send(&m->async);
    else
        free(e);
    return rc;
}

static void on_closed(uv_handle_t *h)
{
    struct weir_mailbox *m = h->data;

    pthread_mutex_destroy(&m->lock);
    free(m);
}

void weir_mailbox_destroy(struct weir_mailbox *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->lock);
    m->closing = true;
    pthread_mutex_unlock(&m->lock);
    run_all(m);
    uv_close((uv_handle_t *)&m->async, on_closed);
}
