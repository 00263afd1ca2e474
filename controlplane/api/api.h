/* api.h - the HTTP API of weir-control and the dashboard on it, on the main loop's HTTP server.
 *
 * Everything is called on the loop that it was created with, except where a backend's hook says
 * otherwise. Slow handlers run in libuv's thread pool, over connections of their own. The routes,
 * their roles and their documentation are one table: routes.c. */
#ifndef WEIR_API_API_H
#define WEIR_API_API_H

#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "controlplane/api/keys.h"

struct weir_api;
struct weir_audit;
struct weir_fleet;
struct weir_ledger;
struct weir_policy_source;
struct weir_policy_source_options;

/* What the API shows and changes; all borrowed, all outlive it. A NULL member means that this part
 * isn't there: its endpoints answer 503 with a sentence. */
struct weir_api_backend {
    const char *version;        /* of the program */
    const char *ledger_path;    /* ledger.db, for read-only connections */
    const char *telemetry_path; /* telemetry.db, likewise */
    /* As the source was started with: apply and delete write to its path. */
    const struct weir_policy_source_options *policy;
    struct weir_ledger *ledger; /* for write-offs */
    struct weir_keys *keys;
    struct weir_audit *audit; /* NULL: changes are not written down */
    struct weir_policy_source *source;

    void *arg; /* for the hooks */
    /* Pool thread: what the streams know, and its release. */
    struct weir_fleet *(*fleet)(void *arg);
    void (*fleet_free)(struct weir_fleet *f);
    /* Pool thread: a join token (see weir_stream_new_token). */
    int (*new_join_token)(void *arg, const char *ns, int64_t valid_ms, char *out, size_t out_bytes);
    /* Loop: keys were made or revoked: render the IssuedKey resources again. */
    void (*on_keys_changed)(void *arg);
    /* Loop: the policy folder was written to: read it now in place of at the next file event. */
    void (*on_policy_changed)(void *arg);
    /* Pool thread: appends Prometheus text of the other modules. */
    void (*metrics)(void *arg, struct weir_buf *out);
    /* Loop: why the control plane isn't ready, NULL when it is. */
    const char *(*not_ready)(void *arg);
};

struct weir_api_options {
    uv_loop_t *loop;
    const char *host; /* numeric, or "localhost" */
    unsigned port;
    const char *state;        /* folder of admin.token and viewer.token, made when missing (0600) */
    const char *const *hosts; /* further names that the Host header may carry */
    size_t host_count;
    struct weir_api_backend backend; /* copied */
};

/* Listens. WEIR_EIO (errno set), WEIR_EINVAL (the address or a token file). */
WEIR_NODISCARD int weir_api_create(const struct weir_api_options *o, struct weir_api **out);
unsigned weir_api_port(const struct weir_api *api);

/* Stops accepting, lets requests finish for at most deadline_ms, then frees itself and calls
 * on_closed(arg). The backend must live until then. */
void weir_api_close(struct weir_api *api, uint32_t deadline_ms, void (*on_closed)(void *arg),
                    void *arg);

/* docs/api.md, from the routing table. */
void weir_api_write_docs(struct weir_buf *out);

#endif
