/* streams.c - the Config, Budget and Telemetry streams of one connection. */
#include "dataplane/control/internal.h"

#include "base/clock.h"
#include "base/log.h"

enum { PROTOCOL = 1, MAX_ERRORS = 64 };

void weir_control_error_add(struct weir_control_errors *errs, const char *type, const char *name,
                            const char *path, const char *reason)
{
    Weir__V1__ResourceError *e;

    if (errs->count >= MAX_ERRORS)
        return;
    if (!errs->list)
        errs->list = weir_alloc(MAX_ERRORS * sizeof *errs->list);
    e = &errs->list[errs->count++];
    weir__v1__resource_error__init(e);
    e->type = weir_strdup(weir_str_of(type));
    e->name = weir_strdup(weir_str_of(name));
    e->path = weir_strdup(weir_str_of(path));
    e->reason = weir_strdup(weir_str_of(reason));
}

static void free_errors(struct weir_control_errors *errs)
{
    for (size_t i = 0; i < errs->count; i++) {
        free(errs->list[i].type);
        free(errs->list[i].name);
        free(errs->list[i].path);
        free(errs->list[i].reason);
    }
    free(errs->list);
}

struct weir_control_errors *weir_control_errors_create(void)
{
    return WEIR_NEW(struct weir_control_errors);
}

void weir_control_errors_destroy(struct weir_control_errors *errs)
{
    if (errs)
        free_errors(errs);
    free(errs);
}

void weir_control_errors_first(const struct weir_control_errors *errs, char *out, size_t out_bytes)
{
    const Weir__V1__ResourceError *e = errs->list;

    if (errs->count == 0)
        *out = 0;
    else
        snprintf(out, out_bytes, "%s %s: %s%s%s", e->type, e->name, e->path, *e->path ? ": " : "",
                 e->reason);
}

static void send_up(struct weir_control_client *c, const Weir__V1__ConfigUp *up)
{
    if (weir_grpc_send(c->config, &up->base) == WEIR_ELIMIT)
        weir_grpc_cancel(c->config, WEIR_GRPC_RESOURCE_EXHAUSTED, "send queue is full");
}

static void send_hello(struct weir_control_client *c)
{
    const struct weir_policy_bytes *p = weir__policy_bytes(c->policy);
    Weir__V1__ConfigUp up = WEIR__V1__CONFIG_UP__INIT;
    Weir__V1__ConfigHello hello = WEIR__V1__CONFIG_HELLO__INIT;
    Weir__V1__Node node = WEIR__V1__NODE__INIT;
    Weir__V1__ResourceVersion *list = weir_alloc((p->count + 1) * sizeof *list);

    node.id = (char *)c->o.node;
    node.incarnation = c->incarnation;
    node.build = (char *)c->o.build;
    node.has_protocolmin = node.has_protocolmax = true;
    node.protocolmin = node.protocolmax = PROTOCOL;
    node.namespace_ = (char *)c->o.ns;
    node.has_workers = true;
    node.workers = c->o.workers;
    hello.node = &node;
    hello.revision = (char *)p->revision;
    hello.n_known = p->count;
    hello.known = weir_alloc((p->count + 1) * sizeof *hello.known);
    for (size_t i = 0; i < p->count; i++) {
        weir__v1__resource_version__init(&list[i]);
        list[i].type = (char *)p->resources[i].type;
        list[i].name = (char *)p->resources[i].name;
        list[i].version = (char *)p->resources[i].version;
        hello.known[i] = &list[i];
    }
    up.hello = &hello;
    send_up(c, &up);
    free(hello.known);
    free(list);
}

