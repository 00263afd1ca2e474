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

/* What is spent, with corrections as if they were calls' costs of that moment: the rows of one
 * level from ?2 on and before ?3. */
#define WEIR__COLUMN(id, column, json) ", " #column
#define WEIR__COLUMNS WEIR__NUMBERS(WEIR__COLUMN)
#define WEIR__SPENT                                                                                \
    " FROM (SELECT start_ms, grp" WEIR__COLUMNS ", 0 AS corrected FROM rollups"                    \
    " WHERE level = ?1 AND start_ms >= ?2 AND start_ms < ?3"                                       \
    " UNION ALL SELECT for_ms, grp, " WEIR__CORRECTION " FROM corrections"                         \
    " WHERE for_ms >= ?2 AND for_ms < ?3) s JOIN groups ON groups.id = s.grp"

/* A correction's row in the order of WEIR__NUMBERS: nothing but its cost. */
#define WEIR__CORRECTION "0, 0, 0, 0, 0, 0, 0, 0, amount, 0, 0, 0, 0, 0, 0, amount"
_Static_assert((int)WEIR__N_COST == 8 && (int)WEIR__N_COUNT == 15, "as WEIR__CORRECTION has them");

/* One label of a group, chosen by a parameter: statements must be literals. */
#define WEIR__LABEL(n)                                                                             \
    "CASE CAST(" n                                                                                 \
    " AS {int}) WHEN 0 THEN ns WHEN 1 THEN agent WHEN 2 THEN project WHEN 3 THEN team"             \
    " WHEN 4 THEN model WHEN 5 THEN provider WHEN 6 THEN key WHEN 7 THEN environment ELSE '' END"

/* Sums over those rows: the numbers and what of the cost are corrections. */
#define WEIR__SUMS(X) WEIR__NUMBERS(X) X(CORRECTED, corrected, "correctedNano")

enum { WEIR__N_CORRECTED = WEIR__N_COUNT, WEIR__N_SUMS };

/* Patterns of the engine's own in which only '*' is special. */
struct weir__patterns {
    char text[WEIR__FILTERS][512];
};

/* Binds parameters first..first+6. WEIR_EINVAL: a filter is too long. */
WEIR_NODISCARD int weir__filter_bind(const struct weir_query *q, struct weir_stmt *st, int first,
                                     const struct weir_query_filter *f, struct weir__patterns *p);

#endif
