/* post.h - a loop's mailbox: other threads post a function and its argument, the loop runs them in
 * order. Bounded. The lock is held only to link a message. */
#ifndef WEIR_NET_POST_H
#define WEIR_NET_POST_H

#include <uv.h>

#include "base/err.h"

struct weir_mailbox; /* opaque; made and destroyed on the loop's thread */

typedef void (*weir_post_fn)(void *arg);

/* max: messages that may wait. NULL: the loop refused a handle. It doesn't keep the loop alive. */
struct weir_mailbox *weir_mailbox_create(uv_loop_t *loop, size_t max);

/* Any thread. fn(arg) runs on the loop once. WEIR_ELIMIT: full. WEIR_ECLOSED: closing. In both
 * cases the caller keeps arg. */
WEIR_NODISCARD int weir_mailbox_post(struct weir_mailbox *m, weir_post_fn fn, void *arg);

/* On the loop's thread, when no other thread will post any more: runs what waits, then frees itself
 * in a later iteration of the loop. NULL is fine. */
void weir_mailbox_destroy(struct weir_mailbox *m);

#endif