void weir__control_send_status(struct weir_control_client *c)
{
    Weir__V1__ConfigUp up = WEIR__V1__CONFIG_UP__INIT;
    Weir__V1__ConfigStatus s = WEIR__V1__CONFIG_STATUS__INIT;

    s.has_inflight = s.has_calls = s.has_residentbytes = s.has_spoolbytes = s.has_cpumicros = true;
    s.inflight = c->numbers.in_flight;
    s.calls = c->numbers.calls;
    s.residentbytes = c->numbers.resident_bytes;
    s.spoolbytes = c->numbers.spool_bytes;
    s.cpumicros = c->numbers.cpu_micros;
    s.problem = (char *)(uintptr_t)c->numbers.problem;
    up.status = &s;
    send_up(c, &up);
}

static void answer(struct weir_control_client *c, int rc, struct weir_control_errors *errs)
{
    Weir__V1__ConfigUp up = WEIR__V1__CONFIG_UP__INIT;
    Weir__V1__ConfigAck ack = WEIR__V1__CONFIG_ACK__INIT;
    Weir__V1__ConfigNack nack = WEIR__V1__CONFIG_NACK__INIT;
    Weir__V1__ResourceError *pointers[MAX_ERRORS];

    if (rc == WEIR_OK) {
        ack.has_txn = true;
        ack.txn = weir__staging_id(c->staging);
        ack.revision = (char *)weir__staging_revision(c->staging);
        up.ack = &ack;
    } else {
        if (errs->count == 0)
            weir_control_error_add(errs, "", "", "", weir_rc_name(rc));
        for (size_t i = 0; i < errs->count; i++)
            pointers[i] = &errs->list[i];
        nack.has_txn = true;
        nack.txn = weir__staging_id(c->staging);
        nack.revision = (char *)weir__staging_revision(c->staging);
        nack.n_errors = errs->count;
        nack.errors = pointers;
        up.nack = &nack;
    }
    send_up(c, &up);
}

/* The last message of a transaction is here: all of it holds from now on, or nothing. */
static void apply(struct weir_control_client *c)
{
    struct weir_control_errors errs = {0};
    struct weir__policy *next = NULL;
    int rc = weir__policy_after(c->policy, c->staging, &next);

    if (rc == WEIR_OK && c->o.callbacks.on_policy)
        rc = c->o.callbacks.on_policy(c->o.arg, weir__policy_bytes(next), &errs);
    answer(c, rc, &errs);
    if (rc == WEIR_OK) {
        weir__policy_free(c->policy);
        c->policy = next;
        c->stats.applied++;
        c->failures = 0;
        weir__control_keep(c);
    } else {
        weir__policy_free(next);
        c->stats.rejected++;
        WEIR_LOG(WEIR_LOG_WARN, "control", "policy %.12s refused; the old one stays in force",
                 weir__staging_revision(c->staging));
    }
    c->stats.in_sync = rc == WEIR_OK;
    free_errors(&errs);
    weir__staging_free(c->staging);
    c->staging = NULL;
    weir__control_tell(c);
}

static void on_txn(struct weir_control_client *c, const Weir__V1__ConfigTxn *txn)
{
    struct weir_control_errors errs = {0};
    int rc;

    if (!c->staging)
        c->staging = weir__staging_create();
    rc = weir__staging_add(c->staging, txn);
    c->stats.resources_received += txn->n_upserts + txn->n_removed;
    for (size_t i = 0; i < txn->n_upserts; i++) /* the copy is ours; this one is freed unwiped */
        if (txn->upserts[i]->type && weir__policy_is_secret(txn->upserts[i]->type))
            weir_wipe(txn->upserts[i]->body.data, txn->upserts[i]->body.len);
    if (!txn->last)
        return;
    if (rc == WEIR_OK) {
        apply(c);
        return;
    }
    answer(c, rc, &errs);
    c->stats.rejected++;
    free_errors(&errs);
    weir__staging_free(c->staging);
    c->staging = NULL;
}

static void on_config(void *arg, struct weir_grpc_stream *s, ProtobufCMessage *m)
{
    struct weir_control_client *c = arg;
    const Weir__V1__ConfigDown *down = (const Weir__V1__ConfigDown *)m;

    (void)s;
    if (down->txn && c->state == WEIR__CONTROL_CONNECTED)
        on_txn(c, down->txn);
    if (down->goodbye && c->state == WEIR__CONTROL_CONNECTED) {
        int64_t wait = down->goodbye->reconnectafterms;

        c->come_back_ms = wait < 0 ? 0 : wait > 300000 ? 300000 : wait;
        weir__control_leave(c);
    }
    protobuf_c_message_free_unpacked(m, NULL);
}

