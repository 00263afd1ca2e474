/* keys.h - the API keys made by `weir keys create`: shown once, kept as digests in control.db.
 *
 * One connection behind a mutex: any thread, but never a loop (each change waits for the disk). */
#ifndef WEIR_API_KEYS_H
#define WEIR_API_KEYS_H

#include "base/arena.h"

struct weir_keys;

struct weir_key {
    const char *ns, *agent, *id;
    char sha256[65]; /* hex */
    int64_t created_ms;
    int64_t expires_ms; /* 0: never */
    int64_t revoked_ms; /* 0: in force */
};

enum {
    WEIR_KEY_DIGITS = 36,   /* base-62 digits of a key: 214 random bits */
    WEIR_KEY_TEXT_MAX = 64, /* "weir_sk_" and the digits, with the NUL */
};

/* Brings the schema up to date; as weir_store_migrate. For `weir migrate`. */
struct weir_store;
WEIR_NODISCARD int weir_keys_migrate(struct weir_store *s);

/* path: control.db in the state folder, or a PostgreSQL's DSN (store.h). Errors as weir_store_open.
 */
WEIR_NODISCARD int weir_keys_open(const char *path, struct weir_keys **out);
void weir_keys_close(struct weir_keys *k); /* NULL is fine */

/* id empty: one is made. The key's text is in out_text and nowhere else: wipe it after use.
 * WEIR_EEXIST: that id is taken in its namespace. WEIR_EINVAL: a name breaks the rules. */
WEIR_NODISCARD int weir_keys_create(struct weir_keys *k, struct weir_str ns, struct weir_str agent,
                                    struct weir_str id, int64_t expires_ms, int64_t now_ms,
                                    struct weir_arena *arena, struct weir_key *out,
                                    char out_text[WEIR_KEY_TEXT_MAX]);
/* WEIR_ENOTFOUND: no such key in force. */
WEIR_NODISCARD int weir_keys_revoke(struct weir_keys *k, struct weir_str ns, struct weir_str id,
                                    int64_t now_ms);
/* Grows with each key made or revoked, by whichever replica. Read it before the list: then no
 * change is missed. */
WEIR_NODISCARD int weir_keys_revision(struct weir_keys *k, int64_t *out);
/* All keys, revoked and expired ones included, by namespace and id; at most 100000. */
WEIR_NODISCARD int weir_keys_list(struct weir_keys *k, struct weir_arena *arena,
                                  struct weir_key **out, size_t *out_n);

/* A new key's text. */
void weir_key_generate(char out[WEIR_KEY_TEXT_MAX]);

#endif
