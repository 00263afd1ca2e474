/* stream.h - the Control service: enrolment, and the Config, Budget and Telemetry streams of every
 * proxy.
 *
 * It has a loop and a thread of its own (and gRPC's). All functions may be called from any thread,
 * except inside the hooks' callbacks where noted. Identity comes only from the transport: a
 * certificate of our CA, or the local Unix socket. */
#ifndef WEIR_STREAM_STREAM_H
#define WEIR_STREAM_STREAM_H

#include "base/err.h"
#include "controlplane/stream/rendered.h"

struct weir_stream;
struct Weir__V1__BudgetUp;
struct Weir__V1__BudgetDown;
struct Weir__V1__TelemetryBatch;

struct weir_stream_identity {
    const char *ns;
    const char *node;
    bool local; /* Unix socket: names are what the proxy says */
};

/* Joins the streams to the ledger and the ingest. Called on the stream thread; must not block. */
struct weir_stream_hooks {
    void *arg;
    /* A Budget stream opened: returns the session's object, which later calls get. link stays valid
     * as a number for weir_stream_send_budget even when the stream is gone. NULL: refused. */
    void *(*budget_open)(void *arg, const struct weir_stream_identity *id, uint64_t link);
    /* Anything but WEIR_OK closes the stream. */
    int (*budget_up)(void *session, const struct Weir__V1__BudgetUp *up);
    void (*budget_close)(void *session);
    /* Copies or packs what it keeps. Once the batch is durable, from any thread:
     * weir_stream_ack_telemetry(link, incarnation, its last sequence), or weir_stream_drop() when
     * it can't be stored. Anything but WEIR_OK closes the stream, and the proxy sends again later.
     */
    int (*telemetry_batch)(void *arg, const struct weir_stream_identity *id, uint64_t link,
                           const struct Weir__V1__TelemetryBatch *batch);
    /* A join token bought a proxy its first certificate. NULL: nobody wants to know. */
    void (*enrolled)(void *arg, const struct weir_stream_identity *id, const char *address);
};

struct weir_stream_options {
    const char *unix_path;           /* NULL: none. Its folder is made, 0700 */
    const char *address;             /* "host:port", mutual TLS; NULL: none */
    const char *state;               /* folder for the CA and the tokens; needed with address */
    const char *store;               /* of replicas: CA and tokens are there; NULL: in state */
    const char *const *server_names; /* names and addresses for the server's certificate */
    size_t server_name_count;        /* "localhost", 127.0.0.1, ::1 and "weir-control" always */
    const char *join_token;          /* a configured token, usable many times; NULL: none */
    const char *join_namespace;      /* that token's namespace; NULL: "default" */
    int64_t certificate_ms;          /* of proxies; 0: 24 h */
    int64_t server_certificate_ms;   /* renewed after two thirds of it; 0: a year */
    int64_t quiet_ms, quiet_max_ms;  /* debounce; 0: 100 and 2000 */
    int64_t lifetime_ms;             /* of a Config stream, +-20 %; 0: 30 min */
    size_t max_proxies;              /* 0: 10000 */
    size_t queue_bytes;              /* of one Budget or Telemetry stream, 0: 8 MiB; full: closed */
    int64_t slow_ms;                /* a transaction unread for so long closes its proxy; 0: 30 s */
    struct weir_stream_hooks hooks; /* members may be NULL: that stream is UNIMPLEMENTED */
};

/* Listens and starts the thread. WEIR_EINVAL, WEIR_EIO, WEIR_ECORRUPT (the CA's files),
 * WEIR_ESTATE (another CA than the store's is in state). */
WEIR_NODISCARD int weir_stream_start(const struct weir_stream_options *o, struct weir_stream **out);
/* Says goodbye to every proxy over wave_ms (jittered; 0: at once), then ends the thread. Blocks.
 * Afterwards s only swallows what the ledger and the ingest still tell it: stop those, then free.
 */
void weir_stream_stop(struct weir_stream *s, int64_t wave_ms);
void weir_stream_free(struct weir_stream *s); /* after stop; NULL is fine */
int weir_stream_port(const struct weir_stream *s);
/* The CA's certificate, for proxies to trust; NULL without address. */
const char *weir_stream_ca(const struct weir_stream *s);

struct weir_stream_policy {
    const char *ns;
    struct weir_rendered *rendered; /* sealed; takes a reference of its own */
};

/* The whole policy from now on, one entry for each namespace; proxies of any other namespace get an
 * empty one. Proxies that connect before the first call wait for it. WEIR_ELIMIT: a resource is
 * larger than 3 MiB or a namespace larger than 48 MiB; the old policy stays. */
WEIR_NODISCARD int weir_stream_set_policy(struct weir_stream *s,
                                          const struct weir_stream_policy list[], size_t n);

/* For the ledger's thread; down is borrowed. A link that is gone is ignored. */
void weir_stream_send_budget(struct weir_stream *s, uint64_t link,
                             const struct Weir__V1__BudgetDown *down);
void weir_stream_ack_telemetry(struct weir_stream *s, uint64_t link, const char *incarnation,
                               uint64_t sequence);
void weir_stream_drop(struct weir_stream *s, uint64_t link); /* closes that stream */

/* A token for one enrolment into ns within valid_ms, written to out (WEIR_PKI_TOKEN_BYTES). Waits
 * for a disk. WEIR_ESTATE: no address, so nobody enrols; WEIR_ELIMIT: too many are open;
 * WEIR_EINVAL. */
WEIR_NODISCARD int weir_stream_new_token(struct weir_stream *s, const char *ns, int64_t valid_ms,
                                         char *out, size_t out_bytes);

#endif
