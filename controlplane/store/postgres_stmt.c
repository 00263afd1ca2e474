/* Prepared statements of PostgreSQL: values go and come in binary. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "controlplane/store/postgres.h"

enum { PARAMS_MAX = 64, NUMBER_TEXT = 24, NAME = 24 };

/* The server's numbers of the types that the schema uses. */
enum { BOOLOID = 16, BYTEAOID = 17, INT8OID = 20, INT2OID = 21, INT4OID = 23, TEXTOID = 25 };

struct stmt {
    struct weir_stmt base;
    char name[NAME];
    char *sql;
    uint64_t epoch; /* of the connection that knows it */
    int n;          /* parameters bound */

    struct param {
        const char *p; /* NULL: NULL */
        int n;
        bool binary;
        char number[NUMBER_TEXT];
    } params[PARAMS_MAX];

    PGresult *result;
    int row; /* -1: before the first */
};

static struct stmt *of(struct weir_stmt *st)
{
    return (struct stmt *)st;
}

static struct weir__pg *pg_of(struct weir_stmt *st)
{
    return (struct weir__pg *)st->store;
}

/* Sent to the server with the first step: it may be for another connection than this one. */
int weir__pg_prepare(struct weir_store *s, const char *sql, struct weir_stmt **out)
{
    struct stmt *st = WEIR_NEW(struct stmt);

    (void)snprintf(st->name, sizeof st->name, "w%" PRIu64, ++((struct weir__pg *)s)->names);
    st->sql = weir_strdup(weir_str_of(sql));
    st->row = -1;
    *out = &st->base;
    return WEIR_OK;
}

void weir__pg_finalize(struct weir_stmt *base)
{
    struct stmt *st = of(base);

    PQclear(st->result);
    free(st->sql);
    free(st);
}

void weir__pg_clear(struct weir_stmt *st)
{
    of(st)->n = 0;
}

static struct param *param(struct stmt *st, int i)
{
    WEIR_ASSERT(i >= 1 && i <= PARAMS_MAX);
    while (st->n < i)
        st->params[st->n++].p = NULL;
    return &st->params[i - 1];
}

/* As text, since the server tells which width of integer it wants only after it has parsed. */
void weir__pg_bind_i64(struct weir_stmt *st, int i, int64_t v)
{
    struct param *p = param(of(st), i);

    (void)snprintf(p->number, sizeof p->number, "%" PRId64, v);
    p->p = p->number;
    p->n = 0;
    p->binary = false;
}

void weir__pg_bind_bytes(struct weir_stmt *st, int i, struct weir_str v, bool text)
{
    struct param *p = param(of(st), i);

    (void)text; /* both are the bytes as they are */
    p->p = v.p;
    p->n = (int)v.n;
    p->binary = true;
}

static bool readable(struct stmt *st)
{
    for (int i = 0; i < PQnfields(st->result); i++)
        switch (PQftype(st->result, i)) {
        case BOOLOID:
        case BYTEAOID:
        case INT8OID:
        case INT2OID:
        case INT4OID:
        case TEXTOID:
            break;
        default:
            WEIR_LOG(WEIR_LOG_ERROR, "store", "column %d has a type that is not read: %s", i,
                     st->sql);
            return false;
        }
    return true;
}

static int execute(struct stmt *st)
{
    struct weir__pg *p = pg_of(&st->base);
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX], formats[PARAMS_MAX], rc = weir__pg_connected(p);

    if (rc == WEIR_OK && st->epoch != p->epoch) {
        rc = weir__pg_done(
            p, weir__pg_answer(p, PQsendPrepare(p->conn, st->name, st->sql, 0, NULL)), st->sql);
        st->epoch = rc == WEIR_OK ? p->epoch : 0;
    }
    if (rc != WEIR_OK)
        return rc;
    for (int i = 0; i < st->n; i++) {
        values[i] = st->params[i].p;
        lengths[i] = st->params[i].n;
        formats[i] = st->params[i].binary;
    }
    st->result = weir__pg_answer(
        p, PQsendQueryPrepared(p->conn, st->name, st->n, values, lengths, formats, 1));
    if (st->result && PQresultStatus(st->result) != PGRES_FATAL_ERROR) {
        (void)!weir_str_i64(weir_str_of(PQcmdTuples(st->result)), &p->changes);
        return readable(st) ? WEIR_OK : WEIR_EUNSUPPORTED;
    }
    rc = weir__pg_done(p, st->result, st->sql);
    st->result = NULL;
    return rc;
}

int weir__pg_step(struct weir_stmt *base)
{
    struct stmt *st = of(base);
    int rc = st->result ? WEIR_OK : execute(st);

    if (rc != WEIR_OK)
        return rc;
    if (st->row + 1 >= PQntuples(st->result))
        return 0;
    st->row++;
    return 1;
}

void weir__pg_reset(struct weir_stmt *base)
{
    struct stmt *st = of(base);

    PQclear(st->result);
    st->result = NULL;
    st->row = -1;
}

bool weir__pg_is_null(struct weir_stmt *base, int col)
{
    struct stmt *st = of(base);

    return st->row < 0 || col >= PQnfields(st->result) || PQgetisnull(st->result, st->row, col);
}

int64_t weir__pg_i64(struct weir_stmt *base, int col)
{
    struct stmt *st = of(base);
    const unsigned char *p;
    uint64_t v = 0;
    int n;

    if (weir__pg_is_null(base, col))
        return 0;
    p = (const unsigned char *)PQgetvalue(st->result, st->row, col);
    n = PQgetlength(st->result, st->row, col);
    WEIR_ASSERT(n == 1 || n == 2 || n == 4 || n == 8);
    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return n == 4 ? (int32_t)(uint32_t)v : n == 2 ? (int16_t)(uint16_t)v : (int64_t)v;
}

struct weir_str weir__pg_str(struct weir_stmt *base, int col)
{
    struct stmt *st = of(base);

    if (weir__pg_is_null(base, col))
        return WEIR_STR_NULL;
    return (struct weir_str){PQgetvalue(st->result, st->row, col),
                             (size_t)PQgetlength(st->result, st->row, col)};
}
