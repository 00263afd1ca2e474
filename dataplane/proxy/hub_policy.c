/* hub_policy.c - a policy arrives: compiled here, then handed to every worker.
 *
 * The bytes are kept (they hold secrets only in memory that is wiped) so that a credential file
 * that changes can be read again without the control plane. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dataplane/proxy/hub_internal.h"

enum { CREDENTIAL_RETRY_MS = 2000, CREDENTIAL_RETRY_MAX_MS = 60000 };

static void free_bytes(struct weir_policy_bytes *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++) {
        const struct weir_policy_resource *r = &b->resources[i];

        weir_wipe((char *)r->body.p, r->body.n);
        free((char *)r->body.p);
        free((char *)r->type);
        free((char *)r->name);
        free((char *)r->version);
    }
    free((void *)b->resources);
    free((char *)b->revision);
    free(b);
}

static struct weir_policy_bytes *keep_bytes(const struct weir_policy_bytes *b)
{
    struct weir_policy_bytes *k = WEIR_NEW(struct weir_policy_bytes);
    struct weir_policy_resource *r = weir_zalloc(b->count * sizeof *r);

    for (size_t i = 0; i < b->count; i++) {
        const struct weir_policy_resource *from = &b->resources[i];
        char *body = weir_alloc(from->body.n);

        memcpy(body, from->body.p ? from->body.p : "", from->body.n);
        r[i] = (struct weir_policy_resource){weir_strdup(weir_str_of(from->type)),
                                             weir_strdup(weir_str_of(from->name)),
                                             weir_strdup(weir_str_of(from->version)),
                                             {body, from->body.n}};
    }
    *k = (struct weir_policy_bytes){.revision = weir_strdup(weir_str_of(b->revision)),
                                    .resources = r,
                                    .count = b->count,
                                    .from_file = b->from_file};
    return k;
}

void weir_hub_on_token(void *hub, const struct weir_cred_source *s, struct weir_cred_token *token,
                       const char *problem)
{
    struct weir_hub *h = hub;

    for (unsigned i = 0; i < h->worker_count; i++)
        if (h->open[i])
            weir_worker_set_token(h->workers[i], s, token, problem);
}

static void refresh_sources(struct weir_hub *h)
{
    const struct weir_policy_provider *one, *p;
    struct weir_cred_source **sources;
    size_t count = 0, n = 0;

    while (weir_policy_provider(h->policy, count))
        count++;
    sources = weir_zalloc((count + 1) * WEIR_POLICY_MAX_KEYS * sizeof *sources);
    for (size_t i = 0; i < count; i++) {
        one = weir_policy_provider(h->policy, i);
        for (size_t k = 0; (p = weir_policy_credential(one, k)); k++)
            if (p->source)
                sources[n++] = p->source;
    }
    weir_refresher_set(h->refresher, sources, n);
    free((void *)sources);
}

static void swap(struct weir_hub *h, const struct weir_policy *p)
{
    weir_policy_unref(h->policy);
    h->policy = p;
    for (unsigned i = 0; i < h->worker_count; i++)
        if (h->open[i])
            weir_worker_set_policy(h->workers[i], p);
    refresh_sources(h);
}

int weir_hub_on_policy(void *hub, const struct weir_policy_bytes *b,
                       struct weir_control_errors *errs)
{
    struct weir_hub *h = hub;
    const struct weir_policy *p;
    int rc = weir_policy_compile(b, errs, &p);

    if (rc) {
        h->policies_rejected++;
        weir_control_errors_first(errs, h->refusal, sizeof h->refusal);
        WEIR_LOG(WEIR_LOG_ERROR, "policy", "revision %s is refused: %s; %s", b->revision,
                 h->refusal,
                 h->policy ? "the one before stays in force" : "there is none in force");
        if (b->from_file) /* the control plane will send a better one */
            h->refusal[0] = 0;
        return rc;
    }
    h->refusal[0] = 0;
    swap(h, p);
    free_bytes(h->kept);
    h->kept = keep_bytes(b);
    h->credentials.problem[0] = 0;
    WEIR_LOG(WEIR_LOG_INFO, "policy", "revision %s is in force (%zu resources%s)", b->revision,
             b->count, b->from_file ? ", from the state folder" : "");
    return WEIR_OK;
}

/* One line for one change; a file that keeps changing to something bad gets fewer and fewer. */
static void credentials_failed(struct weir_hub_credentials *k, uint64_t state, const char *why)
{
    int64_t now = weir_mono_ms();
    bool changed = !k->problem[0] || state != k->tried;

    k->pause_ms = k->problem[0] ? 2 * k->pause_ms : CREDENTIAL_RETRY_MS;
    if (k->pause_ms > CREDENTIAL_RETRY_MAX_MS)
        k->pause_ms = CREDENTIAL_RETRY_MAX_MS;
    if (strcmp(why, k->problem) != 0 || (changed && now >= k->log_ms)) {
        WEIR_LOG(WEIR_LOG_WARN, "policy",
                 "%s: the file changed and can't be used; the content before stays in force", why);
        k->log_ms = now + k->pause_ms;
    }
    snprintf(k->problem, sizeof k->problem, "%s", why);
    k->retry_ms = now + k->pause_ms;
    k->tried = state;
}

void weir_hub_refresh_credentials(struct weir_hub *h)
{
    struct weir_hub_credentials *k = &h->credentials;
    struct weir_control_errors *errors;
    const struct weir_policy *p;
    uint64_t state;
    char why[sizeof k->problem];

    if (!h->policy)
        return;
    state = weir_policy_credentials_now(h->policy);
    if (state == weir_policy_credentials_read(h->policy)) {
        k->problem[0] = 0;
        return;
    }
    if (k->problem[0] && state == k->tried && weir_mono_ms() < k->retry_ms)
        return;
    errors = weir_control_errors_create();
    if (weir_policy_compile(h->kept, errors, &p)) {
        weir_control_errors_first(errors, why, sizeof why);
        credentials_failed(k, state, why);
    } else {
        k->problem[0] = 0;
        swap(h, p);
        WEIR_LOG(WEIR_LOG_INFO, "policy", "a credential file changed and was read again");
    }
    weir_control_errors_destroy(errors);
}

void weir_hub_forget_policy(struct weir_hub *h)
{
    weir_policy_unref(h->policy);
    h->policy = NULL;
    free_bytes(h->kept);
    h->kept = NULL;
}

bool weir_hub_is_ready(const struct weir_hub *h)
{
    for (unsigned i = 0; i < h->worker_count; i++)
        if (atomic_load(&h->workers[i]->policies) == 0)
            return false;
    return h->worker_count > 0 && h->policy && !h->stopping;
}