static void open_side(struct weir__control_side *side)
{
    side->stream = weir_grpc_open(side->c->channel, side->method, 0, side->handler, side);
    if (side == &side->c->telemetry) {
        Weir__V1__TelemetryUp up = WEIR__V1__TELEMETRY_UP__INIT;
        Weir__V1__TelemetryHello hello = WEIR__V1__TELEMETRY_HELLO__INIT;

        hello.node = (char *)side->c->o.node;
        hello.namespace_ = (char *)side->c->o.ns;
        up.hello = &hello;
        if (weir_grpc_send(side->stream, &up.base) != WEIR_OK)
            weir_grpc_cancel(side->stream, WEIR_GRPC_INTERNAL, "no Hello");
    }
}

static void on_retry(uv_timer_t *h)
{
    struct weir__control_side *side = h->data;

    if (side->c->state == WEIR__CONTROL_CONNECTED && side->c->up && !side->stream)
        open_side(side);
}

static void on_config_open(void *arg, struct weir_grpc_stream *s)
{
    struct weir_control_client *c = arg;

    (void)s;
    if (c->state != WEIR__CONTROL_CONNECTED)
        return;
    c->up = true;
    c->stats.connects++;
    c->stats.connected = true;
    c->stats.last_connected_ms = weir_wall_ms();
    weir__control_send_status(c);
    open_side(&c->budget);
    open_side(&c->telemetry);
    weir__control_tell(c);
}

static void on_config_close(void *arg, struct weir_grpc_stream *s, int status, const char *reason)
{
    struct weir_control_client *c = arg;

    (void)s;
    c->config = NULL;
    weir__staging_free(c->staging);
    c->staging = NULL;
    if (c->state == WEIR__CONTROL_CONNECTED) {
        WEIR_LOG(c->up ? WEIR_LOG_WARN : WEIR_LOG_DEBUG, "control",
                 "no control plane: %s (%d); the policy stays in force", reason, status);
        weir__control_leave(c);
    }
    if (c->up)
        c->stats.disconnects++;
    c->up = c->stats.connected = c->stats.in_sync = false;
    weir__control_tell(c);
    weir__control_closed(c);
}

static void tell_side(struct weir__control_side *side, bool open)
{
    struct weir_control_client *c = side->c;

    if (side->open == open)
        return;
    side->open = open;
    if (side == &c->budget)
        c->unanswered_ms = 0;
    if (side == &c->budget && c->o.callbacks.on_budget_state)
        c->o.callbacks.on_budget_state(c->o.arg, open);
    if (side == &c->telemetry && c->o.callbacks.on_telemetry_state)
        c->o.callbacks.on_telemetry_state(c->o.arg, open);
}

static void on_side_open(void *arg, struct weir_grpc_stream *s)
{
    struct weir__control_side *side = arg;

    (void)s;
    if (side->c->state == WEIR__CONTROL_CONNECTED)
        tell_side(side, true);
}

static void on_side_close(void *arg, struct weir_grpc_stream *s, int status, const char *reason)
{
    struct weir__control_side *side = arg;
    struct weir_control_client *c = side->c;

    (void)s;
    side->stream = NULL;
    tell_side(side, false);
    if (c->state == WEIR__CONTROL_CONNECTED && status != WEIR_GRPC_UNIMPLEMENTED) {
        WEIR_LOG(WEIR_LOG_DEBUG, "control", "%s: %s (%d)", side->method, reason, status);
        side->failures++;
        uv_timer_start(&side->retry, on_retry,
                       weir__control_backoff_ms(&c->prng, side->failures) + 1, 0);
    }
    weir__control_closed(c);
}

