/* control.h - the proxy's side of the control plane: takes policy, carries budget and telemetry
 * messages, keeps the last known good policy and the proxy's certificate.
 *
 * Lives on the hub loop: every function is called and every callback runs there. The proxy works
 * without a control plane: a good policy file is applied before the first connection. */
#ifndef WEIR_CONTROL_CONTROL_H
#define WEIR_CONTROL_CONTROL_H

#include <uv.h>

#include "base/err.h"
#include "base/str.h"

struct weir_control_client;
struct weir_control_errors;
struct Weir__V1__BudgetUp;
struct Weir__V1__BudgetDown;
struct Weir__V1__TelemetryBatch;

struct weir_policy_resource {
    const char *type;     /* "Provider", "Secret", ... */
    const char *name;     /* "namespace/name" */
    const char *version;  /* content hash */
    struct weir_str body; /* the kind's message of config.proto, packed */
};

/* A whole policy, sorted by type and name; borrowed for the callback. */
struct weir_policy_bytes {
    const char *revision;
    const struct weir_policy_resource *resources;
    size_t count;
    bool from_file; /* the last known good, without secrets */
};

/* Tells the control plane what is wrong with one resource; strings are copied, all may be NULL. */
void weir_control_error_add(struct weir_control_errors *errs, const char *type, const char *name,
                            const char *path, const char *reason);

/* A list of a caller's own, which compiles again without a transaction. */
struct weir_control_errors *weir_control_errors_create(void);
void weir_control_errors_destroy(struct weir_control_errors *errs); /* NULL is fine */
/* "Provider default/openai: spec.credential.file: no such file" of the first; "" when empty. */
void weir_control_errors_first(const struct weir_control_errors *errs, char *out, size_t out_bytes);

struct weir_control_callbacks {
    /* Compiles and swaps. WEIR_OK: in force from now on, and acknowledged. Anything else: the old
     * policy stays whole, and errs go back. */
    int (*on_policy)(void *arg, const struct weir_policy_bytes *p,
                     struct weir_control_errors *errs);
    /* down is borrowed. */
    void (*on_budget_down)(void *arg, const struct Weir__V1__BudgetDown *down);
    /* connected: send BudgetHello for every holder now. */
    void (*on_budget_state)(void *arg, bool connected);
    /* All records of incarnation up to sequence are durable. */
    void (*on_telemetry_ack)(void *arg, const char *incarnation, uint64_t sequence);
    /* connected: whatever was not acknowledged is to be sent again. */
    void (*on_telemetry_state)(void *arg, bool connected);
    /* For health and metrics: is the Config stream up, and has it brought the policy up to date? */
    void (*on_state)(void *arg, bool connected, bool in_sync);
};

struct weir_control_options {
    /* "unix:/path", or "host:port" of each replica, separated by commas (8 at most): one of them is
     * connected to, the next one when it can't be reached or goes. */
    const char *target;
    const char *state; /* folder for the policy file and the certificate; 0700 */
    const char *node;  /* the proxy's stable name */
    const char *ns;    /* NULL: "default" */
    const char *build; /* version of the program */
    uint32_t workers;
    const char *ca_file;     /* trusts the control plane; needed with host:port */
    const char *server_name; /* NULL: "weir-control" */
    const char *join_token;  /* to enrol with; NULL: none */
    const char *cert_file; /* a certificate managed by somebody else, with its key: no enrolment */
    const char *key_file;
    struct weir_control_callbacks callbacks; /* members may be NULL */
    void *arg;
};

/* What the proxy reports every few seconds. */
struct weir_control_numbers {
    uint64_t in_flight, calls, resident_bytes, spool_bytes, cpu_micros;
    const char *problem; /* for an operator, borrowed until the next numbers; NULL: none */
};

struct weir_control_stats { /* since the start */
    uint64_t connects, disconnects, applied, rejected, resources_received, policy_bytes;
    int64_t last_connected_ms; /* wall clock; 0: never */
    bool connected, in_sync;
};

/* Applies the policy file (on_policy runs before it returns) and begins to connect. target NULL:
 * policy file only. WEIR_EINVAL: options that can't work; WEIR_EIO: the state folder. */
WEIR_NODISCARD int weir_control_start(uv_loop_t *loop, const struct weir_control_options *o,
                                      struct weir_control_client **out);
/* Lets what is queued go out for at most drain_ms, then closes; done runs on the loop and c is
 * freed by then. */
void weir_control_stop(struct weir_control_client *c, int64_t drain_ms, void (*done)(void *arg),
                       void *arg);

/* Both pack and queue. WEIR_ECLOSED: no stream now. WEIR_ELIMIT: its queue is full. */
WEIR_NODISCARD int weir_control_send_budget(struct weir_control_client *c,
                                            const struct Weir__V1__BudgetUp *up);
WEIR_NODISCARD int weir_control_send_telemetry(struct weir_control_client *c,
                                               const struct Weir__V1__TelemetryBatch *batch);

void weir_control_set_numbers(struct weir_control_client *c, const struct weir_control_numbers *n);
void weir_control_count(const struct weir_control_client *c, struct weir_control_stats *out);
const char *weir_control_incarnation(const struct weir_control_client *c); /* this start's id */

#endif
