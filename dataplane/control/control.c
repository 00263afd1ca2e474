/* control.c - the life of the client: the policy file, connecting and coming back, stopping. */
#include "dataplane/control/internal.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "pki/pki.h"

enum {
    BACKOFF_MS = 200,
    BACKOFF_MAX_MS = 30000,
    GOODBYE_SPREAD_MS = 200,
    LEAVE_MS = 2000, /* streams that don't close by themselves are cancelled then */
    STATUS_MS = 5000,
    SILENT_MS = 8000,   /* longer than a ledger waits for its turn at the database */
    REFUSED_MS = 30000, /* before enrolment is tried again with a token that was refused */
};

uint64_t weir__control_backoff_ms(struct weir_prng *r, unsigned failures)
{
    uint64_t top = BACKOFF_MAX_MS;

    if (failures < 8 && (uint64_t)BACKOFF_MS << failures < top)
        top = (uint64_t)BACKOFF_MS << failures;
    return weir_prng_below(r, top + 1);
}

void weir__control_tell(struct weir_control_client *c)
{
    if (c->o.callbacks.on_state)
        c->o.callbacks.on_state(c->o.arg, c->stats.connected, c->stats.in_sync);
}

static void write_lkg(uv_work_t *work)
{
    struct weir_control_client *c = work->data;

    c->lkg_rc = weir_file_replace(c->lkg_path, weir_buf_str(&c->lkg), 0600, true);
}

static void maybe_gone(struct weir_control_client *c);

static void on_lkg_written(uv_work_t *work, int status)
{
    struct weir_control_client *c = work->data;

    (void)status;
    c->lkg_busy = false;
    if (c->lkg_rc != WEIR_OK)
        WEIR_LOG(WEIR_LOG_ERROR, "control", "can't keep the policy in %s", c->lkg_path);
    if (c->lkg_again) {
        c->lkg_again = false;
        weir__control_keep(c);
    }
    maybe_gone(c);
}

void weir__control_keep(struct weir_control_client *c)
{
    if (c->lkg_busy) {
        c->lkg_again = true;
        return;
    }
    weir_buf_clear(&c->lkg);
    weir__lkg_encode(c->policy, &c->lkg);
    if (c->lkg.full) {
        WEIR_LOG(WEIR_LOG_ERROR, "control", "the policy is too large to be kept");
        weir_buf_fini(&c->lkg);
        weir_buf_init(&c->lkg, 2 * WEIR__POLICY_MAX_BYTES);
        return;
    }
    c->lkg_busy = true;
    uv_queue_work(c->loop, &c->lkg_work, write_lkg, on_lkg_written);
}

static void load_lkg(struct weir_control_client *c)
{
    struct weir_buf b;
    struct weir__policy *p = NULL;
    struct weir_policy_bytes view;
    struct weir_control_errors errs = {0};
    int rc;

    weir_buf_init(&b, 2 * WEIR__POLICY_MAX_BYTES);
    rc = weir_file_read(c->lkg_path, &b);
    if (rc == WEIR_OK)
        rc = weir__lkg_decode(weir_buf_str(&b), &p);
    weir_buf_fini(&b);
    if (rc == WEIR_ENOTFOUND)
        return;
    if (rc != WEIR_OK) {
        WEIR_LOG(WEIR_LOG_WARN, "control", "the kept policy is damaged (%s) and is ignored",
                 weir_rc_name(rc));
        return;
    }
    view = *weir__policy_bytes(p);
    view.from_file = true;
    if (c->o.callbacks.on_policy)
        rc = c->o.callbacks.on_policy(c->o.arg, &view, &errs);
    for (size_t i = 0; i < errs.count; i++) {
        free(errs.list[i].type);
        free(errs.list[i].name);
        free(errs.list[i].path);
        free(errs.list[i].reason);
    }
    free(errs.list);
    if (rc != WEIR_OK) {
        WEIR_LOG(WEIR_LOG_WARN, "control", "the kept policy can't be used (%s)", weir_rc_name(rc));
        weir__policy_free(p);
        return;
    }
    weir__policy_free(c->policy);
    c->policy = p;
}

static void on_reconnect(uv_timer_t *h);

static bool is_unix(const char *target)
{
    return strncmp(target, "unix:", 5) == 0;
}

/* Any one of them is as good: a fleet spreads over its control planes. */
static void split_targets(struct weir_control_client *c)
{
    struct weir_str rest = weir_str_of(c->o.target), one;

    if (!c->o.target || is_unix(c->o.target))
        return;
    while (rest.n > 0 && c->target_count < WEIR__CONTROL_TARGETS) {
        one = weir_str_trim(weir_str_cut(rest, ',', &rest));
        if (one.n > 0)
            c->targets[c->target_count++] = weir_strdup(one);
    }
    if (c->target_count == 0)
        return;
    c->target_at = weir_prng_below(&c->prng, c->target_count);
    c->o.target = c->targets[c->target_at];
}

static void next_target(struct weir_control_client *c)
{
    if (c->target_count < 2)
        return;
    c->target_at = (c->target_at + 1) % c->target_count;
    c->o.target = c->targets[c->target_at];
}

