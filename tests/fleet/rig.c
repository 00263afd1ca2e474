#include "tests/fleet/rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "weir/v1/ledger.pb-c.h"
#include "weir/v1/telemetry.pb-c.h"

void rig_on_guard(uv_timer_t *h)
{
    ((struct rig *)h->data)->late = true;
}

void rig_on_poll(uv_timer_t *h)
{
    (void)h;
}

static int on_policy(void *arg, const struct weir_policy_bytes *p, struct weir_control_errors *errs)
{
    struct rig *r = arg;

    for (size_t i = 0; i < p->count && r->bad[0]; i++) {
        if (strcmp(p->resources[i].name, r->bad) == 0) {
            weir_control_error_add(errs, p->resources[i].type, r->bad, "spec.models[0]",
                                   "no such thing");
            return WEIR_EINVAL;
        }
    }
    snprintf(r->revision, sizeof r->revision, "%s", p->revision);
    snprintf(r->first_version, sizeof r->first_version, "%s",
             p->count ? p->resources[0].version : "");
    r->resources = p->count;
    r->has_secret = false;
    for (size_t i = 0; i < p->count; i++)
        r->has_secret |= strcmp(p->resources[i].type, "Secret") == 0;
    r->policies++;
    r->files += p->from_file;
    return WEIR_OK;
}

static void on_budget_down(void *arg, const struct Weir__V1__BudgetDown *down)
{
    struct rig *r = arg;

    if (down->n_grants)
        r->granted = down->grants[0]->granted;
}

static void on_budget_state(void *arg, bool open)
{
    ((struct rig *)arg)->budget_open = open;
}

static void on_telemetry_state(void *arg, bool open)
{
    ((struct rig *)arg)->telemetry_open = open;
}

static void on_telemetry_ack(void *arg, const char *incarnation, uint64_t sequence)
{
    assert_string_equal(incarnation, "inc-1");
    ((struct rig *)arg)->acked = sequence;
}

static void on_state(void *arg, bool connected, bool in_sync)
{
    struct rig *r = arg;

    r->connected = connected;
    r->in_sync = in_sync;
    r->states++;
}

static void *budget_open(void *arg, const struct weir_stream_identity *id, uint64_t link)
{
    struct rig *r = arg;

    r->budget_link = link;
    snprintf(r->budget_node, sizeof r->budget_node, "%s", id->node);
    return r;
}

static int budget_up(void *session, const struct Weir__V1__BudgetUp *up)
{
    struct rig *r = session;
    Weir__V1__BudgetDown down = WEIR__V1__BUDGET_DOWN__INIT;
    Weir__V1__LeaseGrant grant = WEIR__V1__LEASE_GRANT__INIT, *list[] = {&grant};

    if (up->n_asks == 0)
        return WEIR_OK;
    grant.has_granted = true;
    grant.granted = up->asks[0]->want;
    down.n_grants = 1;
    down.grants = list;
    weir_stream_send_budget(r->server, r->budget_link, &down);
    return WEIR_OK;
}

static void budget_close(void *session)
{
    ((struct rig *)session)->budget_link = 0;
}

static int telemetry_batch(void *arg, const struct weir_stream_identity *id, uint64_t link,
                           const struct Weir__V1__TelemetryBatch *batch)
{
    struct rig *r = arg;
    const ProtobufCBinaryData *last = &batch->records[batch->n_records - 1];
    Weir__V1__CallRecord *record = weir__v1__call_record__unpack(NULL, last->len, last->data);

    (void)id;
    assert_non_null(record);
    weir_stream_ack_telemetry(r->server, link, batch->incarnation, record->sequence);
    weir__v1__call_record__free_unpacked(record, NULL);
    return WEIR_OK;
}

