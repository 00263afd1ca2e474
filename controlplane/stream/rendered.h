/* rendered.h - the policy of one namespace as it goes to proxies: immutable, shared, counted.
 *
 * Made by whoever renders policy, on any thread; the streams only read it. */
#ifndef WEIR_STREAM_RENDERED_H
#define WEIR_STREAM_RENDERED_H

#include <stdbool.h>

#include "base/str.h"

struct weir_rendered;

struct weir_rendered_resource {
    const char *type;    /* "Provider", "IssuedKey", "Secret", ... */
    const char *name;    /* "namespace/name" */
    const char *version; /* content hash */
    struct weir_str body;
    bool secret; /* only over mutual TLS or a Unix socket; wiped when freed */
};

/* With one reference. */
struct weir_rendered *weir_rendered_create(void);
/* Copies. A resource is added once; order does not matter. */
void weir_rendered_add(struct weir_rendered *r, const struct weir_rendered_resource *res);
/* Sorts and makes the revision from all versions; nothing may be added after it. */
void weir_rendered_seal(struct weir_rendered *r);

struct weir_rendered *weir_rendered_ref(struct weir_rendered *r); /* any thread */
void weir_rendered_unref(struct weir_rendered *r);                /* any thread; NULL is fine */

const char *weir_rendered_revision(const struct weir_rendered *r); /* hex */
size_t weir_rendered_count(const struct weir_rendered *r);
/* By (type, name). */
const struct weir_rendered_resource *weir_rendered_at(const struct weir_rendered *r, size_t i);

#endif
