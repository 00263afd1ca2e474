/* stores.c - opens the databases: files of the state folder, or one PostgreSQL for all. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "controlplane/main/control_internal.h"
#include "controlplane/store/store.h"

static int choose_store(struct weir_control *c)
{
    char error[512] = "";
    int rc =
        weir_store_address(c->options->store, c->options->store_file, &c->dsn, error, sizeof error);

    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "control", "%s", error);
    return rc;
}

/* Held until the process ends. */
static int lock_state(struct weir_control *c)
{
    int fd, rc = weir_store_lock(c->options->state, &fd);

    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "control",
                 rc == WEIR_EEXIST ? "another program works in --state %s: stop it first"
                                   : "--state %s can't be written to",
                 c->options->state);
    return rc;
}

static int set_paths(struct weir_control *c)
{
    const char *state = c->options->state;

    if (!c->dsn) {
        snprintf(c->ledger_path, sizeof c->ledger_path, "%s/ledger.db", state);
        snprintf(c->telemetry_path, sizeof c->telemetry_path, "%s/telemetry.db", state);
        snprintf(c->control_path, sizeof c->control_path, "%s/control.db", state);
        snprintf(c->audit_path, sizeof c->audit_path, "%s/audit.db", state);
        return WEIR_OK;
    }
    snprintf(c->ledger_path, sizeof c->ledger_path, "%s", c->dsn);
    snprintf(c->telemetry_path, sizeof c->telemetry_path, "%s", c->dsn);
    snprintf(c->control_path, sizeof c->control_path, "%s", c->dsn);
    snprintf(c->audit_path, sizeof c->audit_path, "%s", c->dsn);
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
    rc = lock_state(c);
    if (rc == WEIR_OK)
        rc = choose_store(c);
    if (rc == WEIR_OK)
        rc = set_paths(c);
    if (rc)
        return rc;
    rc = weir_ledger_create(&(struct weir_ledger_options){.path = c->ledger_path,
                                                          .on_crossing = weir_alerts_tell,
                                                          .crossing_arg = c->alerts},
                            &c->ledger);
    if (rc == WEIR_OK)
        rc =
            weir_ingest_start(&(struct weir_ingest_options){.path = c->telemetry_path}, &c->ingest);
    if (rc == WEIR_OK)
        rc = weir_keys_open(c->control_path, &c->keys);
    if (rc == WEIR_OK)
        rc = weir_audit_open(c->audit_path, &c->audit);
    if (rc == WEIR_OK && c->dsn)
        rc = weir_shared_policy_open(c->dsn, c->options->policy, state, &c->shared_policy);
    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "control", "a database in %s can't be opened: %s",
                 c->dsn ? "the store" : state, weir_rc_name(rc));
    return rc;
}
