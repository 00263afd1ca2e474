/* internal.h - what the files of the alerts share. */
#ifndef WEIR_ALERTS_INTERNAL_H
#define WEIR_ALERTS_INTERNAL_H

#include <pthread.h>
#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "controlplane/alerts/alerts.h"
#include "http/client.h"

enum {
    WEIR__ALERTS_QUEUE = 1000, /* jobs that may wait */
    WEIR__ALERT_TRIES = 12,
    WEIR__ALERT_PAUSE_MAX_MS = 300000,
    WEIR__ALERT_DEADLINE_MS = 30000, /* of one try */
    WEIR__ALERT_TEXT_MAX = 16384
};

/* A crossing that is being told; the last of its jobs says that it is done. */
struct weir__telling {
    int64_t id;
    unsigned jobs;
    bool abandoned; /* the program stops */
};

/* One target of one crossing. WAITING (timer) -> TRYING -> done, or WAITING again. */
struct weir__job {
    struct weir_link link;
    struct weir_alerts *a;
    struct weir__telling *telling;
    char *webhook, *secret_file, *command; /* command: a path of the allow-list */
    char *text, *json;                     /* for a command; for a webhook */
    unsigned tries;
    uv_timer_t timer;
    unsigned open;                       /* handles of the try under way that are to be closed */
    void (*closed)(struct weir__job *j); /* all of them are */
    bool ended, timer_closed;            /* freed once nothing is open */

    /* a webhook's try */
    struct weir_http_call *call;
    struct weir_origin *origin;
    struct weir_str body;
    int status;

    /* a command's try */
    uv_process_t process;
    uv_pipe_t in;
    uv_write_t write;
    int64_t exit_status;
    bool spawned;
};

struct weir__command {
    char *name, *path;
};

struct weir_alerts {
    struct weir_alerts_options o;
    struct weir__command *commands;
    size_t n_commands;
    uv_loop_t loop;
    uv_async_t wake;
    uv_thread_t thread;
    struct weir_http_client *client;
    struct weir_link jobs; /* of the thread */

    pthread_mutex_t mutex; /* what follows */
    struct weir_link fresh;
    struct weir_alert_target *targets;
    size_t n_targets;
    size_t queued; /* jobs, fresh ones too */
    bool stop;
    struct weir_alerts_counters count;
};

/* text.c */
void weir__alert_text(const struct weir_ledger_crossing *x, struct weir_buf *out);
void weir__alert_json(const struct weir_ledger_crossing *x, bool slack, struct weir_buf *out);
/* "t=SECONDS,v1=HEX": HMAC-SHA256 over "SECONDS.body". WEIR_EIO, WEIR_EINVAL: the file can't be
 * read, or holds less than 16 bytes. Blocking. */
WEIR_NODISCARD int weir__alert_signature(const char *secret_file, struct weir_str body,
                                         int64_t now_s, char out[128]);

/* deliver.c: one try; it ends by weir__job_tried, exactly once, never from inside. */
void weir__job_try(struct weir__job *j);
void weir__job_stop(struct weir__job *j); /* without a further callback */

/* alerts.c. why NULL: delivered. */
void weir__job_tried(struct weir__job *j, const char *why);
void weir__job_closed(struct weir__job *j); /* a handle of an ended job is */
const char *weir__job_to(const struct weir__job *j, char out[256]); /* without secrets, for logs */

#endif
