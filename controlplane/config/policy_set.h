/* policy_set.h - the whole policy at one moment: every object of every source, checked against each
 * other, immutable and shared by reference.
 *
 * Made on any thread by weir_policy_set_build(); once made, any thread may read it. */
#ifndef WEIR_CONFIG_POLICY_SET_H
#define WEIR_CONFIG_POLICY_SET_H

#include "data/decode.h"
#include "data/render.h"

struct weir_policy_set;

/* One object that came from a manifest. All borrowed from the set. */
struct weir_policy_object {
    const char *type; /* the kind */
    const char *ns, *name;
    const char *full_name; /* "ns/name" */
    const char *version;
    struct weir_str body;            /* packed */
    const ProtobufCMessage *message; /* its fields' defaults are not filled in */
    const struct weir_schema_message *kind;
    const char *file; /* "built-in:..." for what Weir brings itself */
    unsigned line;
    bool built_in;       /* goes to every namespace */
    const char *sent_as; /* type on the streams: the kind, or one that no manifest can have */
};

/* One text with manifests. */
struct weir_policy_text {
    const char *file;
    struct weir_str text;
    bool built_in;
};

/* Decodes and cross-checks. WEIR_EINVAL: errors has them all, *out is untouched. The set keeps no
 * pointer into texts. local_env: when no text names a Provider, adds the local defaults (local.h)
 * made from these; NULL: doesn't. */
struct weir_local_env;
WEIR_NODISCARD int weir_policy_set_build(const struct weir_policy_text texts[], size_t n,
                                         const struct weir_local_env *local_env,
                                         struct weir_data_errors *errors,
                                         struct weir_policy_set **out);
struct weir_policy_set *weir_policy_set_ref(struct weir_policy_set *s);
void weir_policy_set_unref(struct weir_policy_set *s); /* NULL is fine */

/* Hash of all types, names and versions. */
const char *weir_policy_set_revision(const struct weir_policy_set *s);
/* Sorted by type, namespace, name. */
size_t weir_policy_set_count(const struct weir_policy_set *s);
const struct weir_policy_object *weir_policy_set_at(const struct weir_policy_set *s, size_t i);
/* NULL: not there. */
const struct weir_policy_object *weir_policy_set_find(const struct weir_policy_set *s,
                                                      struct weir_str type, struct weir_str ns,
                                                      struct weir_str name);
/* The distinct namespaces, sorted; "default" is always one. */
size_t weir_policy_set_namespaces(const struct weir_policy_set *s);
const char *weir_policy_set_namespace_at(const struct weir_policy_set *s, size_t i);

/* A key made by `weir keys create`, as the proxies need it. */
struct weir_policy_key {
    const char *ns, *agent, *id, *sha256;
    int64_t expires_ms; /* 0: never */
};

/* A pushed secret's value. */
struct weir_policy_secret {
    const char *ns, *provider;
    size_t key; /* 0: the provider's credential; else the place in moreCredentials, from 1 */
    struct weir_str value;
};

/* One resource for the Config stream. Borrowed for the call of fn only. */
struct weir_policy_send {
    const char *type;
    const char *name; /* "ns/name"; an IssuedKey's is "ns/id", a Secret's "ns/provider", a further
                         key's Secret's "ns/provider#1" */
    const char *version;
    struct weir_str body;
    bool secret; /* wipe every copy; never log; only over mutual TLS or a Unix socket */
};

/* What the proxies of one namespace get: its objects, the built-in ones, its keys, and the secrets
 * of its providers. Pure: the same arguments give the same calls in the same order. */
void weir_policy_render(const struct weir_policy_set *s, struct weir_str ns,
                        const struct weir_policy_key keys[], size_t key_count,
                        const struct weir_policy_secret secrets[], size_t secret_count,
                        void (*fn)(void *arg, const struct weir_policy_send *r), void *arg);

/* "3x", "1.5x": in thousandths, from 1.001 to 1000 times. WEIR_EINVAL. */
WEIR_NODISCARD int weir_config_burn_rate(const char *text, int64_t *out_thousandths);

#endif
