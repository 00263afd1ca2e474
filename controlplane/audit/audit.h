/* audit.h - who changed what: entries that are chained by hashes and never changed.
 *
 * An entry is a JSON object in one line. It holds the hash of the entry before it ("prev"), and its
 * own hash is the SHA-256 of its text; so no entry can be changed, removed or put elsewhere without
 * a contradiction. Replicas on one PostgreSQL write one chain: an entry is inserted under the next
 * number, which only one of them gets.
 *
 * One connection behind a mutex: any thread, but never a loop, except weir_audit_post(). */
#ifndef WEIR_AUDIT_AUDIT_H
#define WEIR_AUDIT_AUDIT_H

#include "base/buf.h"

struct weir_audit;
struct weir_store;

enum {
    WEIR_AUDIT_HASH = 64,          /* hexadecimal digits */
    WEIR_AUDIT_MAX_DETAIL = 16384, /* bytes */
    WEIR_AUDIT_MAX_LINE = 65536,
    WEIR_AUDIT_MAX_READ = 1000, /* entries at once */
};

/* NULL: left out, except actor and action. Texts that are too long are cut. */
struct weir_audit_entry {
    const char *actor;          /* a role, or the program itself */
    const char *from;           /* address */
    const char *action;         /* "budget.raise" */
    const char *object;         /* "default/daily" */
    const char *outcome;        /* "asked", "done", "refused" */
    int64_t of;                 /* the entry that asked for it; 0: none */
    const char *before, *after; /* digests of what was changed */
    struct weir_str detail;     /* a JSON object; absent: none */
    bool once; /* not written when the newest entry of this action has the same `after` */
};

struct weir_audit_head {
    int64_t seq; /* 0: there is no entry */
    char hash[WEIR_AUDIT_HASH + 1];
};

/* Brings the schema up to date; as weir_store_migrate. For `weir migrate`. */
WEIR_NODISCARD int weir_audit_migrate(struct weir_store *s);

/* path: audit.db in the state folder, or a PostgreSQL's DSN (store.h). Errors as weir_store_open.
 */
WEIR_NODISCARD int weir_audit_open(const char *path, struct weir_audit **out);
/* Writes what was posted, once more each, then ends. NULL is fine. */
void weir_audit_close(struct weir_audit *a);

/* On disk when it returns. out_seq may be NULL; it is 0 for an entry that `once` left out. Errors
 * as store.h: then nothing is kept. */
WEIR_NODISCARD int weir_audit_append(struct weir_audit *a, const struct weir_audit_entry *e,
                                     int64_t *out_seq);
/* The same, later and again until it is written, for a loop: copies, never blocks. False: too many
 * wait (1024); it is a line of the log only. */
bool weir_audit_post(struct weir_audit *a, const struct weir_audit_entry *e);

/* Each entry after that number as a line of an export, in order, at most limit of them. line lives
 * until fn returns. head: as it is at that moment. */
typedef void (*weir_audit_line_fn)(void *arg, struct weir_str line);
WEIR_NODISCARD int weir_audit_read(struct weir_audit *a, int64_t after, int64_t limit,
                                   weir_audit_line_fn fn, void *arg, struct weir_audit_head *head);

/* ---- verifying; pure ---- */

struct weir_audit_walk {
    int64_t lines, first, last;     /* entries; 0: none yet */
    char hash[WEIR_AUDIT_HASH + 1]; /* of the last one */
    char why[256];                  /* after WEIR_ECORRUPT */
};

/* The next line of an export, from its first one on, without the newline. WEIR_ECORRUPT: w->why
 * names the first entry that is not as it was written. */
WEIR_NODISCARD int weir_audit_walk(struct weir_audit_walk *w, struct weir_str line);

#endif
