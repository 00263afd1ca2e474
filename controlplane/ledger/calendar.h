/* calendar.h - where the windows of budgets begin and end: calendar units in an IANA time zone,
 * with its daylight-saving changes. Reads the system's zone files (TZif, RFC 8536) itself, because
 * the C library keeps one zone for the whole process. */
#ifndef WEIR_LEDGER_CALENDAR_H
#define WEIR_LEDGER_CALENDAR_H

#include "controlplane/ledger/ledger.h"

struct weir_zone; /* immutable once loaded: any thread */

/* name "" or "UTC" needs no file. WEIR_ENOTFOUND: no such zone. WEIR_EINVAL: not a zone's name, or
 * the file is damaged. Blocking. */
WEIR_NODISCARD int weir_zone_load(struct weir_str name, struct weir_zone **out);
/* The same from bytes, for tests. */
WEIR_NODISCARD int weir_zone_parse(struct weir_str bytes, struct weir_zone **out);
void weir_zone_free(struct weir_zone *z); /* NULL is fine */

/* Seconds east of Greenwich at a moment t (seconds since 1970). */
int64_t weir_zone_offset(const struct weir_zone *z, int64_t t);

/* The window that holds now: start <= now < end; end -1: never. Day, week and month begin at the
 * first moment of their day there, which is not midnight where the clock jumps over it. */
void weir_window_bounds(const struct weir_zone *z, enum weir_window_kind kind, int64_t now_ms,
                        int64_t *out_start_ms, int64_t *out_end_ms);

#endif
