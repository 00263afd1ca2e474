/* engines.h - runs each test on SQLite and on a PostgreSQL that the test program starts for itself
 * (tests/postgres.sh) and that ends with it. */
#ifndef WEIR_TESTS_ENGINES_H
#define WEIR_TESTS_ENGINES_H

#include <fcntl.h>
#include <ftw.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/store/store.h"

enum { ENGINE_DSN = 160, ENGINE_WAIT_MS = 60000 };

/* Where the test at hand keeps its database. */
struct engine {
    char folder[64]; /* of its own */
    char dsn[ENGINE_DSN];
};

static char engine_cluster[64]; /* the server's folder; "": not started */
static pid_t engine_server;
static int engine_databases;

static inline int engine_remove_one(const char *path, const struct stat *st, int flag,
                                    struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    return remove(path);
}

static inline void engine_remove(const char *folder)
{
    (void)nftw(folder, engine_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void engine_server_dsn(const char *database, char dsn[ENGINE_DSN])
{
    (void)snprintf(dsn, ENGINE_DSN, "postgres:///%s?host=%s&user=weir", database, engine_cluster);
}

static inline void engine_run_server(void)
{
    engine_server = fork();
    if (engine_server == 0) {
        (void)execl(WEIR_SOURCE_DIR "/tests/postgres.sh", "postgres.sh", engine_cluster, NULL);
        _exit(127);
    }
}

static inline int engine_await_server(void)
{
    char dsn[ENGINE_DSN];

    engine_server_dsn("postgres", dsn);
    for (int ms = 0; ms < ENGINE_WAIT_MS; ms += 20) {
        if (PQping(dsn) == PQPING_OK)
            return 0;
        if (waitpid(engine_server, NULL, WNOHANG) != 0)
            break; /* it has said why */
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return -1;
}

/* SIGINT ends it in good order, SIGQUIT as a power cut would. */
static inline void engine_stop_server(int sig)
{
    if (engine_server > 0 && kill(engine_server, sig) == 0)
        (void)waitpid(engine_server, NULL, 0);
    engine_server = 0;
}

static inline int engine_begin_sqlite(struct engine *e)
{
    (void)snprintf(e->folder, sizeof e->folder, "/tmp/weir-test-XXXXXX");
    if (!mkdtemp(e->folder))
        return -1;
    (void)snprintf(e->dsn, sizeof e->dsn, "%s/a.db", e->folder);
    return 0;
}

static inline int engine_begin_postgres(struct engine *e)
{
    struct weir_store *s;
    char sql[64], name[32];
    int rc;

    if (engine_begin_sqlite(e) != 0)
        return -1;
    if (!engine_cluster[0]) {
        (void)snprintf(engine_cluster, sizeof engine_cluster, "/tmp/weir-pg-XXXXXX");
        if (!mkdtemp(engine_cluster))
            return -1;
    }
    if (!engine_server)
        engine_run_server();
    engine_server_dsn("postgres", e->dsn);
    if (engine_await_server() != 0 || weir_store_open(e->dsn, 0, &s) != WEIR_OK)
        return -1;
    (void)snprintf(name, sizeof name, "t%d", ++engine_databases);
    (void)snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    rc = weir_store_exec(s, sql);
    weir_store_close(s);
    engine_server_dsn(name, e->dsn);
    return rc;
}

static inline int engine_end(struct engine *e)
{
    engine_remove(e->folder);
    return 0;
}

static inline int engines_stop(void **state)
{
    (void)state;
    engine_stop_server(SIGQUIT);
    if (engine_cluster[0])
        engine_remove(engine_cluster);
    return 0;
}

#endif
