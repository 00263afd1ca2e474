/* Which PostgreSQL is meant, and waiting for it. */
#include "controlplane/store/postgres.h"

#include <stdio.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

enum { AWAIT_MIN_MS = 500, AWAIT_MAX_MS = 5000, DSN_BYTES = 4000 };

static bool has_password(const char *dsn)
{
    PQconninfoOption *options = PQconninfoParse(dsn, NULL);
    bool found = false;

    for (PQconninfoOption *o = options; o && o->keyword; o++)
        found = found || (strcmp(o->keyword, "password") == 0 && o->val && *o->val);
    PQconninfoFree(options);
    return found;
}

static int refuse(char *error, size_t size, const char *text)
{
    (void)snprintf(error, size, "%s", text);
    return WEIR_EINVAL;
}

static int from_file(const char *path, char **out, char *error, size_t size)
{
    struct weir_buf b;
    int rc;

    weir_buf_init(&b, DSN_BYTES);
    rc = weir_file_read(path, &b);
    if (rc == WEIR_OK)
        *out = weir_strdup(weir_str_trim(weir_buf_str(&b)));
    else
        (void)snprintf(error, size, "--store-file %s can't be read: %s", path, weir_rc_name(rc));
    if (b.p)
        weir_wipe(b.p, b.n);
    weir_buf_fini(&b);
    return rc == WEIR_OK ? WEIR_OK : WEIR_EINVAL;
}

int weir_store_address(const char *flag, const char *file, char **out, char *error, size_t size)
{
    const char *env = getenv("WEIR_STORE");
    char *dsn = NULL;

    if (flag && file)
        return refuse(error, size, "--store or --store-file, not both");
    if (flag && weir_store_is_server(flag) && has_password(flag))
        return refuse(error, size,
                      "--store: a password in the command line is for all to see: put the URI into "
                      "a file (--store-file) or into WEIR_STORE, or the password into PGPASSWORD "
                      "or PGPASSFILE");
    if (file) {
        if (from_file(file, &dsn, error, size) != WEIR_OK)
            return WEIR_EINVAL;
    } else if (flag || (env && *env)) {
        dsn = weir_strdup(weir_str_of(flag ? flag : env));
    }
    if (dsn && (!weir_store_is_server(dsn) || strlen(dsn) >= DSN_BYTES)) {
        weir_wipe(dsn, strlen(dsn));
        free(dsn);
        return refuse(error, size,
                      file   ? "--store-file: the file does not hold a postgresql:// URI"
                      : flag ? "--store: not a postgresql:// URI; files go into the folder of "
                               "--state"
                             : "WEIR_STORE does not hold a postgresql:// URI");
    }
    *out = dsn;
    return WEIR_OK;
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
