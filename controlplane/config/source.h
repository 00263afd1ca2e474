/* source.h - where policy comes from: a watched folder (or file) of manifests, built-in ones, and
 * the local defaults. A bad edit leaves the last good set in force until it is mended.
 *
 *   idle -> (file event or poll) quiet -> reading (pool thread) -> idle, or quiet again
 *
 * All functions are called on the loop's thread, except the weir_policy_*() that say "any thread".
 * Files are read in libuv's thread pool. */
#ifndef WEIR_CONFIG_SOURCE_H
#define WEIR_CONFIG_SOURCE_H

#include <uv.h>

#include "controlplane/config/policy_set.h"

struct weir_policy_source;
struct weir_policy_errors; /* an immutable list, by reference */

/* How a change of this process's reaches other replicas before it is written here. Called in pool
 * threads; each may block. */
struct weir_policy_shared {
    void *arg;
    /* The folder has all earlier changes, and nobody makes another until end. After WEIR_OK alone
     * the others may be called. */
    int (*begin)(void *arg);
    int (*change)(void *arg, const char *file, struct weir_str text); /* blank text: removed */
    int (*commit)(void *arg);
    void (*end)(void *arg, bool written); /* written: the files here have it */
};

struct weir_policy_source_options {
    uv_loop_t *loop;
    const char *path;       /* folder or file; NULL: none. A missing one is an empty policy */
    const char *price_path; /* a manifest with the default PriceList; NULL: none */
    const char *price_text; /* the same, as text; NULL: none */
    bool local_defaults;    /* when no policy names a Provider */
    int64_t quiet_ms;       /* 0: 100 */
    int64_t quiet_max_ms;   /* 0: 2000 */
    int64_t poll_ms;        /* 0: 1000 */
    const struct weir_policy_shared *shared; /* NULL: nobody else takes part in changes */
    void *arg;
    /* A new good set is in force, or the list of errors changed; either may equal the last one.
     * Both are borrowed for the call; ref to keep. set: NULL until a good one was seen. */
    void (*on_change)(void *arg, struct weir_policy_set *set, struct weir_policy_errors *errors);
    /* A pushed secret's value, or the list of them, changed: call weir_policy_source_secrets. */
    void (*on_secrets)(void *arg);
};

/* Starts the first reading at once; on_change follows. WEIR_EIO: the loop refused a handle. */
WEIR_NODISCARD int weir_policy_source_start(const struct weir_policy_source_options *o,
                                            struct weir_policy_source **out);
/* Frees itself once its handles are closed, then calls on_closed(arg); no callback before that. */
void weir_policy_source_close(struct weir_policy_source *s, void (*on_closed)(void *arg),
                              void *arg);

/* Reads now in place of at the next event. */
void weir_policy_source_poke(struct weir_policy_source *s);

/* What it was started with, for weir_policy_plan() and its like; any thread. */
const struct weir_policy_source_options *
weir_policy_source_config(const struct weir_policy_source *s);

/* With a reference for the caller; any thread. NULL: no good set yet. */
struct weir_policy_set *weir_policy_source_set(struct weir_policy_source *s);
struct weir_policy_errors *weir_policy_source_errors(struct weir_policy_source *s); /* never NULL */

size_t weir_policy_errors_count(const struct weir_policy_errors *e);
const struct weir_data_error *weir_policy_errors_at(const struct weir_policy_errors *e, size_t i);
size_t weir_policy_errors_dropped(const struct weir_policy_errors *e);
struct weir_policy_errors *weir_policy_errors_ref(struct weir_policy_errors *e);
void weir_policy_errors_unref(struct weir_policy_errors *e); /* NULL is fine */

/* The pushed secrets read last; borrowed until the next callback. */
const struct weir_policy_secret *weir_policy_source_secrets(struct weir_policy_source *s,
                                                            size_t *out_n);

#endif
