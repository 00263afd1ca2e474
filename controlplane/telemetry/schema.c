#include "controlplane/telemetry/schema.h"

const int64_t weir__level_ms[] = {60000, 3600000, 86400000};
const char *const weir__level_names[] = {"minute", "hour", "day"};
const char *const weir__label_names[] = {"namespace", "agent",    "project", "team",
                                         "model",     "provider", "key",     "environment"};
const char *const weir__label_columns[] = {"ns",    "agent",    "project", "team",
                                           "model", "provider", "key",     "environment"};

static const char *const steps[] = {
    "CREATE TABLE incarnations (id INTEGER PRIMARY KEY, incarnation TEXT NOT NULL UNIQUE,"
    " node TEXT NOT NULL, ns TEXT NOT NULL, seen_ms INTEGER NOT NULL);"
    /* What was taken of an incarnation: ranges that neither touch nor overlap. */
    "CREATE TABLE seen (incarnation INTEGER NOT NULL REFERENCES incarnations(id),"
    " first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (incarnation, first))"
    " WITHOUT ROWID;"
    "CREATE TABLE calls (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " incarnation INTEGER NOT NULL, sequence INTEGER NOT NULL, started_ms INTEGER NOT NULL,"
    " request_id TEXT, trace_id TEXT, session TEXT, ns TEXT NOT NULL, agent TEXT NOT NULL,"
    " project TEXT NOT NULL, team TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,"
    " key TEXT NOT NULL, outcome TEXT NOT NULL, node TEXT NOT NULL, record BLOB NOT NULL,"
    " UNIQUE (incarnation, sequence));"
    "CREATE INDEX calls_started ON calls (started_ms);"
    "CREATE INDEX calls_request ON calls (request_id) WHERE request_id IS NOT NULL;"
    "CREATE INDEX calls_trace ON calls (trace_id) WHERE trace_id IS NOT NULL;"
    "CREATE INDEX calls_session ON calls (session) WHERE session IS NOT NULL;"
    "CREATE TABLE groups (id INTEGER PRIMARY KEY, ns TEXT NOT NULL, agent TEXT NOT NULL,"
    " project TEXT NOT NULL, team TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,"
    " key TEXT NOT NULL, environment TEXT NOT NULL,"
    " UNIQUE (ns, agent, project, team, model, provider, key, environment));"
    "CREATE TABLE rollups (level INTEGER NOT NULL, start_ms INTEGER NOT NULL,"
    " grp INTEGER NOT NULL REFERENCES groups(id)"
#define WEIR__X(id, column, json) ", " #column " INTEGER NOT NULL DEFAULT 0"
    WEIR__NUMBERS(WEIR__X)
#undef WEIR__X
        ", PRIMARY KEY (level, start_ms, grp)) WITHOUT ROWID;",
};

int weir__schema_migrate(struct weir_store *s)
{
    return weir_store_migrate(s, steps, sizeof steps / sizeof *steps);
}
