/* internal.h - what the audit's files share. */
#ifndef WEIR_AUDIT_INTERNAL_H
#define WEIR_AUDIT_INTERNAL_H

#include <stdarg.h>

#include "controlplane/audit/audit.h"

void weir__audit_hash(struct weir_str text, char out[WEIR_AUDIT_HASH + 1]);

/* The entry as the text that is hashed. at_ms: milliseconds since 1970. */
void weir__audit_text(const struct weir_audit_entry *e, const struct weir_audit_head *before,
                      int64_t at_ms, const char *replica, struct weir_buf *out);

/* queue.c: what a loop posts, written by a thread. */
struct weir__audit_queue;
struct weir__audit_queue *weir__audit_queue_start(struct weir_audit *a);
bool weir__audit_queue_add(struct weir__audit_queue *q, const struct weir_audit_entry *e);
void weir__audit_queue_stop(struct weir__audit_queue *q); /* NULL is fine */

#endif
