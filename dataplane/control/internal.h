/* internal.h - the client's state, shared by control.c (life cycle) and streams.c (the three
 * streams). Hub loop only. */
#ifndef WEIR_CONTROL_INTERNAL_H
#define WEIR_CONTROL_INTERNAL_H

#include <limits.h>
#include <uv.h>

#include "base/mem.h"
#include "base/rand.h"
#include "dataplane/control/identity.h"
#include "dataplane/control/policy.h"
#include "grpc/rpc.h"
#include "weir/v1/ledger.pb-c.h"
#include "weir/v1/telemetry.pb-c.h"

/*   WAITING -> (ENROLLING ->) CONNECTED -> LEAVING -> WAITING ...
 * CONNECTED means that the Config stream is open here; `up` that the server has taken it. */
enum weir__control_state {
    WEIR__CONTROL_WAITING,
    WEIR__CONTROL_ENROLLING,
    WEIR__CONTROL_CONNECTED,
    WEIR__CONTROL_LEAVING,
    WEIR__CONTROL_STOPPED,
};

/* Budget or Telemetry: reopened by itself while the Config stream is up. */
struct weir__control_side {
    struct weir_control_client *c;
    const char *method;
    const struct weir_grpc_handler *handler;
    struct weir_grpc_stream *stream;
    uv_timer_t retry;
    unsigned failures;
    bool open;
};

enum { WEIR__CONTROL_TARGETS = 8 };

struct weir_control_client {
    uv_loop_t *loop;
    struct weir_control_options o;
    char *owned[10]; /* copies of the options' strings */
    size_t owned_count;
    char *targets[WEIR__CONTROL_TARGETS]; /* of several; o.target is the one in use */
    size_t target_count, target_at;
    /* The ledger answers whatever it is sent: since when it owes an answer (0: it doesn't), and how
     * many targets were left for owing it since the last answer. */
    int64_t unanswered_ms;
    size_t silent_targets;
    char incarnation[33];
    struct weir_prng prng;
    enum weir__control_state state;
    struct weir_grpc *grpc;
    struct weir__identity *identity; /* NULL: a Unix socket */
    struct weir_grpc_channel *channel;
    struct weir_grpc_stream *config;
    struct weir__control_side budget, telemetry;
    bool up, stopping;
    unsigned failures;
    int64_t come_back_ms; /* what a Goodbye asked for; -1: nothing */

    struct weir__policy *policy;
    struct weir__staging *staging;
    struct weir_control_numbers numbers;
    struct weir_control_stats stats;

    uv_timer_t reconnect, status, grace;
    unsigned handles; /* to be closed */
    uv_work_t lkg_work;
    struct weir_buf lkg;
    char lkg_path[PATH_MAX];
    bool lkg_busy, lkg_again, grpc_gone;
    int lkg_rc;
    void (*done)(void *arg);
    void *done_arg;
};

struct weir_control_errors {
    Weir__V1__ResourceError *list;
    size_t count;
};

/* streams.c */
void weir__control_open(struct weir_control_client *c); /* on c->channel */
void weir__control_send_status(struct weir_control_client *c);
void weir__control_leave(struct weir_control_client *c); /* half-closes all three */
void weir__control_sides_init(struct weir_control_client *c);

/* control.c */
void weir__control_closed(struct weir_control_client *c); /* a stream is gone; maybe the last */
void weir__control_keep(struct weir_control_client *c);   /* writes the last known good file */
void weir__control_tell(struct weir_control_client *c);
/* Full jitter: 0 to 0.2 s doubled for each failure, 30 s at most. */
uint64_t weir__control_backoff_ms(struct weir_prng *r, unsigned failures);

#endif
