/* hub_tls.c - the certificate of the data port: read at the start, and again once its files have
 * changed and then stood still for a second, so that two files written one after the other are
 * taken together. One that can't be used leaves the one before in force. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "dataplane/proxy/hub_internal.h"

enum { MAX_CERT_BYTES = 1 << 20, MAX_KEY_BYTES = 65536, SOON_S = 7 * 86400 };

static int read_file(const char *flag, const char *path, struct weir_buf *out, char *why,
                     size_t size)
{
    int rc = weir_file_read(path, out);

    if (rc)
        snprintf(why, size, "%s %s: %s", flag, path,
                 rc == WEIR_ELIMIT ? "the file is too large" : strerror(errno));
    return rc;
}

static const char *day(int64_t unix_s, char text[32])
{
    time_t t = (time_t)unix_s;
    struct tm tm = {0};

    if (!gmtime_r(&t, &tm) || !strftime(text, 32, "%Y-%m-%d %H:%M UTC", &tm))
        text[0] = 0;
    return text;
}

/* A certificate that every client would refuse is told here, where it can be mended. */
static int check_time(struct weir_tls_context *c, const char *path, char *why, size_t size)
{
    int64_t from, until, now = time(NULL);
    char text[32];

    weir_tls_context_validity(c, &from, &until);
    if (now > until)
        snprintf(why, size, "--tls-cert %s: the certificate has expired on %s", path,
                 day(until, text));
    else if (now < from)
        snprintf(why, size, "--tls-cert %s: the certificate is not valid before %s", path,
                 day(from, text));
    else if (until - now < SOON_S)
        WEIR_LOG(WEIR_LOG_WARN, "proxy", "--tls-cert %s: the certificate expires on %s", path,
                 day(until, text));
    return now > until || now < from ? WEIR_EINVAL : WEIR_OK;
}

static int load(const struct weir_proxy_options *o, char *why, size_t size,
                struct weir_tls_context **out)
{
    struct weir_tls_conf conf = {.server = true, .http2 = true};
    struct weir_tls_context *c = NULL;
    struct weir_buf cert, key;
    char part[256] = "";
    int rc;

    weir_buf_init(&cert, MAX_CERT_BYTES);
    weir_buf_init(&key, MAX_KEY_BYTES);
    rc = read_file("--tls-cert", o->tls_cert, &cert, why, size);
    if (rc == WEIR_OK)
        rc = read_file("--tls-key", o->tls_key, &key, why, size);
    if (rc == WEIR_OK) {
        conf.cert = weir_buf_str(&cert);
        conf.key = weir_buf_str(&key);
        rc = weir_tls_context_create(&conf, part, sizeof part, &c);
        if (rc)
            snprintf(why, size, "--tls-cert %s, --tls-key %s: %s", o->tls_cert, o->tls_key, part);
    }
    if (key.p)
        weir_wipe(key.p, key.n);
    weir_buf_fini(&key);
    weir_buf_fini(&cert);
    if (rc == WEIR_OK)
        rc = check_time(c, o->tls_cert, why, size);
    if (rc)
        weir_tls_context_unref(c);
    else
        *out = c;
    return rc;
}

static uint64_t files_now(const struct weir_proxy_options *o)
{
    return weir_file_state(o->tls_cert) * 31 + weir_file_state(o->tls_key);
}

int weir_hub_tls_start(struct weir_hub *h)
{
    struct weir_hub_tls *t = &h->tls;
    int rc;

    if (!h->options->listen_tls)
        return WEIR_OK;
    t->loaded = t->seen = files_now(h->options);
    rc = load(h->options, t->problem, sizeof t->problem, &t->context);
    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "proxy", "%s", t->problem);
    return rc;
}

void weir_hub_tls_refresh(struct weir_hub *h)
{
    struct weir_hub_tls *t = &h->tls;
    uint64_t seen = t->seen;
    struct weir_tls_context *c;

    if (!t->context)
        return;
    t->seen = files_now(h->options);
    if (t->seen == t->loaded || t->seen != seen)
        return;
    t->loaded = t->seen; /* also if it can't be used: once for each change */
    if (load(h->options, t->problem, sizeof t->problem, &c)) {
        WEIR_LOG(WEIR_LOG_ERROR, "proxy", "%s; the certificate before stays in force", t->problem);
        return;
    }
    t->problem[0] = 0;
    weir_tls_context_unref(t->context);
    t->context = c;
    for (unsigned i = 0; i < h->worker_count; i++)
        if (h->open[i])
            weir_worker_set_tls(h->workers[i], c);
    WEIR_LOG(WEIR_LOG_INFO, "proxy", "--tls-cert %s was read again", h->options->tls_cert);
}

void weir_hub_tls_forget(struct weir_hub *h)
{
    weir_tls_context_unref(h->tls.context);
    h->tls.context = NULL;
}

struct weir_tls_context *weir_hub_tls(struct weir_hub *h)
{
    return h->tls.context;
}
