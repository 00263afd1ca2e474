/* source.h - a provider's credential that ends and is renewed: where it comes from, what is asked
 * there, and what the answers mean.
 *
 * Pure code: no I/O, no loop, no clock. A source is immutable, a token too; both are
 * reference-counted (atomically) and wiped with their last reference. */
#ifndef WEIR_CREDENTIALS_SOURCE_H
#define WEIR_CREDENTIALS_SOURCE_H

#include "base/arena.h"
#include "base/hash.h"
#include "common/http/client.h"
#include "common/http/sigv4.h"

enum weir_cred_kind {
    WEIR_CRED_OAUTH,            /* RFC 6749, 4.4; with an assertion RFC 7523, 2.2 */
    WEIR_CRED_GOOGLE_KEY,       /* a service account's key: RFC 7523, 2.1 */
    WEIR_CRED_GOOGLE_METADATA,  /* the metadata server of a machine or a cluster */
    WEIR_CRED_AWS_WEB_IDENTITY, /* STS, AssumeRoleWithWebIdentity (2011-06-15) */
    WEIR_CRED_AWS_CONTAINER,    /* the credentials endpoint of ECS or EKS */
    WEIR_CRED_AWS_INSTANCE,     /* a machine's metadata, version 2 */
};

/* Which texts a kind needs stands at each; the rest are absent. */
struct weir_cred_conf {
    enum weir_cred_kind kind;
    struct weir_str name;       /* the provider's, for messages */
    struct weir_origin *origin; /* that is asked; a reference is taken */
    struct weir_str path;       /* there; a metadata server's begins its own */
    struct weir_str url;        /* of both; the audience of a Google assertion */
    struct weir_str client_id;  /* oauth; google key: the account; web identity: the role */
    struct weir_str secret;     /* oauth; google key: its PEM */
    struct weir_str key_id;     /* google key; may be absent */
    struct weir_str scope;      /* oauth, google; may be absent */
    struct weir_str session;    /* web identity */
    struct weir_str token_file; /* read at each fetch: oauth, web identity, container; absent: none
                                 */
    uint64_t trust; /* tells one content of the origin's certificate files from another */
};

struct weir_cred_source;

/* Copies all of conf. The caller owns one reference. */
struct weir_cred_source *weir_cred_source_create(const struct weir_cred_conf *conf);
struct weir_cred_source *weir_cred_source_ref(struct weir_cred_source *s);
void weir_cred_source_unref(struct weir_cred_source *s); /* NULL is fine */
const struct weir_cred_conf *weir_cred_source_conf(const struct weir_cred_source *s);
/* Equal for sources that ask the same: WEIR_SHA256_BYTES. */
const unsigned char *weir_cred_source_key(const struct weir_cred_source *s);

struct weir_cred_token; /* a bearer token, or an access key of AWS */

struct weir_cred_token *weir_cred_token_ref(struct weir_cred_token *t);
void weir_cred_token_unref(struct weir_cred_token *t);                   /* NULL is fine */
struct weir_str weir_cred_token_bearer(const struct weir_cred_token *t); /* absent: a key of AWS */
const struct weir_sigv4_keys *weir_cred_token_keys(const struct weir_cred_token *t);
int64_t weir_cred_token_expires_ms(const struct weir_cred_token *t); /* wall clock */

/* A fetch takes one step or, from a machine's metadata, several. */
enum { WEIR_CRED_CARRY_BYTES = 1024 };

struct weir_cred_steps {
    unsigned done;
    char session[WEIR_CRED_CARRY_BYTES], role[WEIR_CRED_CARRY_BYTES]; /* from earlier steps */
};

struct weir_cred_ask {
    struct weir_str method, path, body; /* the body's bytes are the arena's and secret */
    struct weir_http_header headers[3];
    size_t header_count;
    bool has_body;
};

/* The next step's request. file: the token file's content, if the source has one. WEIR_EINVAL:
 * *why says what can't be used. */
WEIR_NODISCARD int weir_cred_ask(const struct weir_cred_source *s,
                                 const struct weir_cred_steps *steps, struct weir_str file,
                                 int64_t now_ms, struct weir_arena *a, struct weir_cred_ask *out,
                                 const char **why);

/* What its answer means. WEIR_OK: *out is the token, the caller's. WEIR_EWAIT: another step
 * follows. WEIR_EAUTH: *why (static or the arena's, never with a secret) says what was refused. */
WEIR_NODISCARD int weir_cred_answer(const struct weir_cred_source *s, struct weir_cred_steps *steps,
                                    int status, struct weir_str body, int64_t now_ms,
                                    struct weir_arena *a, struct weir_cred_token **out,
                                    const char **why);

#endif
