/* diff.h - a transaction's messages, from what a proxy has to what it should have; packed once and
 * shared by all proxies that need the same. */
#ifndef WEIR_STREAM_DIFF_H
#define WEIR_STREAM_DIFF_H

#include <stdint.h>

#include "controlplane/stream/rendered.h"

struct weir_grpc_msg;
struct weir__diff_cache;

struct weir__diff {
    uint64_t id;
    struct weir_grpc_msg **messages;
    size_t count, bytes;
};

enum {
    WEIR__DIFF_MESSAGE_BYTES = 1 << 20, /* a message ends when it is larger than that */
    WEIR__DIFF_RESOURCE_BYTES = 3 << 20,
    WEIR__DIFF_SET_BYTES = 48 << 20,
};

struct weir__diff_cache *weir__diff_cache_create(void);
void weir__diff_cache_destroy(struct weir__diff_cache *c);

/* Borrowed until the next call. *next_id is used and raised when it is a new one. */
const struct weir__diff *weir__diff_get(struct weir__diff_cache *c,
                                        const struct weir_rendered *from,
                                        const struct weir_rendered *to, uint64_t *next_id);

#endif
