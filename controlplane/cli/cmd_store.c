/* cmd_store.c - the databases themselves, without a control plane: check and migrate. */
#include <unistd.h>

#include "base/mem.h"
#include "controlplane/cli/cli.h"
#include "controlplane/ledger/check.h"
#include "controlplane/migrate/migrate.h"
#include "controlplane/store/store.h"

static void on_line(void *arg, const char *line)
{
    struct weir_cli *cli = arg;

    fprintf(cli->out, "%s\n", line);
}

/* False: told why. *out: NULL when none is named. */
static bool store_of(struct weir_cli *cli, char **out)
{
    char error[512] = "";

    if (weir_store_address(cli->flags[WEIR_FLAG_STORE], cli->flags[WEIR_FLAG_STORE_FILE], out,
                           error, sizeof error) == WEIR_OK)
        return true;
    weir__cli_complain(cli, "", "%s", error);
    return false;
}

static void wipe(char *dsn)
{
    if (dsn)
        weir_wipe(dsn, strlen(dsn));
    free(dsn);
}

int weir__cli_check(struct weir_cli *cli)
{
    struct weir_ledger_check found;
    const char *path;
    char *dsn;
    int rc;

    if (!store_of(cli, &dsn))
        return WEIR_EXIT_USAGE;
    path = dsn && !cli->flags[WEIR_FLAG_STATE] ? dsn : weir__cli_state_file(cli, "ledger.db");
    rc = weir_ledger_check(path, on_line, cli, &found);
    if (rc != WEIR_OK)
        weir__cli_complain(cli, "Name it with --state DIR or --store URI.", "%s can't be read: %s",
                           path == dsn ? "the store" : path, weir_rc_name(rc));
    else
        fprintf(cli->out, "%lld windows, %lld leases (%lld open): %lld contradiction%s\n",
                (long long)found.windows, (long long)found.leases, (long long)found.open_leases,
                (long long)found.contradictions, found.contradictions == 1 ? "" : "s");
    wipe(dsn);
    if (rc == WEIR_ENOTFOUND)
        return WEIR_EXIT_NOT_FOUND;
    return rc == WEIR_OK && found.contradictions == 0 ? WEIR_EXIT_OK : WEIR_EXIT_REFUSED;
}

int weir__cli_migrate(struct weir_cli *cli)
{
    struct weir_migration m = {.folder = cli->flags[WEIR_FLAG_STATE],
                               .dry_run = cli->flags[WEIR_FLAG_DRY_RUN] != NULL,
                               .told = on_line,
                               .arg = cli};
    char *dsn;
    int rc;

    if (!store_of(cli, &dsn))
        return WEIR_EXIT_USAGE;
    m.dsn = dsn;
    if (!m.folder && !m.dsn) {
        weir__cli_complain(cli, "weir help migrate", "say what: --state DIR, --store URI or both");
        return WEIR_EXIT_USAGE;
    }
    rc = weir_migrate(&m);
    wipe(dsn);
    if (rc == WEIR_ENOTFOUND)
        return WEIR_EXIT_NOT_FOUND;
    return rc == WEIR_OK ? WEIR_EXIT_OK : WEIR_EXIT_REFUSED;
}
