/* queue.c - entries that a loop posts: a thread writes them, in order, until each is written. */
#include <pthread.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "controlplane/audit/internal.h"

enum { MAX_WAITING = 1024, PAUSE_S = 1 };

struct posted {
    struct posted *next;
    struct weir_audit_entry e;
    char *texts[7]; /* what e points to */
    char *detail;
};

struct weir__audit_queue {
    struct weir_audit *audit;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct posted *first, **last;
    size_t n;
    bool stop;
};

static void forget(struct posted *p)
{
    for (size_t i = 0; i < sizeof p->texts / sizeof *p->texts; i++)
        free(p->texts[i]);
    free(p->detail);
    free(p);
}

static const char *copy(char **kept, const char *text)
{
    if (text)
        *kept = weir_strdup(weir_str_of(text));
    return *kept;
}

static struct posted *copy_of(const struct weir_audit_entry *e)
{
    struct posted *p = WEIR_NEW(struct posted);

    p->e = *e;
    p->e.actor = copy(&p->texts[0], e->actor);
    p->e.from = copy(&p->texts[1], e->from);
    p->e.action = copy(&p->texts[2], e->action);
    p->e.object = copy(&p->texts[3], e->object);
    p->e.outcome = copy(&p->texts[4], e->outcome);
    p->e.before = copy(&p->texts[5], e->before);
    p->e.after = copy(&p->texts[6], e->after);
    if (e->detail.p)
        p->detail = weir_strdup(e->detail);
    p->e.detail = (struct weir_str){p->detail, e->detail.n};
    return p;
}

/* With the lock held. Waits a moment, or until the queue is to stop. */
static void pause_a_moment(struct weir__audit_queue *q)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PAUSE_S;
    while (!q->stop && pthread_cond_timedwait(&q->changed, &q->lock, &until) == 0)
        ;
}

static void lose(const struct posted *p)
{
    WEIR_LOG(WEIR_LOG_ERROR, "audit", "not written: %s %s", p->e.action,
             p->e.object ? p->e.object : "");
}

/* With the lock held, which it gives up meanwhile. The first entry stays first until it is done. */
static void write_first(struct weir__audit_queue *q)
{
    struct posted *p = q->first;
    int rc;

    (void)pthread_mutex_unlock(&q->lock);
    rc = weir_audit_append(q->audit, &p->e, NULL);
    (void)pthread_mutex_lock(&q->lock);
    if (rc != WEIR_OK && rc != WEIR_ELIMIT && !q->stop) {
        pause_a_moment(q);
        return;
    }
    if (rc != WEIR_OK)
        lose(p);
    q->first = p->next;
    if (!q->first)
        q->last = &q->first;
    q->n--;
    forget(p);
}

static void *run(void *arg)
{
    struct weir__audit_queue *q = arg;

    (void)pthread_mutex_lock(&q->lock);
    while (!q->stop || q->first) {
        if (q->first)
            write_first(q);
        else
            (void)pthread_cond_wait(&q->changed, &q->lock);
    }
    (void)pthread_mutex_unlock(&q->lock);
    return NULL;
}

struct weir__audit_queue *weir__audit_queue_start(struct weir_audit *a)
{
    struct weir__audit_queue *q = WEIR_NEW(struct weir__audit_queue);

    q->audit = a;
    q->last = &q->first;
    (void)pthread_mutex_init(&q->lock, NULL);
    (void)pthread_cond_init(&q->changed, NULL);
    WEIR_ASSERT(pthread_create(&q->thread, NULL, run, q) == 0);
    return q;
}

bool weir__audit_queue_add(struct weir__audit_queue *q, const struct weir_audit_entry *e)
{
    struct posted *p = copy_of(e);
    bool room;

    (void)pthread_mutex_lock(&q->lock);
    room = q->n < MAX_WAITING;
    if (room) {
        *q->last = p;
        q->last = &p->next;
        q->n++;
        (void)pthread_cond_signal(&q->changed);
    }
    (void)pthread_mutex_unlock(&q->lock);
    if (!room) {
        lose(p);
        forget(p);
    }
    return room;
}

void weir__audit_queue_stop(struct weir__audit_queue *q)
{
    if (!q)
        return;
    (void)pthread_mutex_lock(&q->lock);
    q->stop = true;
    (void)pthread_cond_signal(&q->changed);
    (void)pthread_mutex_unlock(&q->lock);
    (void)pthread_join(q->thread, NULL);
    (void)pthread_cond_destroy(&q->changed);
    (void)pthread_mutex_destroy(&q->lock);
    free(q);
}
