/* print.c - see print.h. */
#include "controlplane/cli/print.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static const char *const tones[] = {"", "\033[32m", "\033[33m", "\033[31m", "\033[2m"};

void weir__cli_table_init(struct weir_cli_table *t, struct weir_cli *cli, const char *const *names,
                          size_t columns)
{
    WEIR_ASSERT(columns <= WEIR_TABLE_MAX_COLUMNS);
    *t = (struct weir_cli_table){.cli = cli, .names = names, .columns = columns};
}

void weir__cli_table_add(struct weir_cli_table *t, const struct weir_cli_cell *cells)
{
    if (t->rows == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 32;
        struct weir_cli_cell *more =
            weir_arena_alloc(t->cli->arena, cap * t->columns * sizeof *more);

        if (t->rows)
            memcpy(more, t->cells, t->rows * t->columns * sizeof *more);
        t->cells = more;
        t->cap = cap;
    }
    memcpy(t->cells + t->rows++ * t->columns, cells, t->columns * sizeof *cells);
}

/* Columns on a terminal: code points, as all that is shown here is narrow. */
static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void print_cell(const struct weir_cli_table *t, size_t column, const char *text,
                       enum weir_cli_tone tone, size_t width)
{
    bool right = t->names[column][0] == '>', last = column + 1 == t->columns;
    size_t pad = width - width_of(text);

    if (right)
        fprintf(t->cli->out, "%*s", (int)pad, "");
    weir__cli_toned(t->cli, tone, text);
    if (!right && !last)
        fprintf(t->cli->out, "%*s", (int)pad, "");
    fputs(last ? "\n" : "  ", t->cli->out);
}

void weir__cli_table_print(struct weir_cli_table *t)
{
    size_t widths[WEIR_TABLE_MAX_COLUMNS];

    for (size_t c = 0; c < t->columns; c++) {
        const char *name = t->names[c] + (t->names[c][0] == '>');

        widths[c] = width_of(name);
        for (size_t r = 0; r < t->rows; r++) {
            size_t w = width_of(t->cells[r * t->columns + c].text);

            widths[c] = w > widths[c] ? w : widths[c];
        }
    }
    for (size_t c = 0; c < t->columns; c++)
        print_cell(t, c, t->names[c] + (t->names[c][0] == '>'), WEIR_TONE_DIM, widths[c]);
    for (size_t r = 0; r < t->rows; r++)
        for (size_t c = 0; c < t->columns; c++) {
            struct weir_cli_cell *cell = &t->cells[r * t->columns + c];

            print_cell(t, c, cell->text, cell->tone, widths[c]);
        }
    if (!t->rows)
        fprintf(t->cli->out, "(nothing)\n");
}

void weir__cli_toned(struct weir_cli *cli, enum weir_cli_tone tone, const char *text)
{
    bool colored = cli->color && tone != WEIR_TONE_PLAIN;

    fprintf(cli->out, "%s%s%s", colored ? tones[tone] : "", text, colored ? "\033[0m" : "");
}

void weir__cli_print_json(struct weir_cli *cli, yyjson_val *v)
{
    char *text = yyjson_val_write(v, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);

    fprintf(cli->out, "%s\n", text ? text : "null");
    free(text);
}

/* ---- YAML ---- */

/* Plain only when no reader could take it for something else. */
static bool is_plain(const char *s, size_t n)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};
    bool digit = n && ((s[0] >= '0' && s[0] <= '9') || s[0] == '-' || s[0] == '.' || s[0] == '+');

    if (!n || digit)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (weir_str_ieq((struct weir_str){s, n}, weir_str_of(words[i])))
            return false;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool inner = i && i + 1 < n && (c == '/' || c == '.' || c == '-' || c == ' ');

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || inner))
            return false;
    }
    return true;
}

static void yaml_scalar(struct weir_cli *cli, yyjson_val *v)
{
    if (yyjson_is_str(v) && is_plain(yyjson_get_str(v), yyjson_get_len(v))) {
        fputs(yyjson_get_str(v), cli->out);
    } else {
        char *text = yyjson_val_write(v, 0, NULL); /* a JSON scalar is a YAML scalar */

        fputs(text ? text : "null", cli->out);
        free(text);
    }
}

static void yaml_value(struct weir_cli *cli, yyjson_val *v, int depth, bool in_list)
{
    size_t i, max;
    yyjson_val *key, *item;

    if (!yyjson_is_ctn(v) || !yyjson_get_len(v)) {
        fputs(in_list || depth == 0 ? "" : " ", cli->out);
        if (yyjson_is_ctn(v))
            fputs(yyjson_is_obj(v) ? "{}" : "[]", cli->out);
        else
            yaml_scalar(cli, v);
        fputs("\n", cli->out);
        return;
    }
    if (!in_list && depth)
        fputs("\n", cli->out);
    if (yyjson_is_obj(v)) {
        yyjson_obj_foreach(v, i, max, key, item)
        {
            fprintf(cli->out, "%*s", i || !in_list ? 2 * depth : 0, "");
            yaml_scalar(cli, key);
            fputs(":", cli->out);
            yaml_value(cli, item, depth + 1, false);
        }
    } else {
        yyjson_arr_foreach(v, i, max, item)
        {
            fprintf(cli->out, "%*s- ", i || !in_list ? 2 * depth : 0, "");
            yaml_value(cli, item, depth + 1, true);
        }
    }
}

