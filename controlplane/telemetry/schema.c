#include "controlplane/telemetry/schema.h"

const int64_t weir__level_ms[] = {60000, 3600000, 86400000};
const char *const weir__level_names[] = {"minute", "hour", "day"};
const char *const weir__label_names[] = {"namespace", "agent",    "project", "team",
                                         "model",     "provider", "key",     "environment"};
const char *const weir__label_columns[] = {"ns",    "agent",    "project", "team",
                                           "model", "provider", "key",     "environment"};

static const char *const steps[] = {
    "CREATE TABLE incarnations (id {rowid}, incarnation TEXT NOT NULL UNIQUE,"
    " node TEXT NOT NULL, ns TEXT NOT NULL, seen_ms {int} NOT NULL);"
    /* What was taken of an incarnation: ranges that neither touch nor overlap. */
    "CREATE TABLE seen (incarnation {int} NOT NULL REFERENCES incarnations(id),"
    " first {int} NOT NULL, last {int} NOT NULL, PRIMARY KEY (incarnation, first))"
    " {keyed};"
    "CREATE TABLE calls (id {serial},"
    " incarnation {int} NOT NULL, sequence {int} NOT NULL, started_ms {int} NOT NULL,"
    " request_id TEXT, trace_id TEXT, session TEXT, ns TEXT NOT NULL, agent TEXT NOT NULL,"
    " project TEXT NOT NULL, team TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,"
    " key TEXT NOT NULL, outcome TEXT NOT NULL, node TEXT NOT NULL, record {bytes} NOT NULL,"
    " UNIQUE (incarnation, sequence));"
    "CREATE INDEX calls_started ON calls (started_ms);"
    "CREATE INDEX calls_request ON calls (request_id) WHERE request_id IS NOT NULL;"
    "CREATE INDEX calls_trace ON calls (trace_id) WHERE trace_id IS NOT NULL;"
    "CREATE INDEX calls_session ON calls (session) WHERE session IS NOT NULL;"
    "CREATE TABLE groups (id {rowid}, ns TEXT NOT NULL, agent TEXT NOT NULL,"
    " project TEXT NOT NULL, team TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,"
    " key TEXT NOT NULL, environment TEXT NOT NULL,"
    " UNIQUE (ns, agent, project, team, model, provider, key, environment));"
    "CREATE TABLE rollups (level {int} NOT NULL, start_ms {int} NOT NULL,"
    " grp {int} NOT NULL REFERENCES groups(id)"
#define WEIR__X(id, column, json) ", " #column " {int} NOT NULL DEFAULT 0"
    WEIR__NUMBERS(WEIR__X)
#undef WEIR__X
        ", PRIMARY KEY (level, start_ms, grp)) {keyed};",
    /* Never changed or removed. ref: what the same correction is known by, when it comes again. */
    "CREATE TABLE corrections (id {serial}, at_ms {int} NOT NULL, for_ms {int} NOT NULL,"
    " grp {int} NOT NULL REFERENCES groups(id), amount {int} NOT NULL, reason TEXT NOT NULL,"
    " actor TEXT NOT NULL, ref TEXT UNIQUE);"
    "CREATE INDEX corrections_for ON corrections (for_ms);",
};

int weir_ingest_migrate(struct weir_store *s)
{
    return weir_store_migrate(s, "telemetry", steps, sizeof steps / sizeof *steps);
}
