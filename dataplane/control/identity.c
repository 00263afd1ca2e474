/* identity.c - see identity.h.
 *
 *   idle -> making a key (pool) -> asking (Enroll) -> saving (pool) -> idle */
#include "dataplane/control/identity.h"

#include <limits.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "pki/pki.h"
#include "weir/v1/control.pb-c.h"

enum {
    PEM_BYTES = 65536,
    ASK_MS = 20000,
    RETRY_MS = 30000,  /* of a renewal that failed */
    MARGIN_MS = 60000, /* a certificate with less life than that, or a tenth, is not used */
};

static const char BEGIN_CERT[] = "-----BEGIN CERTIFICATE-----";

struct weir__identity {
    uv_loop_t *loop;
    struct weir_grpc *grpc;
    const struct weir_control_options *o;
    char path[PATH_MAX];
    char *ca, *cert, *key;
    int64_t from_ms, to_ms;
    int64_t usable_ms;      /* until then, wall clock */
    int64_t renew_after_ms; /* what the control plane said with a new one; 0: nothing */

    uv_work_t work;
    uv_timer_t renew;
    bool busy, closing;
    char *new_csr, *new_key, *new_cert;
    struct weir_grpc_channel *channel;
    int rc;
    weir__identity_fn done;
    void *done_arg;
    void (*gone)(void *arg);
    void *gone_arg;
    struct weir_prng prng;
};

static int read_pem(const char *path, char **out)
{
    struct weir_buf b;
    int rc;

    weir_buf_init(&b, PEM_BYTES);
    rc = weir_file_read(path, &b);
    if (rc == WEIR_OK)
        *out = weir_strdup(weir_buf_str(&b));
    weir_wipe(b.p, b.p ? b.n : 0);
    weir_buf_fini(&b);
    return rc;
}

static void forget(struct weir__identity *id)
{
    weir_pki_free(id->cert);
    weir_pki_free(id->key);
    id->cert = id->key = NULL;
    id->to_ms = 0;
}

static int take(struct weir__identity *id, char *cert, char *key)
{
    int64_t left;
    int rc = weir_pki_check(cert, key, id->ca);

    if (rc == WEIR_OK)
        rc = weir_pki_validity(cert, &id->from_ms, &id->to_ms);
    if (rc != WEIR_OK) {
        weir_pki_free(cert);
        weir_pki_free(key);
        return rc;
    }
    weir_pki_free(id->cert);
    weir_pki_free(id->key);
    id->cert = cert;
    id->key = key;
    left = id->to_ms - weir_wall_ms();
    id->usable_ms = id->to_ms - (left / 10 < MARGIN_MS ? left / 10 : MARGIN_MS);
    return WEIR_OK;
}

/* One file holds the key, then the certificate, so that both are always of one pair. */
static void load(struct weir__identity *id)
{
    char *both = NULL, *cert;

    if (read_pem(id->path, &both) != WEIR_OK)
        return;
    cert = strstr(both, BEGIN_CERT);
    if (!cert || take(id, weir_strdup(weir_str_of(cert)),
                      weir_strdup((struct weir_str){both, (size_t)(cert - both)})) != WEIR_OK)
        WEIR_LOG(WEIR_LOG_WARN, "control", "the certificate in the state folder is not usable");
    weir_pki_free(both);
}

static void on_renew(uv_timer_t *h);

static void plan_renewal(struct weir__identity *id)
{
    int64_t life = id->to_ms - id->from_ms;
    int64_t at = id->from_ms + life / 2 +
                 (int64_t)weir_prng_below(&id->prng, (uint64_t)(life > 0 ? life / 5 : 0) + 1);
    int64_t wait = at - weir_wall_ms();

    if (id->renew_after_ms > 0)
        wait = id->renew_after_ms;
    if (id->cert && !id->o->cert_file && !id->closing)
        uv_timer_start(&id->renew, on_renew, wait > 0 ? (uint64_t)wait : 0, 0);
}

int weir__identity_create(uv_loop_t *loop, struct weir_grpc *g,
                          const struct weir_control_options *o, struct weir__identity **out)
{
    struct weir__identity *id = WEIR_NEW(struct weir__identity);

    id->loop = loop;
    id->grpc = g;
    id->o = o;
    id->work.data = id;
    weir_prng_seed(&id->prng);
    if (!o->ca_file || read_pem(o->ca_file, &id->ca) != WEIR_OK) {
        free(id);
        return WEIR_EINVAL;
    }
    snprintf(id->path, sizeof id->path, "%s/proxy.pem", o->state);
    uv_timer_init(loop, &id->renew);
    id->renew.data = id;
    if (!o->cert_file)
        load(id);
    plan_renewal(id);
    *out = id;
    return WEIR_OK;
}

static void on_closed(uv_handle_t *h)
{
    struct weir__identity *id = h->data;
    void (*gone)(void *) = id->gone;
    void *arg = id->gone_arg;

    forget(id);
    free(id->ca);
    free(id);
    gone(arg);
}

void weir__identity_destroy(struct weir__identity *id, void (*done)(void *arg), void *arg)
{
    id->closing = true;
    id->gone = done;
    id->gone_arg = arg;
    if (!id->busy)
        uv_close((uv_handle_t *)&id->renew, on_closed);
    /* Otherwise finish() does, which comes within ASK_MS. */
}

