/* server_tls.c - a server's certificate, which may be replaced while it serves: gRPC asks for it
 * before each handshake, from threads of its own. Connections that are open keep theirs. */
#include "grpc/internal.h"

#include <string.h>

struct weir__grpc_server_tls {
    struct weir__grpc_server_tls *next;
    pthread_mutex_t lock;
    char *ca, *certificate, *key;
    bool fresh; /* gRPC hasn't fetched it */
};

static void wipe_texts(struct weir__grpc_server_tls *t)
{
    if (t->key)
        weir_wipe(t->key, strlen(t->key));
    free(t->ca);
    free(t->certificate);
    free(t->key);
}

int weir__grpc_server_tls_set(struct weir__grpc_server_tls *t, const struct weir_grpc_tls *tls)
{
    if (!tls || !tls->ca || !tls->certificate || !tls->key)
        return WEIR_EINVAL;
    pthread_mutex_lock(&t->lock);
    wipe_texts(t);
    t->ca = weir_strdup(weir_str_of(tls->ca));
    t->certificate = weir_strdup(weir_str_of(tls->certificate));
    t->key = weir_strdup(weir_str_of(tls->key));
    t->fresh = true;
    pthread_mutex_unlock(&t->lock);
    return WEIR_OK;
}

struct weir__grpc_server_tls *weir__grpc_server_tls_new(struct weir_grpc *g,
                                                        const struct weir_grpc_tls *tls)
{
    struct weir__grpc_server_tls *t = WEIR_NEW(struct weir__grpc_server_tls);

    pthread_mutex_init(&t->lock, NULL);
    if (weir__grpc_server_tls_set(t, tls) != WEIR_OK) {
        pthread_mutex_destroy(&t->lock);
        free(t);
        return NULL;
    }
    t->next = g->server_tls;
    g->server_tls = t;
    return t;
}

void weir__grpc_server_tls_free_all(struct weir_grpc *g)
{
    struct weir__grpc_server_tls *t, *next;

    for (t = g->server_tls; t; t = next) {
        next = t->next;
        wipe_texts(t);
        pthread_mutex_destroy(&t->lock);
        free(t);
    }
    g->server_tls = NULL;
}

static grpc_ssl_certificate_config_reload_status fetch(void *user,
                                                       grpc_ssl_server_certificate_config **out)
{
    struct weir__grpc_server_tls *t = user;
    grpc_ssl_certificate_config_reload_status status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    grpc_ssl_pem_key_cert_pair pair;

    pthread_mutex_lock(&t->lock);
    if (t->fresh) {
        pair.private_key = t->key;
        pair.cert_chain = t->certificate;
        *out = grpc_ssl_server_certificate_config_create(t->ca, &pair, 1);
        t->fresh = false;
        status =
            *out ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
    }
    pthread_mutex_unlock(&t->lock);
    return status;
}

grpc_server_credentials *weir__grpc_server_tls_credentials(struct weir__grpc_server_tls *t)
{
    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY, fetch, t));
}
