/* policy.h - one immutable compiled policy: what the stages look up while a call travels.
 *
 * A policy is compiled on the hub thread from the resources of one transaction, then handed to
 * every worker. It is reference-counted (atomically): an exchange keeps the one that it began with.
 * All its memory is one arena; secrets in it are wiped when the last reference goes. */
#ifndef WEIR_PROXY_POLICY_H
#define WEIR_PROXY_POLICY_H

#include "base/arena.h"
#include "base/hash.h"
#include "common/http/client.h"
#include "common/http/request.h"
#include "common/http/sigv4.h"
#include "dataplane/budget/holder.h"
#include "dataplane/control/control.h"
#include "dataplane/credentials/source.h"
#include "dataplane/llm/endpoint.h"
#include "dataplane/llm/fields.h"
#include "dataplane/llm/llm.h"
#include "dataplane/llm/servers.h"
#include "dataplane/proxy/health.h"
#include "pricing/pricing.h"
#include "weir/v1/config.pb-c.h"

struct weir_policy;

enum { WEIR_POLICY_MAX_KEYS = 16 }; /* of one provider */

struct weir_policy_timeouts {
    int64_t connect_ms, first_byte_ms, idle_ms, total_ms;
};

struct weir_policy_header {
    struct weir_str name, value;
};

struct weir_policy_model {
    struct weir_str name;           /* as callers name it */
    struct weir_str upstream;       /* as the provider does */
    int64_t max_output_tokens;      /* 0: not said */
    bool shows_all;                 /* bills no output that its answers don't show */
    int64_t context_tokens;         /* 0: not said */
    uint32_t without;               /* bit f: it doesn't take the Weir__V1__Feature f */
    const struct weir_str *refuses; /* fields of a request */
    size_t refuse_count;
};

/* Paths of a provider that pass as they are. */
struct weir_policy_pass {
    struct weir_str path;
    uint32_t methods;       /* bit m: enum weir_http_method */
    int64_t price_nano_usd; /* of a call; -1: unknown */
};

struct weir_policy_provider {
    struct weir_str id, name;  /* "ns/name", "name" */
    enum weir_dialect dialect; /* for calls in one that it doesn't speak */
    uint32_t speaks;           /* bit d: dialect d, which passes as it is */
    bool echo;
    struct weir_origin *origin; /* NULL for echo; shared by all workers */
    int64_t max_connections;    /* to it, by one worker */
    int64_t max_concurrency;    /* calls of the proxy at once; 0: no limit */
    struct weir_str base_path;  /* of the endpoint, without a slash at its end */
    bool vendor;                /* the dialect's own vendor, not a server that is compatible */
    const struct weir_server *server; /* whose differences are known; NULL: none are */
    bool key_header;                  /* the secret goes as "api-key" */
    bool deployment;                  /* see weir_llm_endpoint */
    struct weir_str query;            /* of every path; absent: none */
    bool passthrough;                 /* the caller's own credential goes on */
    bool unavailable;       /* its pushed secret is not here yet: policy from the state folder */
    struct weir_str secret; /* absent: none; wiped with the policy */
    struct weir_cred_source *source; /* of a credential that ends; NULL: `secret` is it */
    bool signs;                      /* requests are signed for AWS, with `aws` or the source's */
    struct weir_sigv4_keys aws;      /* in `secret`; with a source, region and service only */
    struct weir_policy_header *headers;
    size_t header_count;
    struct weir_policy_header *defaults; /* where a request has none of that name */
    size_t default_count;
    char **removed; /* names of callers' headers that stay behind */
    size_t removed_count;
    struct weir_policy_model *models;
    size_t model_count;
    struct weir_policy_pass *passes;
    size_t pass_count;
    struct weir_policy_timeouts timeouts;
    struct weir_health_rules health;
    /* One for each further key, alike but for `secret`, `unavailable` and `key`. */
    struct weir_policy_provider *others;
    size_t key, key_count;
};

struct weir_policy_agent {
    struct weir_str ns, name, organization, project, team, environment;
    const Weir__V1__Agent *message; /* labels and model patterns */
    int64_t max_concurrency;        /* -1: no limit */
    bool disabled;
    size_t index; /* dense, for per-worker counters */
};

struct weir_policy_key {
    unsigned char digest[WEIR_SHA256_BYTES];
    struct weir_str id;
    const struct weir_policy_agent *agent;
    int64_t expires_ms; /* wall clock; 0: never */
};

struct weir_policy_target {
    const struct weir_policy_provider *provider;
    struct weir_str model; /* absent: as the caller named it */
    int64_t weight;
};

struct weir_policy_group {
    struct weir_policy_target *targets;
    size_t target_count;
    Weir__V1__Strategy strategy;
};

