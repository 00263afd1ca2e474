/* print.h - answers as tables, JSON or YAML; numbers and times as people read them. */
#ifndef WEIR_CLI_PRINT_H
#define WEIR_CLI_PRINT_H

#include <yyjson.h>

#include "controlplane/cli/cli.h"

enum weir_cli_tone {
    WEIR_TONE_PLAIN,
    WEIR_TONE_GOOD,
    WEIR_TONE_WARN,
    WEIR_TONE_BAD,
    WEIR_TONE_DIM
};

enum { WEIR_TABLE_MAX_COLUMNS = 12 };

struct weir_cli_cell {
    const char *text;
    enum weir_cli_tone tone;
};

/* Rows are kept until the table is printed, since widths depend on all of them. */
struct weir_cli_table {
    struct weir_cli *cli;
    const char *const *names; /* a name that begins with '>' is aligned to the right */
    size_t columns, rows, cap;
    struct weir_cli_cell *cells; /* in the arena */
};

void weir__cli_table_init(struct weir_cli_table *t, struct weir_cli *cli, const char *const *names,
                          size_t columns);
/* cells: as many as columns; texts are borrowed from the arena. */
void weir__cli_table_add(struct weir_cli_table *t, const struct weir_cli_cell *cells);
void weir__cli_table_print(struct weir_cli_table *t); /* "nothing" when there is no row */

void weir__cli_print_json(struct weir_cli *cli, yyjson_val *v);
void weir__cli_print_yaml(struct weir_cli *cli, yyjson_val *v);
/* JSON or YAML when they were asked for. False: a table is wanted. */
bool weir__cli_print_raw(struct weir_cli *cli, yyjson_val *v);
void weir__cli_toned(struct weir_cli *cli, enum weir_cli_tone tone, const char *text);

/* All in the arena. */
const char *weir__cli_usd(struct weir_cli *cli, int64_t nano_usd); /* "$0.000012", "$1,234.50" */
const char *weir__cli_short(struct weir_cli *cli, int64_t n);      /* "12.3 k" */
const char *weir__cli_amount(struct weir_cli *cli, int64_t n, const char *unit);
const char *weir__cli_micros(struct weir_cli *cli, int64_t us);
const char *weir__cli_span(struct weir_cli *cli, int64_t ms);
const char *weir__cli_ago(struct weir_cli *cli, int64_t wall_ms); /* "3 s ago", "never" */
const char *weir__cli_utc(struct weir_cli *cli, int64_t wall_ms); /* "2026-11-23 22:58 UTC" */
const char *weir__cli_text(struct weir_cli *cli, yyjson_val *object, const char *name);
int64_t weir__cli_number(yyjson_val *object, const char *name);

#endif