int rig_setup(void **state)
{
    struct rig *r = WEIR_NEW(struct rig);

    snprintf(r->folder, sizeof r->folder, "/tmp/weir-loopback-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    snprintf(r->socket, sizeof r->socket, "%s/run/control.sock", r->folder);
    snprintf(r->state, sizeof r->state, "%s/proxy", r->folder);
    snprintf(r->ca_state, sizeof r->ca_state, "%s/control", r->folder);
    snprintf(r->ca_file, sizeof r->ca_file, "%s/ca.crt", r->ca_state);
    snprintf(r->target, sizeof r->target, "unix:%s", r->socket);
    uv_loop_init(&r->loop);
    uv_timer_init(&r->loop, &r->guard);
    uv_timer_init(&r->loop, &r->poll);
    r->guard.data = r->poll.data = r;
    *state = r;
    return 0;
}

void rig_start_server(struct rig *r, struct weir_stream_options *o)
{
    struct weir_stream_options plain = {0};

    if (!o) {
        o = &plain;
        o->unix_path = r->socket;
    }
    o->quiet_ms = o->quiet_ms ? o->quiet_ms : 20;
    o->state = r->ca_state;
    o->hooks = (struct weir_stream_hooks){.arg = r,
                                          .budget_open = budget_open,
                                          .budget_up = budget_up,
                                          .budget_close = budget_close,
                                          .telemetry_batch = telemetry_batch};
    assert_int_equal(weir_stream_start(o, &r->server), WEIR_OK);
}

void rig_stop_server(struct rig *r)
{
    if (!r->server)
        return;
    weir_stream_stop(r->server, 0);
    weir_stream_free(r->server);
    r->server = NULL;
}

void rig_client_options(struct rig *r, struct weir_control_options *o)
{
    *o = (struct weir_control_options){
        .target = r->target,
        .state = r->state,
        .node = "proxy-1",
        .build = "test",
        .workers = 1,
        .callbacks = {.on_policy = on_policy,
                      .on_budget_down = on_budget_down,
                      .on_budget_state = on_budget_state,
                      .on_telemetry_ack = on_telemetry_ack,
                      .on_telemetry_state = on_telemetry_state,
                      .on_state = on_state},
        .arg = r,
    };
}

void rig_start_client(struct rig *r)
{
    struct weir_control_options o;

    rig_client_options(r, &o);
    assert_int_equal(weir_control_start(&r->loop, &o, &r->client), WEIR_OK);
}

void rig_on_stopped(void *arg)
{
    ((struct rig *)arg)->stopped = true;
}

void rig_stop_client(struct rig *r)
{
    if (!r->client)
        return;
    r->stopped = false;
    weir_control_stop(r->client, 1000, rig_on_stopped, r);
    UNTIL(r, r->stopped);
    r->client = NULL;
}

int rig_teardown(void **state)
{
    struct rig *r = *state;
    char command[128];

    rig_stop_client(r);
    rig_stop_server(r);
    uv_close((uv_handle_t *)&r->guard, NULL);
    uv_close((uv_handle_t *)&r->poll, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    snprintf(command, sizeof command, "rm -rf %s", r->folder);
    assert_int_equal(system(command), 0);
    free(r);
    return 0;
}

void rig_set_policy(struct rig *r, size_t n, const char *version, size_t body_bytes, bool secret)
{
    struct weir_rendered *p = weir_rendered_create();
    struct weir_stream_policy list[1] = {{"default", p}};
    char *body = weir_zalloc(body_bytes + 1);

    for (size_t i = 0; i < n; i++) {
        char name[32];
        struct weir_rendered_resource res = {.type = "Agent",
                                             .name = name,
                                             .version = i ? "v" : version,
                                             .body = {body, body_bytes}};

        snprintf(name, sizeof name, "default/r%zu", i);
        weir_rendered_add(p, &res);
    }
    if (secret)
        weir_rendered_add(p, &(struct weir_rendered_resource){.type = "Secret",
                                                              .name = "default/key",
                                                              .version = "s1",
                                                              .body = weir_str_of(RIG_CANARY),
                                                              .secret = true});
    weir_rendered_seal(p);
    assert_int_equal(weir_stream_set_policy(r->server, list, 1), WEIR_OK);
    weir_rendered_unref(p);
    free(body);
}

uint64_t rig_received(struct rig *r)
{
    struct weir_control_stats s;

    weir_control_count(r->client, &s);
    return s.resources_received;
}
