/* enroll.c - the Enroll call: a token buys a first certificate, a certificate its successor.
 *
 * What the request asks for is ignored: the namespace comes from the token, both names from the old
 * certificate. Signing and the tokens' file are done in the pool. */
#include "controlplane/stream/internal.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

enum { JOBS = 64, TOKEN_BYTES = 256 };

struct enrolment {
    struct weir_stream *server;
    struct weir_grpc_stream *stream; /* NULL: closed meanwhile */
    uv_work_t work;
    bool working, by_certificate;
    char ns[WEIR__TOKENS_NS_BYTES], node[WEIR__STREAM_NAME_BYTES];
    char *token, *csr, *certificate;
    int rc;
};

void *weir__stream_enrolment_new(struct weir_stream *s, struct weir_grpc_stream *stream)
{
    struct enrolment *e = WEIR_NEW(struct enrolment);
    bool local;

    e->server = s;
    e->stream = stream;
    e->by_certificate =
        weir__stream_identity(weir_grpc_peer(stream), e->ns, e->node, &local) == WEIR_OK && !local;
    return e;
}

static void release(struct enrolment *e)
{
    if (e->working || e->stream)
        return;
    weir_pki_free(e->token);
    free(e->csr);
    free(e->certificate);
    free(e);
}

static void sign(uv_work_t *work)
{
    struct enrolment *e = work->data;
    struct weir_stream *s = e->server;
    char uri[WEIR_PKI_URI_BYTES];

    e->rc = WEIR_OK;
    if (!e->by_certificate)
        e->rc = weir__tokens_use(s->tokens, weir_str_of(e->token), e->ns);
    if (e->rc == WEIR_OK)
        e->rc = weir_pki_uri(weir_str_of(e->ns), weir_str_of(e->node), uri);
    if (e->rc == WEIR_OK) {
        pthread_mutex_lock(&s->ca_lock);
        e->rc = weir_ca_sign(s->ca, e->csr, uri, s->certificate_ms, &e->certificate);
        pthread_mutex_unlock(&s->ca_lock);
    }
}

static void note_refusal(struct enrolment *e)
{
    const char *address = weir_grpc_peer(e->stream)->address;

    e->server->refused++;
    WEIR_LOG(WEIR_LOG_WARN, "audit", "no certificate for proxy '%s' from %s: %s", e->node, address,
             e->rc == WEIR_EAUTH ? "its join token is unknown, used or too old"
                                 : weir_rc_name(e->rc));
    if (e->rc == WEIR_EAUTH &&
        weir__throttle_wrong(&e->server->throttle, weir_str_of(address), weir_mono_ms()))
        WEIR_LOG(WEIR_LOG_WARN, "audit",
                 "%s gave %d wrong join tokens within a minute: no more are looked at until it is "
                 "over",
                 address, WEIR__THROTTLE_WRONG);
}

/* True: the peer is told to wait. Only tokens are guessed: a certificate proves who renews. */
static bool is_throttled(struct enrolment *e, struct weir_grpc_stream *stream)
{
    int64_t wait_ms =
        e->by_certificate
            ? 0
            : weir__throttle_wait_ms(&e->server->throttle,
                                     weir_str_of(weir_grpc_peer(stream)->address), weir_mono_ms());

    if (wait_ms <= 0)
        return false;
    e->server->refused++;
    weir_grpc_finish(stream, WEIR_GRPC_RESOURCE_EXHAUSTED,
                     "too many wrong join tokens from this address: wait a minute");
    return true;
}

static void answer(struct enrolment *e)
{
    Weir__V1__EnrollResponse r = WEIR__V1__ENROLL_RESPONSE__INIT;

    if (e->rc != WEIR_OK) {
        note_refusal(e);
        weir_grpc_finish(e->stream,
                         e->rc == WEIR_EAUTH    ? WEIR_GRPC_PERMISSION_DENIED
                         : e->rc == WEIR_EINVAL ? WEIR_GRPC_INVALID_ARGUMENT
                                                : WEIR_GRPC_UNAVAILABLE,
                         e->rc == WEIR_EAUTH ? "the join token is unknown, used or too old"
                                             : "no certificate can be made for this request");
        return;
    }
    WEIR_LOG(WEIR_LOG_INFO, "audit", "enrolled %s/%s from %s by its %s", e->ns, e->node,
             weir_grpc_peer(e->stream)->address, e->by_certificate ? "certificate" : "join token");
    if (!e->by_certificate && e->server->hooks.enrolled)
        e->server->hooks.enrolled(e->server->hooks.arg,
                                  &(struct weir_stream_identity){.ns = e->ns, .node = e->node},
                                  weir_grpc_peer(e->stream)->address);
    r.certificate = e->certificate;
    r.ca = (char *)weir_ca_pem(e->server->ca);
    r.has_renewafterms = true;
    /* 50 to 70 % of its life, so that a fleet does not come back all at once. */
    r.renewafterms =
        e->server->certificate_ms / 2 +
        (int64_t)weir_prng_below(&e->server->prng, (uint64_t)(e->server->certificate_ms / 5) + 1);
    if (weir_grpc_send(e->stream, &r.base) == WEIR_OK)
        weir_grpc_finish(e->stream, WEIR_GRPC_OK, NULL);
}

static void signed_or_not(uv_work_t *work, int status)
{
    struct enrolment *e = work->data;

    (void)status; /* never cancelled */
    e->working = false;
    e->server->enrolments--;
    if (e->stream)
        answer(e);
    release(e);
}

static void on_message(void *arg, struct weir_grpc_stream *stream, ProtobufCMessage *m)
{
    struct enrolment *e = arg;
    const Weir__V1__EnrollRequest *r = (const Weir__V1__EnrollRequest *)m;

    if (e->csr) { /* a second request in one call */
        weir_grpc_finish(stream, WEIR_GRPC_INVALID_ARGUMENT, "one request a call");
    } else if (e->server->enrolments >= JOBS) {
        weir_grpc_finish(stream, WEIR_GRPC_RESOURCE_EXHAUSTED, "too many enrolments, come back");
    } else if (!is_throttled(e, stream)) {
        const char *token = r->token ? r->token : "";

        if (!e->by_certificate && r->node && r->node->id)
            snprintf(e->node, sizeof e->node, "%s", r->node->id);
        e->token = weir_strdup((struct weir_str){token, strnlen(token, TOKEN_BYTES)});
        e->csr = weir_strdup(weir_str_of(r->csr ? r->csr : ""));
        e->work.data = e;
        e->working = true;
        e->server->enrolments++;
        uv_queue_work(&e->server->loop, &e->work, sign, signed_or_not);
    }
    protobuf_c_message_free_unpacked(m, NULL);
}

static void on_end(void *arg, struct weir_grpc_stream *stream)
{
    struct enrolment *e = arg;

    if (!e->working)
        weir_grpc_finish(stream, WEIR_GRPC_INVALID_ARGUMENT, "no request");
}

static void on_close(void *arg, struct weir_grpc_stream *stream, int status, const char *reason)
{
    struct enrolment *e = arg;

    (void)stream;
    (void)status;
    (void)reason;
    e->stream = NULL;
    release(e);
}

const struct weir_grpc_handler weir__stream_enroll = {.in = &weir__v1__enroll_request__descriptor,
                                                      .on_message = on_message,
                                                      .on_end = on_end,
                                                      .on_close = on_close};
