/* internal.h - the stream thread's state, shared by the files of this module. Everything without a
 * word on threads belongs to the stream thread. */
#ifndef WEIR_STREAM_INTERNAL_H
#define WEIR_STREAM_INTERNAL_H

#include <pthread.h>
#include <uthash.h>
#include <uv.h>

#include "base/list.h"
#include "base/rand.h"
#include "controlplane/stream/diff.h"
#include "controlplane/stream/fleet.h"
#include "controlplane/stream/stream.h"
#include "controlplane/stream/throttle.h"
#include "controlplane/stream/shared.h"
#include "controlplane/stream/tokens.h"
#include "grpc/rpc.h"
#include "net/post.h"
#include "pki/pki.h"
#include "weir/v1/control.pb-c.h"
#include "weir/v1/ledger.pb-c.h"
#include "weir/v1/telemetry.pb-c.h"

enum {
    WEIR__STREAM_PROTOCOL = 1,
    WEIR__STREAM_NAME_BYTES = 160,
    WEIR__STREAM_ERRORS = 32, /* kept of one NACK */
};

/* One namespace of the policy in force. */
struct weir__stream_ns {
    UT_hash_handle hh;
    char *name;
    struct weir_rendered *rendered;
};

struct weir__stream_error {
    char *type, *name, *path, *reason;
};

/* What is known of one proxy; outlives its session. */
struct weir__stream_record {
    UT_hash_handle hh;
    char *key; /* ns/node */
    char *ns, *node, *incarnation, *build, *peer;
    uint32_t workers;
    struct weir__stream_session *session; /* the newest; NULL: gone */
    int64_t connected_ms, last_seen_ms, outstanding_since_ms, nacked_ms;
    char acked_revision[72], nacked_revision[72];
    struct weir__stream_error errors[WEIR__STREAM_ERRORS];
    size_t error_count;
    Weir__V1__ConfigStatus status; /* its problem is the record's own copy */
};

/* One Config stream. */
struct weir__stream_session {
    struct weir_link link;  /* in sessions */
    struct weir_link dirty; /* in dirty: may need a transaction */
    struct weir_stream *server;
    struct weir_grpc_stream *stream;
    struct weir__stream_record *record; /* NULL before the Hello */
    char ns[WEIR__STREAM_NAME_BYTES], node[WEIR__STREAM_NAME_BYTES];
    bool local, closing;
    int64_t ends_ms;                   /* monotonic: no Hello by then, or the end of its life */
    struct weir_rendered *acked;       /* what it has; bodies may be missing */
    struct weir_rendered *outstanding; /* NULL: none */
    struct weir_rendered *nacked;      /* refused, not to be sent again; NULL: none */
    uint64_t outstanding_id;
    int64_t sent_ms; /* monotonic */
};

/* One Budget or Telemetry stream. */
struct weir__stream_link {
    UT_hash_handle hh;
    uint64_t id;
    struct weir_stream *server;
    struct weir_grpc_stream *stream;
    char ns[WEIR__STREAM_NAME_BYTES], node[WEIR__STREAM_NAME_BYTES];
    bool local, greeted, closing;
    void *session;    /* the ledger's */
    unsigned batches; /* given to the ingest, not answered yet */
};

struct weir__stream_server_id;

struct weir_stream {
    struct weir_stream_hooks hooks;
    uv_loop_t loop;
    pthread_t thread;
    struct weir_grpc *grpc;
    struct weir_grpc_server *listener;
    int port;
    pthread_mutex_t post_lock; /* any thread: mailbox and stopped */
    struct weir_mailbox *mailbox;
    bool stopped;
    struct weir_prng prng;

    uv_timer_t tick, debounce;
    uv_idle_t pusher;
    int64_t quiet_ms, quiet_max_ms, lifetime_ms, slow_ms, first_change_ms;
    size_t max_proxies, queue_bytes;
    bool draining, down;
    int64_t drain_until_ms;

    struct weir__stream_ns *policy; /* hash; valid when has_policy */
    struct weir__stream_ns *next;   /* hash; what the debounce holds back */
    bool has_policy, has_next;
    struct weir_rendered *empty;
    struct weir_rendered *last_known; /* of the latest Hello: a fleet mostly has the same */
    struct weir__diff_cache *diffs;

    struct weir_link sessions, dirty;
    size_t session_count, link_count;
    struct weir__stream_record *records; /* hash */
    struct weir__stream_link *links;     /* hash */
    uint64_t next_link, next_txn;
    uint64_t txns_sent, acks, nacks, closed_slow, refused;

    pthread_mutex_t ca_lock; /* any thread: one signature at a time */
    struct weir_ca *ca;
    struct weir__tokens *tokens;
    struct weir__shared *shared;              /* with other replicas; NULL: none */
    struct weir__stream_server_id *server_id; /* NULL: a Unix socket only */
    int64_t certificate_ms;
    struct weir__throttle throttle;
    unsigned enrolments; /* jobs in the pool, the server's own certificate too */
};

/* identity.c */
WEIR_NODISCARD int weir__stream_open_identity(struct weir_stream *s,
                                              const struct weir_stream_options *o);
struct weir_grpc_tls weir__stream_server_tls(const struct weir_stream *s); /* borrowed */
void weir__stream_renew_identity(struct weir_stream *s);                   /* when it is time */
void weir__stream_close_identity(struct weir_stream *s);

/* Runs fn(arg) on the stream thread. WEIR_ECLOSED: it has stopped, or is full. */
WEIR_NODISCARD int weir__stream_post(struct weir_stream *s, weir_post_fn fn, void *arg);

/* Who calls, by the transport alone. local: names are still to come. WEIR_EAUTH. */
int weir__stream_identity(const struct weir_grpc_peer *peer, char *ns, char *node, bool *out_local);
/* Takes the names that a local proxy gives. */
void weir__stream_local_names(char *ns, char *node, const char *said_ns, const char *said_node);

extern const struct weir_grpc_handler weir__stream_config, weir__stream_budget,
    weir__stream_telemetry, weir__stream_enroll;

void *weir__stream_session_new(struct weir_stream *s, struct weir_grpc_stream *stream);
void *weir__stream_link_new(struct weir_stream *s, struct weir_grpc_stream *stream);
void *weir__stream_enrolment_new(struct weir_stream *s, struct weir_grpc_stream *stream);

/* The policy that a namespace should have; NULL: none is known yet. */
struct weir_rendered *weir__stream_target(struct weir_stream *s, const char *ns);
void weir__stream_promote(struct weir_stream *s); /* the held back policy comes into force */
void weir__stream_free_policy(struct weir__stream_ns **policy);
void weir__stream_push(uv_idle_t *h);
void weir__stream_goodbye(struct weir__stream_session *x, const char *reason, int64_t wait_ms,
                          int status);
struct weir__stream_record *weir__stream_record_of(struct weir_stream *s,
                                                   struct weir__stream_session *x);
void weir__stream_record_nack(struct weir__stream_record *r, const Weir__V1__ConfigNack *n);
void weir__stream_record_status(struct weir__stream_record *r, const Weir__V1__ConfigStatus *s);
void weir__stream_prune(struct weir_stream *s, bool all);

#endif
