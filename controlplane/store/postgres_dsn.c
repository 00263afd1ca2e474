/* What can be said of a PostgreSQL's DSN before anything is kept there. */
#include "controlplane/store/postgres.h"

#include <time.h>

#include "base/log.h"

enum { AWAIT_MIN_MS = 500, AWAIT_MAX_MS = 5000 };

bool weir_store_has_password(const char *dsn)
{
    PQconninfoOption *options = weir_store_is_server(dsn) ? PQconninfoParse(dsn, NULL) : NULL;
    bool found = false;

    for (PQconninfoOption *o = options; o && o->keyword; o++)
        found = found || (strcmp(o->keyword, "password") == 0 && o->val && *o->val);
    PQconninfoFree(options);
    return found;
}

/* libpq's own messages may repeat the DSN, and with it a password. */
static bool is_dsn(const char *dsn)
{
    PQconninfoOption *options = PQconninfoParse(dsn, NULL);

    if (!options) {
        WEIR_LOG(WEIR_LOG_ERROR, "store",
                 "the store's address is not a PostgreSQL URI "
                 "(postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full)");
        return false;
    }
    PQconninfoFree(options);
    return true;
}

int weir_store_await(const char *dsn)
{
    struct weir_store *s = NULL;
    int64_t pause_ms = AWAIT_MIN_MS;

    if (!weir_store_is_server(dsn))
        return WEIR_OK;
    if (!is_dsn(dsn))
        return WEIR_EINVAL;
    while (weir_store_open(dsn, 0, &s) != WEIR_OK) {
        WEIR_LOG(WEIR_LOG_WARN, "store", "waiting for PostgreSQL: trying again in %lld ms",
                 (long long)pause_ms);
        (void)nanosleep(
            &(struct timespec){.tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000},
            NULL);
        pause_ms = pause_ms * 2 < AWAIT_MAX_MS ? pause_ms * 2 : AWAIT_MAX_MS;
    }
    weir_store_close(s);
    return WEIR_OK;
}
