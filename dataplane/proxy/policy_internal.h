/* policy_internal.h - the inside of a policy, shared by the files that compile it and look into it.
 */
#ifndef WEIR_PROXY_POLICY_INTERNAL_H
#define WEIR_PROXY_POLICY_INTERNAL_H

#include <stdatomic.h>

#include "dataplane/proxy/policy.h"

struct weir_policy_file {
    const char *path;
    uint64_t state; /* when it was read: weir_file_state */
};

struct weir_policy {
    atomic_int refs;
    struct weir_arena *arena;
    struct weir_str revision;
    int64_t compiled_ms;
    struct weir_prices *prices;

    struct weir_policy_provider *providers;
    struct weir_policy_agent *agents;
    struct weir_policy_key *keys;     /* sorted by digest */
    struct weir_policy_route *routes; /* sorted by precedence */
    struct weir_policy_budget *budgets;
    size_t provider_count, agent_count, key_count, route_count, budget_count;

    struct weir_policy_file *files;
    size_t file_count;
};

/* One compilation. An error never stops it: a NACK lists all that is wrong. */
struct weir_policy_compile {
    struct weir_policy *p;
    const struct weir_policy_bytes *bytes;
    struct weir_control_errors *errors;
    const struct weir_policy_resource *now; /* the object being compiled */
    bool failed;
};

/* The field's value, or what holds without one. */
#define OR(message, field, fallback)                                                               \
    ((message) && (message)->has_##field ? (message)->field : (fallback))

/* Notes an error of the object being compiled. */
void weir__policy_bad(struct weir_policy_compile *c, const char *path, const char *reason);
/* The object's message in the policy's arena; NULL: noted as an error. */
void *weir__policy_unpack(struct weir_policy_compile *c, const struct weir_policy_resource *r,
                          const ProtobufCMessageDescriptor *type);
struct weir_str weir__policy_local_name(struct weir_str id); /* "ns/name" -> "name" */
struct weir_policy_header *weir__policy_headers(struct weir_policy_compile *c,
                                                Weir__V1__Label **labels, size_t n);
/* defaults: what is not said is the kind's default, else 0. */
struct weir_policy_timeouts weir__policy_timeouts(const Weir__V1__Timeouts *t, bool defaults);
/* Reads an AWS credential, and sees to the region: p->secret, and p->aws unless it is a bearer
 * token. `raw` is copied; its errors are noted at spec.credential or spec.region. */
void weir__policy_aws(struct weir_policy_compile *c, struct weir_policy_provider *p,
                      struct weir_str raw);
/* "us-east-1" of "bedrock-runtime.us-east-1.amazonaws.com"; absent: the host tells none. */
struct weir_str weir__policy_aws_region(struct weir_str host);
bool weir__policy_is_region(struct weir_str s); /* as a host's label */

enum {
    WEIR__POLICY_SECRET_BYTES = 16384,
    WEIR__POLICY_FILES = 4 + 3 * WEIR_POLICY_MAX_KEYS /* of a provider, at most */
};

/* Notes a file that the provider depends on, so that its change is seen. Absent: nothing. */
void weir__policy_watch(struct weir_policy_compile *c, struct weir_str path);
/* Appends a secret's bytes. False: noted as an error at `path`, with ".env" or ".file" behind it.
 */
bool weir__policy_read_env(struct weir_policy_compile *c, const char *name, const char *path,
                           struct weir_buf *out);
bool weir__policy_read_file(struct weir_policy_compile *c, const char *file, const char *path,
                            struct weir_buf *out);
/* Makes an origin that is reached as the provider or the environment says (spec NULL: directly),
 * and notes the files that it depends on. NULL: noted as an error at `path`. */
struct weir_origin *weir__policy_origin(struct weir_policy_compile *c,
                                        const Weir__V1__ProviderSpec *spec,
                                        struct weir_origin_conf *conf, const char *path);
/* Is the host one that NO_PROXY's list names: a domain with all below it, an address, a network,
 * any of them perhaps with a port; or "*"? */
bool weir__policy_no_proxy(struct weir_str list, struct weir_str host, uint16_t port);
/* The source of a credential that ends: p->source; its errors are noted. */
void weir__policy_source(struct weir_policy_compile *c, struct weir_policy_provider *p,
                         const Weir__V1__ProviderSpec *spec, const Weir__V1__Credential *cred);
void weir__policy_provider(struct weir_policy_compile *c, const struct weir_policy_resource *r);

#endif