static void wait_and_connect(struct weir_control_client *c)
{
    uint64_t ms;

    c->state = WEIR__CONTROL_WAITING;
    if (c->come_back_ms >= 0)
        ms = (uint64_t)c->come_back_ms + weir_prng_below(&c->prng, GOODBYE_SPREAD_MS);
    else
        ms = weir__control_backoff_ms(&c->prng, c->failures++);
    c->come_back_ms = -1;
    uv_timer_start(&c->reconnect, on_reconnect, ms, 0);
}

static void on_identity(void *arg, int rc)
{
    struct weir_control_client *c = arg;

    if (c->stopping)
        return;
    if (rc == WEIR_EAUTH)
        c->come_back_ms = REFUSED_MS;
    else if (rc == WEIR_OK)
        c->come_back_ms = 0;
    if (rc != WEIR_OK)
        next_target(c);
    wait_and_connect(c);
}

static void on_reconnect(uv_timer_t *h)
{
    struct weir_control_client *c = h->data;
    struct weir_grpc_tls tls;
    int rc = WEIR_OK;

    if (c->stopping)
        return;
    if (c->identity) {
        rc = weir__identity_tls(c->identity, &tls);
        if (rc == WEIR_ENOTFOUND) {
            c->state = WEIR__CONTROL_ENROLLING;
            weir__identity_get(c->identity, on_identity, c);
            return;
        }
    }
    if (rc == WEIR_OK)
        rc = weir_grpc_channel_create(c->grpc, c->o.target, c->identity ? &tls : NULL, &c->channel);
    if (rc != WEIR_OK) {
        WEIR_LOG(WEIR_LOG_ERROR, "control", "can't connect to %s: %s", c->o.target,
                 weir_rc_name(rc));
        next_target(c);
        wait_and_connect(c);
        return;
    }
    c->state = WEIR__CONTROL_CONNECTED;
    weir__control_open(c);
}

static void cancel_all(struct weir_control_client *c)
{
    if (c->config)
        weir_grpc_cancel(c->config, WEIR_GRPC_CANCELLED, "leaving");
    if (c->budget.stream)
        weir_grpc_cancel(c->budget.stream, WEIR_GRPC_CANCELLED, "leaving");
    if (c->telemetry.stream)
        weir_grpc_cancel(c->telemetry.stream, WEIR_GRPC_CANCELLED, "leaving");
}

static void on_grace(uv_timer_t *h)
{
    cancel_all(h->data);
}

static void on_grpc_gone(void *arg)
{
    struct weir_control_client *c = arg;

    c->grpc_gone = true;
    maybe_gone(c);
}

static void on_identity_gone(void *arg)
{
    struct weir_control_client *c = arg;

    c->identity = NULL;
    weir_grpc_destroy(c->grpc, on_grpc_gone, c);
}

static void shut(struct weir_control_client *c)
{
    c->state = WEIR__CONTROL_STOPPED;
    if (c->identity)
        weir__identity_destroy(c->identity, on_identity_gone, c);
    else if (c->grpc)
        weir_grpc_destroy(c->grpc, on_grpc_gone, c);
    else
        on_grpc_gone(c);
}

void weir__control_closed(struct weir_control_client *c)
{
    if (c->state != WEIR__CONTROL_LEAVING)
        return;
    if (c->config || c->budget.stream || c->telemetry.stream) {
        if (!uv_is_active((uv_handle_t *)&c->grace))
            uv_timer_start(&c->grace, on_grace, LEAVE_MS, 0);
        return;
    }
    uv_timer_stop(&c->grace);
    weir_grpc_channel_destroy(c->channel);
    c->channel = NULL;
    if (c->stopping) {
        shut(c);
        return;
    }
    next_target(c);
    wait_and_connect(c);
}

/* A process that hangs keeps its connections for as long as nobody asks whether it lives. Once no
 * target has answered, the fault is elsewhere, and changing would help nobody. */
static bool is_silent(const struct weir_control_client *c)
{
    return c->state == WEIR__CONTROL_CONNECTED && c->target_count > 1 && c->unanswered_ms &&
           weir_mono_ms() - c->unanswered_ms >= SILENT_MS && c->silent_targets < c->target_count;
}

static void on_status(uv_timer_t *h)
{
    struct weir_control_client *c = h->data;

    if (is_silent(c)) {
        WEIR_LOG(WEIR_LOG_WARN, "control", "%s doesn't answer: the next one is tried", c->o.target);
        c->silent_targets++;
        weir__control_leave(c);
        cancel_all(c);
        return;
    }
    if (c->up && c->state == WEIR__CONTROL_CONNECTED)
        weir__control_send_status(c);
}

static void free_client(struct weir_control_client *c)
{
    void (*done)(void *) = c->done;
    void *arg = c->done_arg;

    weir__policy_free(c->policy);
    weir__staging_free(c->staging);
    weir_buf_fini(&c->lkg);
    for (size_t i = 0; i < c->target_count; i++)
        free(c->targets[i]);
    for (size_t i = 0; i < c->owned_count; i++)
        weir_pki_free(c->owned[i]);
    free(c);
    if (done)
        done(arg);
}

