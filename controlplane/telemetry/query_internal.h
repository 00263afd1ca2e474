/* query_internal.h - what the query files share. */
#ifndef WEIR_INGEST_QUERY_INTERNAL_H
#define WEIR_INGEST_QUERY_INTERNAL_H

#include "controlplane/telemetry/query.h"
#include "controlplane/telemetry/schema.h"

struct weir_query {
    struct weir_store *store;
};

/* Parameters ?1.. of every statement that filters by these columns, in this order. */
#define WEIR__FILTER(n1, n2, n3, n4, n5, n6, n7)                                                   \
    " AND (" n1 " IS NULL OR ns GLOB " n1 ") AND (" n2 " IS NULL OR agent GLOB " n2 ") AND (" n3   \
    " IS NULL OR project GLOB " n3 ") AND (" n4 " IS NULL OR team GLOB " n4 ") AND (" n5           \
    " IS NULL OR model GLOB " n5 ") AND (" n6 " IS NULL OR provider GLOB " n6 ") AND (" n7         \
    " IS NULL OR key GLOB " n7 ")"

enum { WEIR__FILTERS = 7 };

/* Patterns for GLOB in which only '*' is special. */
struct weir__patterns {
    char text[WEIR__FILTERS][512];
};

/* Binds parameters first..first+6. WEIR_EINVAL: a filter is too long. */
WEIR_NODISCARD int weir__filter_bind(struct weir_stmt *st, int first,
                                     const struct weir_query_filter *f, struct weir__patterns *p);

#endif
