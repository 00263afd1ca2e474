/* rig.h - the real server and the real client in one process. The server has a thread of its own;
 * the client lives on the test's loop. Checks fail the running cmocka test. */
#ifndef WEIR_TESTS_FLEET_RIG_H
#define WEIR_TESTS_FLEET_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/stream/stream.h"
#include "dataplane/control/control.h"

enum { RIG_PATIENCE_MS = 60000 };

#define RIG_CANARY "sk-canary-4242424242"

struct rig {
    char folder[64], socket[96], state[96], ca_state[96], target[128], ca_file[128];
    uv_loop_t loop;
    uv_timer_t guard, poll;
    bool late;
    struct weir_stream *server;
    struct weir_control_client *client;
    bool stopped;
    /* what the client was told */
    char revision[80], bad[32];
    size_t resources, policies, files, states;
    char first_version[32];
    bool has_secret, budget_open, telemetry_open, connected, in_sync;
    uint64_t acked;
    int64_t granted;
    /* what the hooks saw, on the stream thread */
    uint64_t budget_link;
    char budget_node[64];
};

/* Runs the loop until the condition holds; the poll wakes it for what the server's thread does. */
#define UNTIL(r, condition)                                                                        \
    do {                                                                                           \
        (r)->late = false;                                                                         \
        uv_timer_start(&(r)->guard, rig_on_guard, RIG_PATIENCE_MS, 0);                             \
        uv_timer_start(&(r)->poll, rig_on_poll, 5, 5);                                             \
        while (!(condition) && !(r)->late)                                                         \
            uv_run(&(r)->loop, UV_RUN_ONCE);                                                       \
        uv_timer_stop(&(r)->guard);                                                                \
        uv_timer_stop(&(r)->poll);                                                                 \
        assert_true(condition);                                                                    \
    } while (0)

void rig_on_guard(uv_timer_t *h); /* for UNTIL */
void rig_on_poll(uv_timer_t *h);

int rig_setup(void **state); /* *state is the rig */
int rig_teardown(void **state);

/* NULL: on the rig's Unix socket. */
void rig_start_server(struct rig *r, struct weir_stream_options *o);
void rig_stop_server(struct rig *r);
void rig_client_options(struct rig *r, struct weir_control_options *o);
void rig_start_client(struct rig *r);
void rig_stop_client(struct rig *r);
void rig_on_stopped(void *arg); /* for weir_control_stop() */

/* n resources "default/r0".. of which the first has the given version; body_bytes each. */
void rig_set_policy(struct rig *r, size_t n, const char *version, size_t body_bytes, bool secret);
uint64_t rig_received(struct rig *r); /* resources, by the client */

#endif