static void handle_closed(struct weir_control_client *c)
{
    if (--c->handles == 0)
        free_client(c);
}

static void on_timer_closed(uv_handle_t *h)
{
    handle_closed(h->data);
}

static void on_side_timer_closed(uv_handle_t *h)
{
    handle_closed(((struct weir__control_side *)h->data)->c);
}

static void maybe_gone(struct weir_control_client *c)
{
    if (!c->grpc_gone || c->lkg_busy || c->handles > 0)
        return;
    c->handles = 5;
    uv_close((uv_handle_t *)&c->reconnect, on_timer_closed);
    uv_close((uv_handle_t *)&c->status, on_timer_closed);
    uv_close((uv_handle_t *)&c->grace, on_timer_closed);
    uv_close((uv_handle_t *)&c->budget.retry, on_side_timer_closed);
    uv_close((uv_handle_t *)&c->telemetry.retry, on_side_timer_closed);
}

static void own(struct weir_control_client *c, const char **text)
{
    if (!*text)
        return;
    c->owned[c->owned_count] = weir_strdup(weir_str_of(*text));
    *text = c->owned[c->owned_count++];
}

static void copy_options(struct weir_control_client *c, const struct weir_control_options *o)
{
    c->o = *o;
    if (!c->o.ns)
        c->o.ns = "default";
    own(c, &c->o.target);
    own(c, &c->o.state);
    own(c, &c->o.node);
    own(c, &c->o.ns);
    own(c, &c->o.build);
    own(c, &c->o.ca_file);
    own(c, &c->o.server_name);
    own(c, &c->o.join_token);
    own(c, &c->o.cert_file);
    own(c, &c->o.key_file);
}

static bool can_work(const struct weir_control_options *o)
{
    if (!o->state || !o->node || !o->cert_file != !o->key_file)
        return false;
    return !o->target || is_unix(o->target) || o->ca_file;
}

static void init(struct weir_control_client *c, uv_loop_t *loop)
{
    unsigned char id[16];

    c->loop = loop;
    c->come_back_ms = 0; /* the first attempt is made at once */
    weir_prng_seed(&c->prng);
    split_targets(c);
    weir_rand_bytes(id, sizeof id);
    weir_hex(id, sizeof id, c->incarnation);
    c->policy = weir__policy_empty();
    weir_buf_init(&c->lkg, 2 * WEIR__POLICY_MAX_BYTES);
    c->lkg_work.data = c;
    snprintf(c->lkg_path, sizeof c->lkg_path, "%s/policy.lkg", c->o.state);
    weir__control_sides_init(c);
    uv_timer_init(loop, &c->reconnect);
    uv_timer_init(loop, &c->status);
    uv_timer_init(loop, &c->grace);
    c->reconnect.data = c->status.data = c->grace.data = c;
}

int weir_control_start(uv_loop_t *loop, const struct weir_control_options *o,
                       struct weir_control_client **out)
{
    struct weir_control_client *c;

    if (!can_work(o))
        return WEIR_EINVAL;
    if (weir_file_mkdirs(o->state, 0700) != WEIR_OK)
        return WEIR_EIO;
    c = WEIR_NEW(struct weir_control_client);
    copy_options(c, o);
    init(c, loop);
    *out = c; /* callbacks may use it already */
    load_lkg(c);
    if (!c->o.target)
        return WEIR_OK;
    c->grpc = weir_grpc_create(loop);
    if (!is_unix(c->o.target) &&
        weir__identity_create(loop, c->grpc, &c->o, &c->identity) != WEIR_OK) {
        weir_control_stop(c, 0, NULL, NULL);
        return WEIR_EINVAL;
    }
    uv_timer_start(&c->status, on_status, STATUS_MS, STATUS_MS);
    uv_timer_start(&c->reconnect, on_reconnect, 0, 0);
    return WEIR_OK;
}

void weir_control_stop(struct weir_control_client *c, int64_t drain_ms, void (*done)(void *arg),
                       void *arg)
{
    c->stopping = true;
    c->done = done;
    c->done_arg = arg;
    uv_timer_stop(&c->reconnect);
    uv_timer_stop(&c->status);
    if (c->state == WEIR__CONTROL_CONNECTED || c->state == WEIR__CONTROL_LEAVING) {
        if (c->state == WEIR__CONTROL_CONNECTED)
            weir__control_leave(c);
        if (drain_ms > 0)
            uv_timer_start(&c->grace, on_grace, (uint64_t)drain_ms, 0);
        else
            cancel_all(c);
        return;
    }
    shut(c);
}

void weir_control_set_numbers(struct weir_control_client *c, const struct weir_control_numbers *n)
{
    c->numbers = *n;
}

void weir_control_count(const struct weir_control_client *c, struct weir_control_stats *out)
{
    const struct weir_policy_bytes *p = weir__policy_bytes(c->policy);

    *out = c->stats;
    out->policy_bytes = 0;
    for (size_t i = 0; i < p->count; i++)
        out->policy_bytes += p->resources[i].body.n;
}

const char *weir_control_incarnation(const struct weir_control_client *c)
{
    return c->incarnation;
}