int weir__identity_tls(struct weir__identity *id, struct weir_grpc_tls *out)
{
    if (id->o->cert_file) {
        char *cert = NULL, *key = NULL;

        /* Somebody else renews these: read again for each connection. */
        if (read_pem(id->o->cert_file, &cert) != WEIR_OK ||
            read_pem(id->o->key_file, &key) != WEIR_OK) {
            free(cert);
            return WEIR_EIO;
        }
        forget(id);
        id->cert = cert;
        id->key = key;
    } else if (!id->cert || id->usable_ms <= weir_wall_ms()) {
        return WEIR_ENOTFOUND;
    }
    *out = (struct weir_grpc_tls){.ca = id->ca,
                                  .certificate = id->cert,
                                  .key = id->key,
                                  .server_name =
                                      id->o->server_name ? id->o->server_name : "weir-control"};
    return WEIR_OK;
}

static void finish(struct weir__identity *id, int rc)
{
    weir__identity_fn done = id->done;

    weir_pki_free(id->new_key);
    free(id->new_csr);
    free(id->new_cert);
    id->new_key = id->new_csr = id->new_cert = NULL;
    id->busy = false;
    id->done = NULL;
    if (id->closing) {
        uv_close((uv_handle_t *)&id->renew, on_closed);
        return;
    }
    if (rc == WEIR_OK)
        plan_renewal(id);
    else
        uv_timer_start(&id->renew, on_renew, RETRY_MS, 0);
    if (done)
        done(id->done_arg, rc);
}

static void save(uv_work_t *work)
{
    struct weir__identity *id = work->data;
    struct weir_buf b;

    weir_buf_init(&b, PEM_BYTES);
    weir_buf_addz(&b, id->new_key);
    weir_buf_addz(&b, id->new_cert);
    id->rc = b.full ? WEIR_ELIMIT : weir_file_replace(id->path, weir_buf_str(&b), 0600, true);
    weir_wipe(b.p, b.n);
    weir_buf_fini(&b);
}

static void on_saved(uv_work_t *work, int status)
{
    struct weir__identity *id = work->data;
    int rc;

    (void)status;
    if (id->rc != WEIR_OK) /* it works until the next start */
        WEIR_LOG(WEIR_LOG_WARN, "control", "the certificate can't be kept in the state folder");
    rc = take(id, id->new_cert, id->new_key);
    id->new_cert = id->new_key = NULL;
    finish(id, rc == WEIR_OK ? WEIR_OK : WEIR_EAUTH);
}

static void on_response(void *arg, struct weir_grpc_stream *stream, ProtobufCMessage *m)
{
    struct weir__identity *id = arg;
    const Weir__V1__EnrollResponse *r = (const Weir__V1__EnrollResponse *)m;

    (void)stream;
    id->renew_after_ms = r->renewafterms;
    if (r->certificate && !id->new_cert)
        id->new_cert = weir_strdup(weir_str_of(r->certificate));
    protobuf_c_message_free_unpacked(m, NULL);
}

static void on_asked(void *arg, struct weir_grpc_stream *stream, int status, const char *reason)
{
    struct weir__identity *id = arg;

    (void)stream;
    weir_grpc_channel_destroy(id->channel);
    id->channel = NULL;
    if (status == WEIR_GRPC_OK && id->new_cert && !id->closing) {
        uv_queue_work(id->loop, &id->work, save, on_saved);
        return;
    }
    if (!id->closing)
        WEIR_LOG(WEIR_LOG_WARN, "control", "no certificate from the control plane: %s%s", reason,
                 id->o->join_token ? "" : " (there is no --join-token-file to get one with)");
    finish(id, status == WEIR_GRPC_PERMISSION_DENIED || status == WEIR_GRPC_INVALID_ARGUMENT
                   ? WEIR_EAUTH
                   : WEIR_ECONNECT);
}

static const struct weir_grpc_handler enroll = {
    .in = &weir__v1__enroll_response__descriptor, .on_message = on_response, .on_close = on_asked};

static void ask(struct weir__identity *id)
{
    Weir__V1__EnrollRequest r = WEIR__V1__ENROLL_REQUEST__INIT;
    Weir__V1__Node node = WEIR__V1__NODE__INIT;
    struct weir_grpc_tls tls;
    struct weir_grpc_stream *s;
    int rc = weir__identity_tls(id, &tls); /* a renewal shows the old one */

    if (rc != WEIR_OK)
        tls = (struct weir_grpc_tls){
            .ca = id->ca, .server_name = id->o->server_name ? id->o->server_name : "weir-control"};
    rc = weir_grpc_channel_create(id->grpc, id->o->target, &tls, &id->channel);
    if (rc != WEIR_OK) {
        finish(id, rc);
        return;
    }
    node.id = (char *)id->o->node;
    r.token = (char *)(id->o->join_token ? id->o->join_token : "");
    r.csr = id->new_csr;
    r.node = &node;
    s = weir_grpc_open(id->channel, "/weir.v1.Control/Enroll", ASK_MS, &enroll, id);
    if (weir_grpc_send(s, &r.base) == WEIR_OK)
        weir_grpc_finish(s, WEIR_GRPC_OK, NULL);
}

static void make_key(uv_work_t *work)
{
    struct weir__identity *id = work->data;

    id->rc = weir_pki_request(&id->new_csr, &id->new_key);
}

static void on_key(uv_work_t *work, int status)
{
    struct weir__identity *id = work->data;

    (void)status;
    if (id->rc != WEIR_OK || id->closing)
        finish(id, id->rc != WEIR_OK ? id->rc : WEIR_ECANCELED);
    else
        ask(id);
}

void weir__identity_get(struct weir__identity *id, weir__identity_fn done, void *arg)
{
    id->done = done;
    id->done_arg = arg;
    if (id->busy)
        return; /* a renewal is under way: its end is told */
    id->busy = true;
    uv_timer_stop(&id->renew);
    uv_queue_work(id->loop, &id->work, make_key, on_key);
}

static void on_renew(uv_timer_t *h)
{
    struct weir__identity *id = h->data;

    if (!id->busy && id->cert)
        weir__identity_get(id, NULL, NULL);
}