static void on_budget(void *arg, struct weir_grpc_stream *s, ProtobufCMessage *m)
{
    struct weir__control_side *side = arg;
    struct weir_control_client *c = side->c;

    (void)s;
    side->failures = 0;
    c->unanswered_ms = 0;
    c->silent_targets = 0;
    if (c->o.callbacks.on_budget_down)
        c->o.callbacks.on_budget_down(c->o.arg, (const Weir__V1__BudgetDown *)m);
    protobuf_c_message_free_unpacked(m, NULL);
}

static void on_telemetry(void *arg, struct weir_grpc_stream *s, ProtobufCMessage *m)
{
    struct weir__control_side *side = arg;
    const struct weir_control_client *c = side->c;
    const Weir__V1__TelemetryDown *down = (const Weir__V1__TelemetryDown *)m;

    (void)s;
    side->failures = 0;
    if (down->ack && down->ack->incarnation && c->o.callbacks.on_telemetry_ack)
        c->o.callbacks.on_telemetry_ack(c->o.arg, down->ack->incarnation, down->ack->sequence);
    protobuf_c_message_free_unpacked(m, NULL);
}

static const struct weir_grpc_handler config_handler = {.in = &weir__v1__config_down__descriptor,
                                                        .on_message = on_config,
                                                        .on_open = on_config_open,
                                                        .on_close = on_config_close};
static const struct weir_grpc_handler budget_handler = {.in = &weir__v1__budget_down__descriptor,
                                                        .on_message = on_budget,
                                                        .on_open = on_side_open,
                                                        .on_close = on_side_close};
static const struct weir_grpc_handler telemetry_handler = {
    .in = &weir__v1__telemetry_down__descriptor,
    .on_message = on_telemetry,
    .on_open = on_side_open,
    .on_close = on_side_close};

void weir__control_sides_init(struct weir_control_client *c)
{
    c->budget = (struct weir__control_side){
        .c = c, .method = "/weir.v1.Control/Budget", .handler = &budget_handler};
    c->telemetry = (struct weir__control_side){
        .c = c, .method = "/weir.v1.Control/Telemetry", .handler = &telemetry_handler};
    uv_timer_init(c->loop, &c->budget.retry);
    uv_timer_init(c->loop, &c->telemetry.retry);
    c->budget.retry.data = &c->budget;
    c->telemetry.retry.data = &c->telemetry;
}

void weir__control_open(struct weir_control_client *c)
{
    c->config = weir_grpc_open(c->channel, "/weir.v1.Control/Config", 0, &config_handler, c);
    send_hello(c);
}

void weir__control_leave(struct weir_control_client *c)
{
    c->state = WEIR__CONTROL_LEAVING;
    uv_timer_stop(&c->budget.retry);
    uv_timer_stop(&c->telemetry.retry);
    if (c->config)
        weir_grpc_finish(c->config, WEIR_GRPC_OK, NULL);
    if (c->budget.stream)
        weir_grpc_finish(c->budget.stream, WEIR_GRPC_OK, NULL);
    if (c->telemetry.stream)
        weir_grpc_finish(c->telemetry.stream, WEIR_GRPC_OK, NULL);
}

int weir_control_send_budget(struct weir_control_client *c, const struct Weir__V1__BudgetUp *up)
{
    if (!c->budget.open || !c->budget.stream)
        return WEIR_ECLOSED;
    if (!c->unanswered_ms)
        c->unanswered_ms = weir_mono_ms();
    return weir_grpc_send(c->budget.stream, &up->base);
}

int weir_control_send_telemetry(struct weir_control_client *c,
                                const struct Weir__V1__TelemetryBatch *batch)
{
    Weir__V1__TelemetryUp up = WEIR__V1__TELEMETRY_UP__INIT;

    up.batch = (Weir__V1__TelemetryBatch *)batch;
    return c->telemetry.open && c->telemetry.stream ? weir_grpc_send(c->telemetry.stream, &up.base)
                                                    : WEIR_ECLOSED;
}
