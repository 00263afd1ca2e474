/* identity.c - the control plane's own certificate: made at start, made anew before it ends. */
#include "controlplane/stream/internal.h"

#include "base/clock.h"
#include "base/log.h"

enum { OWN_NAMES = 4, NAMES = 32, RETRY_MS = 60000 };

static const int64_t SERVER_CERTIFICATE_MS = 365LL * 86400000;

struct weir__stream_server_id {
    char *names[NAMES];
    size_t name_count;
    int64_t valid_ms, renew_ms; /* renew_ms: wall clock */
    uv_work_t work;
    bool working;
    int rc;
    char *cert, *key;         /* in use */
    char *new_cert, *new_key; /* from the pool */
};

static int64_t renewal(const struct weir__stream_server_id *id)
{
    return weir_wall_ms() + id->valid_ms / 3 * 2;
}

static void keep_names(struct weir__stream_server_id *id, const struct weir_stream_options *o)
{
    static const char *const own[OWN_NAMES] = {"weir-control", "localhost", "127.0.0.1", "::1"};

    for (size_t i = 0; i < OWN_NAMES; i++)
        id->names[id->name_count++] = weir_strdup(weir_str_of(own[i]));
    for (size_t i = 0; i < o->server_name_count; i++)
        id->names[id->name_count++] = weir_strdup(weir_str_of(o->server_names[i]));
}

static int issue(struct weir_stream *s, char **cert, char **key)
{
    struct weir__stream_server_id *id = s->server_id;
    int rc;

    pthread_mutex_lock(&s->ca_lock);
    rc = weir_ca_issue_server(s->ca, (const char *const *)id->names, id->name_count, id->valid_ms,
                              cert, key);
    pthread_mutex_unlock(&s->ca_lock);
    return rc;
}

static int open_shared(struct weir_stream *s, const struct weir_stream_options *o)
{
    int rc = weir__shared_open(o->store, &s->shared);

    return rc == WEIR_OK ? weir__shared_ca(s->shared, o->state, &s->ca) : rc;
}

int weir__stream_open_identity(struct weir_stream *s, const struct weir_stream_options *o)
{
    struct weir__stream_server_id *id;
    int rc;

    if (!o->state || o->server_name_count > NAMES - OWN_NAMES)
        return WEIR_EINVAL;
    id = s->server_id = WEIR_NEW(struct weir__stream_server_id);
    id->valid_ms = o->server_certificate_ms ? o->server_certificate_ms : SERVER_CERTIFICATE_MS;
    keep_names(id, o);
    rc = o->store ? open_shared(s, o) : weir_ca_open(o->state, &s->ca);
    if (rc == WEIR_OK)
        rc = weir__tokens_open(o->state, &s->tokens);
    if (rc == WEIR_OK && s->shared)
        weir__tokens_share(s->tokens, s->shared);
    if (rc == WEIR_OK && o->join_token && *o->join_token)
        weir__tokens_configure(s->tokens, weir_str_of(o->join_token),
                               o->join_namespace ? o->join_namespace : "default");
    id->renew_ms = renewal(id);
    return rc == WEIR_OK ? issue(s, &id->cert, &id->key) : rc;
}

struct weir_grpc_tls weir__stream_server_tls(const struct weir_stream *s)
{
    if (!s->server_id)
        return (struct weir_grpc_tls){0};
    return (struct weir_grpc_tls){
        .ca = weir_ca_pem(s->ca), .certificate = s->server_id->cert, .key = s->server_id->key};
}

static void make(uv_work_t *work)
{
    struct weir_stream *s = work->data;

    s->server_id->rc = issue(s, &s->server_id->new_cert, &s->server_id->new_key);
}

static void take(uv_work_t *work, int status)
{
    struct weir_stream *s = work->data;
    struct weir__stream_server_id *id = s->server_id;
    struct weir_grpc_tls tls;

    (void)status; /* never cancelled */
    id->working = false;
    s->enrolments--;
    if (id->rc == WEIR_OK) {
        free(id->cert);
        weir_pki_free(id->key);
        id->cert = id->new_cert;
        id->key = id->new_key;
        id->new_cert = id->new_key = NULL;
        tls = weir__stream_server_tls(s);
        id->rc = s->down ? WEIR_OK : weir_grpc_server_set_tls(s->listener, &tls);
    }
    if (id->rc != WEIR_OK) {
        id->renew_ms = weir_wall_ms() + RETRY_MS;
        WEIR_LOG(WEIR_LOG_ERROR, "stream", "the server's certificate can't be renewed: %s",
                 weir_rc_name(id->rc));
        return;
    }
    id->renew_ms = renewal(id);
    WEIR_LOG(WEIR_LOG_INFO, "stream", "the server's certificate is renewed");
}

void weir__stream_renew_identity(struct weir_stream *s)
{
    struct weir__stream_server_id *id = s->server_id;

    if (!id || id->working || weir_wall_ms() < id->renew_ms)
        return;
    id->working = true;
    id->work.data = s;
    s->enrolments++; /* a stop waits for it */
    uv_queue_work(&s->loop, &id->work, make, take);
}

void weir__stream_close_identity(struct weir_stream *s)
{
    struct weir__stream_server_id *id = s->server_id;

    weir__tokens_close(s->tokens);
    weir__shared_close(s->shared);
    weir_ca_close(s->ca);
    if (!id)
        return;
    for (size_t i = 0; i < id->name_count; i++)
        free(id->names[i]);
    free(id->cert);
    weir_pki_free(id->key);
    free(id);
}