void weir__cli_print_yaml(struct weir_cli *cli, yyjson_val *v)
{
    yaml_value(cli, v, 0, false);
}

bool weir__cli_print_raw(struct weir_cli *cli, yyjson_val *v)
{
    if (cli->format == WEIR_FORMAT_JSON)
        weir__cli_print_json(cli, v);
    else if (cli->format == WEIR_FORMAT_YAML)
        weir__cli_print_yaml(cli, v);
    else
        return false;
    return true;
}

/* ---- numbers ---- */

static const char *grouped(struct weir_cli *cli, int64_t n)
{
    char digits[24], *out = weir_arena_alloc(cli->arena, 32);
    size_t len = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)n), o = 0;

    for (size_t i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            out[o++] = ',';
        out[o++] = digits[i];
    }
    out[o] = 0;
    return out;
}

const char *weir__cli_usd(struct weir_cli *cli, int64_t nano_usd)
{
    const char *sign = nano_usd < 0 ? "-" : "";
    uint64_t n = nano_usd < 0 ? 0 - (uint64_t)nano_usd : (uint64_t)nano_usd;
    uint64_t unit = 10000000; /* a cent */
    int digits = 2;

    /* Two digits that count, however small; above one dollar, cents. */
    if (n && n < 1000000000) {
        digits = 4, unit = 100000;
        while (digits < 9 && n < unit * 10)
            digits++, unit /= 10;
    }
    n = (n + unit / 2) / unit;
    uint64_t whole = 1000000000 / unit;

    return weir_arena_printf(cli->arena, "%s$%s.%0*llu", sign, grouped(cli, (int64_t)(n / whole)),
                             digits, (unsigned long long)(n % whole));
}

const char *weir__cli_short(struct weir_cli *cli, int64_t n)
{
    static const char *const units[] = {"k", "M", "G", "T", "P", "E"};
    double v = (double)n / 1000;
    int i = 0;

    if (n > -10000 && n < 10000)
        return weir_arena_printf(cli->arena, "%lld", (long long)n);
    while ((v >= 1000 || v <= -1000) && i < 5)
        v /= 1000, i++;
    return weir_arena_printf(cli->arena, v < 100 ? "%.1f %s" : "%.0f %s", v, units[i]);
}

const char *weir__cli_amount(struct weir_cli *cli, int64_t n, const char *unit)
{
    return strcmp(unit, "usd") == 0 ? weir__cli_usd(cli, n) : weir__cli_short(cli, n);
}

const char *weir__cli_micros(struct weir_cli *cli, int64_t us)
{
    if (us < 1000)
        return weir_arena_printf(cli->arena, "%lld µs", (long long)us);
    if (us < 1000000)
        return weir_arena_printf(cli->arena, us < 10000 ? "%.1f ms" : "%.0f ms", (double)us / 1000);
    return weir_arena_printf(cli->arena, us < 10000000 ? "%.2f s" : "%.1f s", (double)us / 1e6);
}

const char *weir__cli_span(struct weir_cli *cli, int64_t ms)
{
    long long s = ms > 0 ? ms / 1000 : 0;

    if (s < 60)
        return weir_arena_printf(cli->arena, "%lld s", s);
    if (s < 3600)
        return weir_arena_printf(cli->arena, "%lld min", s / 60);
    if (s < 86400)
        return weir_arena_printf(cli->arena, "%lld h %lld min", s / 3600, s / 60 % 60);
    return weir_arena_printf(cli->arena, "%lld d %lld h", s / 86400, s / 3600 % 24);
}

const char *weir__cli_ago(struct weir_cli *cli, int64_t wall_ms)
{
    int64_t age_ms = weir_wall_ms() - wall_ms;

    if (!wall_ms)
        return "never";
    return age_ms < 1500 ? "now"
                         : weir_arena_printf(cli->arena, "%s ago", weir__cli_span(cli, age_ms));
}

const char *weir__cli_text(struct weir_cli *cli, yyjson_val *object, const char *name)
{
    yyjson_val *v = yyjson_obj_get(object, name);

    if (yyjson_is_str(v))
        return weir_arena_strdup(cli->arena,
                                 (struct weir_str){yyjson_get_str(v), yyjson_get_len(v)});
    return "";
}

int64_t weir__cli_number(yyjson_val *object, const char *name)
{
    return yyjson_get_sint(yyjson_obj_get(object, name));
}

const char *weir__cli_utc(struct weir_cli *cli, int64_t ms)
{
    char text[32] = "";
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    if (gmtime_r(&s, &tm))
        (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &tm);
    return weir_arena_printf(cli->arena, "%s", text);
}
