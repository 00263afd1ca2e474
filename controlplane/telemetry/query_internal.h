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
    " AND (CAST(" n1 " AS TEXT) IS NULL OR ns {like} " n1 ")"                                      \
    " AND (CAST(" n2 " AS TEXT) IS NULL OR agent {like} " n2 ")"                                   \
    " AND (CAST(" n3 " AS TEXT) IS NULL OR project {like} " n3 ")"                                 \
    " AND (CAST(" n4 " AS TEXT) IS NULL OR team {like} " n4 ")"                                    \
    " AND (CAST(" n5 " AS TEXT) IS NULL OR model {like} " n5 ")"                                   \
    " AND (CAST(" n6 " AS TEXT) IS NULL OR provider {like} " n6 ")"                                \
    " AND (CAST(" n7 " AS TEXT) IS NULL OR key {like} " n7 ")"

enum { WEIR__FILTERS = 7 };

/* Patterns of the engine's own in which only '*' is special. */
struct weir__patterns {
    char text[WEIR__FILTERS][512];
};

/* Binds parameters first..first+6. WEIR_EINVAL: a filter is too long. */
WEIR_NODISCARD int weir__filter_bind(const struct weir_query *q, struct weir_stmt *st, int first,
                                     const struct weir_query_filter *f, struct weir__patterns *p);

#endif
