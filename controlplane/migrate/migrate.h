/* migrate.h - moves the databases of a state folder into a PostgreSQL, and brings schemas up to
 * date. One thread, blocks; for the command line. */
#ifndef WEIR_MIGRATE_MIGRATE_H
#define WEIR_MIGRATE_MIGRATE_H

#include <stdbool.h>

#include "base/err.h"

struct weir_migration {
    const char *folder; /* with ledger.db, telemetry.db, control.db; NULL: only dsn's schema */
    const char *dsn;    /* a PostgreSQL; NULL: only the folder's schemas */
    bool dry_run;       /* says what there is and whether it could be done; changes nothing */
    void (*told)(void *arg, const char *line); /* what is done, and why it isn't */
    void *arg;
};

/* WEIR_EEXIST: a control plane works in the folder, or the target isn't empty. WEIR_ENOTFOUND: no
 * database in the folder. Else as store.h. After a failure the target holds nothing new. */
WEIR_NODISCARD int weir_migrate(const struct weir_migration *m);

#endif
