/* check.c - see check.h. What is asked here is what common/lease keeps true at every step. */
#include "controlplane/ledger/check.h"

#include <stdio.h>

#include "base/clock.h"
#include "controlplane/store/store.h"

enum { LINES = 1000, LINE_BYTES = 1024 };

struct checker {
    struct weir_store *store;
    void (*told)(void *arg, const char *line);
    void *arg;
    struct weir_ledger_check *out;
    int64_t now_ms;
};

static void contradiction(struct checker *c, const char *line)
{
    if (c->out->contradictions++ < LINES)
        c->told(c->arg, line);
}

/* What a lease keeps from others: what it may still spend, or has spent if that is more. */
#define COMMITMENT                                                                                 \
    "CASE WHEN l.granted - l.returned > l.settled THEN l.granted - l.returned ELSE l.settled END"

static void check_window(struct checker *c, struct weir_stmt *st)
{
    struct weir_str budget = weir_stmt_str(st, 0), scope = weir_stmt_str(st, 1);
    int64_t end_ms = weir_stmt_i64(st, 3);
    int64_t committed = weir_stmt_i64(st, 4), lent = weir_stmt_i64(st, 6);
    int64_t settled = weir_stmt_i64(st, 5), closed = weir_stmt_i64(st, 7);
    /* A day after its end a window's closed leases are no longer kept, nor old ones of a rolling.
     */
    bool whole = (end_ms < 0 && weir_stmt_i64(st, 10) == 0) || end_ms > c->now_ms;
    char line[LINE_BYTES];

    c->out->windows++;
    c->out->leases += weir_stmt_i64(st, 8);
    c->out->open_leases += weir_stmt_i64(st, 9);
    if (committed != lent) {
        snprintf(
            line, sizeof line,
            "budget %.*s \"%.*s\", window from %lld: %lld is committed, its open leases add up "
            "to %lld",
            WEIR_STR_ARG(budget), WEIR_STR_ARG(scope), (long long)weir_stmt_i64(st, 2),
            (long long)committed, (long long)lent);
        contradiction(c, line);
    }
    if (whole ? settled != closed : settled < closed) {
        snprintf(
            line, sizeof line,
            "budget %.*s \"%.*s\", window from %lld: %lld is settled, its closed leases add up "
            "to %lld",
            WEIR_STR_ARG(budget), WEIR_STR_ARG(scope), (long long)weir_stmt_i64(st, 2),
            (long long)settled, (long long)closed);
        contradiction(c, line);
    }
}

static int check_windows(struct checker *c)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(
        c->store,
        "SELECT w.budget, w.scope, w.start_ms, w.end_ms, w.committed, w.closed_settled,"
        " CAST(coalesce(sum(CASE WHEN l.closed = 0 THEN " COMMITMENT " ELSE 0 END), 0) AS {int}),"
        " CAST(coalesce(sum(CASE WHEN l.closed = 1 THEN l.settled ELSE 0 END), 0) AS {int}),"
        " count(l.number), count(CASE WHEN l.closed = 0 THEN 1 END), w.length_ms"
        " FROM windows w LEFT JOIN leases l ON l.\"window\" = w.id GROUP BY w.id ORDER BY w.id",
        &st);

    if (rc != WEIR_OK)
        return rc;
    while ((rc = weir_stmt_step(st)) == 1)
        check_window(c, st);
    weir_stmt_reset(st);
    return rc;
}

/* sql: rows of a number and a text are contradictions. */
static int check_rows(struct checker *c, const char *sql, const char *what)
{
    struct weir_stmt *st;
    char line[LINE_BYTES];
    int rc = weir_store_stmt(c->store, sql, &st);

    if (rc != WEIR_OK)
        return rc;
    while ((rc = weir_stmt_step(st)) == 1) {
        struct weir_str text = weir_stmt_str(st, 1);

        snprintf(line, sizeof line, "lease %lld of %.*s: %s", (long long)weir_stmt_i64(st, 0),
                 WEIR_STR_ARG(text), what);
        contradiction(c, line);
    }
    weir_stmt_reset(st);
    return rc;
}

static int check_leases(struct checker *c)
{
    int rc = check_rows(c,
                        "SELECT number, node FROM leases WHERE granted < 0 OR returned < 0 OR"
                        " returned > granted OR settled < 0 OR held < 0 OR closed < 0 OR closed > 1"
                        " ORDER BY number",
                        "an amount is out of range");

    if (rc == WEIR_OK)
        rc = check_rows(c,
                        "SELECT number, node FROM leases WHERE closed = 1 AND held <> 0"
                        " ORDER BY number",
                        "is closed, and something is held in it");
    if (rc == WEIR_OK)
        rc = check_rows(c,
                        "SELECT number, node FROM leases l WHERE NOT EXISTS"
                        " (SELECT 1 FROM windows w WHERE w.id = l.\"window\") ORDER BY number",
                        "its window is not there");
    if (rc == WEIR_OK)
        rc = check_rows(c,
                        "SELECT max(number), node FROM leases WHERE closed = 0"
                        " GROUP BY \"window\", node, incarnation HAVING count(*) > 1",
                        "its holder has another open one in the same window");
    return rc;
}

static int check_identity(struct checker *c)
{
    struct weir_stmt *st;
    int64_t n = 0;
    int rc = weir_store_stmt(c->store, "SELECT count(*) FROM ledger", &st);

    if (rc == WEIR_OK)
        rc = weir_stmt_run_i64(st, &n);
    if (rc == WEIR_OK && n != 1)
        contradiction(c, n ? "the ledger has several names" : "the ledger has no name");
    return rc;
}

static int check_file(struct checker *c)
{
    struct weir_stmt *st;
    char line[LINE_BYTES];
    int rc = weir_store_stmt(c->store, "PRAGMA integrity_check", &st);

    if (rc != WEIR_OK)
        return rc;
    while ((rc = weir_stmt_step(st)) == 1) {
        struct weir_str text = weir_stmt_str(st, 0);

        if (weir_str_is(text, "ok"))
            continue;
        snprintf(line, sizeof line, "the file: %.*s", WEIR_STR_ARG(text));
        contradiction(c, line);
    }
    weir_stmt_reset(st);
    return rc;
}

int weir_ledger_check(const char *path, void (*told)(void *arg, const char *line), void *arg,
                      struct weir_ledger_check *out)
{
    struct weir_ledger_check found = {0};
    struct checker c = {.told = told, .arg = arg, .out = &found, .now_ms = 0};
    int rc = weir_store_open(path, WEIR_STORE_READ_ONLY, &c.store);

    if (rc != WEIR_OK)
        return rc;
    rc = weir_store_now(c.store, &c.now_ms);
    if (rc == WEIR_OK && !weir_store_is_server(path))
        rc = check_file(&c);
    if (rc == WEIR_OK)
        rc = check_windows(&c);
    if (rc == WEIR_OK)
        rc = check_leases(&c);
    if (rc == WEIR_OK)
        rc = check_identity(&c);
    weir_store_close(c.store);
    if (rc == WEIR_OK)
        *out = found;
    return rc;
}
