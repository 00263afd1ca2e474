/* stores.c - opens the databases: files of the state folder, or one PostgreSQL for all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/main/control_internal.h"
#include "controlplane/store/store.h"

enum { DSN_BYTES = 4096 };

static int read_dsn_file(struct weir_control *c)
{
    const char *path = c->options->store_file;
    struct weir_buf b;
    int rc;

    weir_buf_init(&b, DSN_BYTES);
    rc = weir_file_read(path, &b);
    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "control", "--store-file %s can't be read: %s", path,
                 weir_rc_name(rc));
    else
        c->dsn = weir_strdup(weir_str_trim(weir_buf_str(&b)));
    if (b.p)
        weir_wipe(b.p, b.n);
    weir_buf_fini(&b);
    return rc;
}

static int choose_store(struct weir_control *c)
{
    const char *from_env = getenv("WEIR_STORE");
    int rc = WEIR_OK;

    if (c->options->store_file)
        rc = read_dsn_file(c);
    else if (c->options->store)
        c->dsn = weir_strdup(weir_str_of(c->options->store));
    else if (from_env && *from_env)
        c->dsn = weir_strdup(weir_str_of(from_env));
    if (rc == WEIR_OK && c->dsn && !weir_store_is_server(c->dsn)) {
        WEIR_LOG(WEIR_LOG_ERROR, "control", "%s does not hold a postgresql:// URI",
                 c->options->store_file ? c->options->store_file : "WEIR_STORE");
        rc = WEIR_EINVAL;
    }
    return rc;
}

static int set_paths(struct weir_control *c)
{
    const char *state = c->options->state;

    if (!c->dsn) {
        snprintf(c->ledger_path, sizeof c->ledger_path, "%s/ledger.db", state);
        snprintf(c->telemetry_path, sizeof c->telemetry_path, "%s/telemetry.db", state);
        snprintf(c->control_path, sizeof c->control_path, "%s/control.db", state);
        return WEIR_OK;
    }
    if (strlen(c->dsn) >= sizeof c->ledger_path)
        return WEIR_EINVAL;
    snprintf(c->ledger_path, sizeof c->ledger_path, "%s", c->dsn);
    snprintf(c->telemetry_path, sizeof c->telemetry_path, "%s", c->dsn);
    snprintf(c->control_path, sizeof c->control_path, "%s", c->dsn);
    return weir_store_await(c->dsn);
}

int weir_control_open_stores(struct weir_control *c)
{
    const char *state = c->options->state;
    int rc = weir_file_mkdirs(state, 0700);

    if (rc) {
        WEIR_LOG(WEIR_LOG_ERROR, "control", "--state %s can't be used: %s", state, strerror(errno));
        return rc;
    }
    rc = choose_store(c);
    if (rc == WEIR_OK)
        rc = set_paths(c);
    if (rc)
        return rc;
    rc = weir_ledger_create(&(struct weir_ledger_options){.path = c->ledger_path}, &c->ledger);
    if (rc == WEIR_OK)
        rc =
            weir_ingest_start(&(struct weir_ingest_options){.path = c->telemetry_path}, &c->ingest);
    if (rc == WEIR_OK)
        rc = weir_keys_open(c->control_path, &c->keys);
    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "control", "a database in %s can't be opened: %s",
                 c->dsn ? "the store" : state, weir_rc_name(rc));
    return rc;
}
