/* flags.c - see flags.h. */
#include "base/flags.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"

static const struct weir_flag *find(const struct weir_flag *rows, size_t n, struct weir_str name)
{
    for (size_t i = 0; i < n; i++)
        if (weir_str_is(name, rows[i].name))
            return &rows[i];
    return NULL;
}

static int set_number(const struct weir_flag *row, int64_t *field, const char *text, char *error,
                      size_t size)
{
    int64_t n;

    if (weir_str_i64(weir_str_of(text), &n) || n < row->min || n > row->max) {
        snprintf(error, size, "%s %s: give a number from %" PRId64 " to %" PRId64, row->name, text,
                 row->min, row->max);
        return WEIR_EINVAL;
    }
    *field = n;
    return WEIR_OK;
}

int weir_flags_parse(const struct weir_flag *rows, size_t n, int argc, char **argv, void *out,
                     char *error, size_t size)
{
    for (int i = 1; i < argc; i++) {
        struct weir_str value, name = weir_str_cut(weir_str_of(argv[i]), '=', &value);
        const struct weir_flag *row = find(rows, n, name);
        char *field = row ? (char *)out + row->offset : NULL;
        const char *text;

        if (!row) {
            snprintf(error, size, "%s: no such flag (--help lists them)", argv[i]);
            return WEIR_EINVAL;
        }
        if (row->kind == WEIR_FLAG_SWITCH && value.p) {
            snprintf(error, size, "%s takes no value", row->name);
            return WEIR_EINVAL;
        }
        if (row->kind == WEIR_FLAG_SWITCH) {
            *(bool *)field = true;
            continue;
        }
        if (!value.p && i + 1 == argc) {
            snprintf(error, size, "%s needs a value: %s", row->name, row->help);
            return WEIR_EINVAL;
        }
        /* The value ends where argv's string ends, so it is NUL-terminated in both spellings. */
        text = value.p ? value.p : argv[++i];
        if (row->kind == WEIR_FLAG_TEXT)
            *(const char **)field = text;
        else if (set_number(row, (int64_t *)field, text, error, size))
            return WEIR_EINVAL;
    }
    return WEIR_OK;
}

void weir_flags_help(const struct weir_flag *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("  %-22s %-10s %s\n", rows[i].name, rows[i].value ? rows[i].value : "",
               rows[i].help);
}