struct weir_policy_route {
    struct weir_str name;
    const Weir__V1__RouteSpec *spec; /* matches */
    struct weir_policy_group *groups;
    size_t group_count;
    int64_t priority, attempts, backoff_ms;
    int64_t max_pause_ms; /* for a target that asked for one */
    int64_t cache_ms;     /* how long answers are kept; 0: they aren't */
    int64_t drain_ms;     /* how long an answer is read on without its client; 0: it isn't */
    int64_t drain_bytes;
    bool gathers; /* whole answers are asked for as streams */
    Weir__V1__Translation translation;
    bool has_timeouts;
    struct weir_policy_timeouts timeouts; /* 0: the provider's */
    struct weir_policy_header *headers;
    size_t header_count;
    struct weir_policy_header *defaults; /* where a request has none of that name */
    size_t default_count;
    char **removed; /* names of callers' headers that stay behind */
    size_t removed_count;
    struct weir_llm_field_edit *fields;
    size_t field_count;
};

/* What becomes of a call that a budget can't pay. */
enum weir_on_exhausted {
    WEIR_EXHAUSTED_DENY,
    WEIR_EXHAUSTED_CLAMP,
    WEIR_EXHAUSTED_QUEUE,
    WEIR_EXHAUSTED_ASK, /* as queue, while a person is asked */
    WEIR_EXHAUSTED_DOWNGRADE,
};

struct weir_policy_budget {
    struct weir_budget_conf conf; /* what the holder needs */
    const Weir__V1__BudgetSpec *spec;
    bool rate; /* a window of an hour or less: refusals are 429 */
    bool unknown_price_allowed;
    int64_t unknown_price_assumed; /* nano-USD per million tokens; -1: none */
    bool charge_hold;              /* missing usage settles the whole hold */
    enum weir_on_exhausted on_exhausted;
    struct weir_str downgrade_to; /* a model */
    int64_t max_wait_ms;          /* in a queue */
};

/* Compiles a transaction's whole set. On success *out has one reference, owned by the caller. On
 * failure `errors` says which objects are wrong and nothing else changes. Reads credential files:
 * hub thread. */
WEIR_NODISCARD int weir_policy_compile(const struct weir_policy_bytes *bytes,
                                       struct weir_control_errors *errors,
                                       const struct weir_policy **out);
const struct weir_policy *weir_policy_ref(const struct weir_policy *p);
void weir_policy_unref(const struct weir_policy *shared); /* NULL is fine */

struct weir_str weir_policy_revision(const struct weir_policy *p);
int64_t weir_policy_compiled_ms(const struct weir_policy *p); /* monotonic clock */
const struct weir_prices *weir_policy_prices(const struct weir_policy *p);
size_t weir_policy_agent_count(const struct weir_policy *p);
/* The index in this policy of an agent that may be another policy's; SIZE_MAX: it has none. */
size_t weir_policy_agent_slot(const struct weir_policy *p, const struct weir_policy_agent *a);

/* The key that a caller presented. NULL: unknown. */
const struct weir_policy_key *weir_policy_find_key(const struct weir_policy *p,
                                                   struct weir_str key);

/* May this agent name this model? */
bool weir_policy_agent_may(const struct weir_policy_agent *a, struct weir_str model);

/* The n-th route in the order of precedence that does not depend on the call; NULL past the end. */
const struct weir_policy_route *weir_policy_route(const struct weir_policy *p, size_t n);
const struct weir_policy_budget *weir_policy_budget(const struct weir_policy *p, size_t n);
const struct weir_policy_provider *weir_policy_provider(const struct weir_policy *p, size_t n);

/* The provider as it is with its n-th key, from 0; NULL past the last one. */
static inline const struct weir_policy_provider *
weir_policy_credential(const struct weir_policy_provider *p, size_t n)
{
    if (n == 0)
        return p;
    return n < p->key_count ? &p->others[n - 1] : NULL;
}

/* Does the selector pick this call? provider may be NULL for "any", call for whatever tools. */
bool weir_policy_selects(const Weir__V1__Selector *s, const struct weir_policy_agent *agent,
                         struct weir_str model, const struct weir_policy_provider *provider,
                         const struct weir_llm_call *call);

/* Can a call in this dialect pass as it is? */
bool weir_policy_speaks(const struct weir_policy_provider *p, enum weir_dialect d);

/* What the route calls for a model; absent: it is no alias there. */
struct weir_str weir_policy_alias(const Weir__V1__RouteSpec *route, struct weir_str model);

/* The rule by which a path passes to the provider, the longest one; NULL: none. With a method, one
 * that lets it pass; WEIR_HTTP_OPTIONS: of any method. */
const struct weir_policy_pass *weir_policy_passes(const struct weir_policy_provider *p,
                                                  enum weir_http_method method,
                                                  struct weir_str path);

/* The path of a call that passes at the provider: by a rule or, of what names a model, because its
 * API has it. Absent: it doesn't pass there. */
struct weir_str weir_policy_passed_path(const struct weir_policy_provider *p,
                                        enum weir_http_method method,
                                        const struct weir_llm_endpoint *e);

/* The provider's entry for a model as callers name it; NULL when it lists none such. */
const struct weir_policy_model *weir_policy_model(const struct weir_policy_provider *p,
                                                  struct weir_str name);

/* What the credential files were like when they were read, and are now: when the two differ, the
 * hub compiles the same bytes again. Blocking: hub thread. */
uint64_t weir_policy_credentials_read(const struct weir_policy *p);
uint64_t weir_policy_credentials_now(const struct weir_policy *p);

#endif
