/* manifests.c - see manifests.h. */
#include "controlplane/cli/manifests.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "controlplane/cli/print.h"

enum { MAX_TEXTS = 10000, MAX_LINES = 2000, AROUND = 3 };

static void add_text(struct weir_cli *cli, struct weir_cli_manifests *m, const char *name,
                     const struct weir_buf *bytes)
{
    if (m->count == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 16;
        struct weir_policy_text *more = weir_arena_alloc(cli->arena, cap * sizeof *more);

        if (m->count)
            memcpy(more, m->texts, m->count * sizeof *more);
        m->texts = more;
        m->cap = cap;
    }
    m->texts[m->count++] =
        (struct weir_policy_text){.file = weir_arena_strdup(cli->arena, weir_str_of(name)),
                                  .text = weir_arena_copy(cli->arena, weir_buf_str(bytes))};
}

static int read_stdin(struct weir_buf *b)
{
    for (;;) {
        char *p = weir_buf_reserve(b, 65536);
        ssize_t n;

        if (!p)
            return WEIR_ELIMIT;
        n = read(STDIN_FILENO, p, 65536);
        if (n < 0)
            return WEIR_EIO;
        if (n == 0)
            return WEIR_OK;
        weir_buf_grown(b, (size_t)n);
    }
}

static int read_file(struct weir_cli *cli, struct weir_cli_manifests *m, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    struct weir_buf b;
    int rc;

    weir_buf_init(&b, WEIR_DATA_MAX_BYTES + 65536);
    rc = standard ? read_stdin(&b) : weir_file_read(path, &b);
    if (rc == WEIR_OK && b.n > WEIR_DATA_MAX_BYTES)
        rc = WEIR_ELIMIT;
    if (rc == WEIR_OK)
        add_text(cli, m, standard ? "standard input" : path, &b);
    weir_buf_fini(&b);
    if (rc == WEIR_OK)
        return WEIR_EXIT_OK;
    weir__cli_complain(cli, "", "%s %s", path,
                       rc == WEIR_ENOTFOUND ? "does not exist"
                       : rc == WEIR_ELIMIT  ? "is larger than 4 MiB"
                                            : "can't be read");
    return rc == WEIR_ENOTFOUND ? WEIR_EXIT_NOT_FOUND : WEIR_EXIT_REFUSED;
}

static int is_manifest(const struct dirent *e)
{
    struct weir_str name = weir_str_of(e->d_name);

    return name.p[0] != '.' &&
           (weir_str_ends(name, WEIR_STR(".yaml")) || weir_str_ends(name, WEIR_STR(".yml")) ||
            weir_str_ends(name, WEIR_STR(".json")));
}

static int read_folder(struct weir_cli *cli, struct weir_cli_manifests *m, const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, is_manifest, alphasort), code = WEIR_EXIT_OK;

    if (n < 0) {
        weir__cli_complain(cli, "", "%s can't be read", path);
        return WEIR_EXIT_REFUSED;
    }
    for (int i = 0; i < n; i++) {
        if (code == WEIR_EXIT_OK && m->count < MAX_TEXTS)
            code =
                read_file(cli, m, weir_arena_printf(cli->arena, "%s/%s", path, entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
    return code;
}

int weir__cli_manifests_read(struct weir_cli *cli, struct weir_cli_manifests *out)
{
    int code = WEIR_EXIT_OK;

    *out = (struct weir_cli_manifests){0};
    for (int i = 0; code == WEIR_EXIT_OK && i < cli->file_count; i++) {
        struct stat st;

        if (stat(cli->files[i], &st) == 0 && S_ISDIR(st.st_mode))
            code = read_folder(cli, out, cli->files[i]);
        else
            code = read_file(cli, out, cli->files[i]);
    }
    if (code == WEIR_EXIT_OK && !out->count) {
        weir__cli_complain(cli, "Manifests end with .yaml, .yml or .json.",
                           "there is no manifest in %s", cli->files[0]);
        code = WEIR_EXIT_NOT_FOUND;
    }
    return code;
}

struct weir_str weir__cli_manifests_join(struct weir_cli *cli, const struct weir_cli_manifests *m,
                                         const char **out_name)
{
    struct weir_str all;
    struct weir_buf b;

    *out_name = m->texts[0].file;
    if (m->count == 1)
        return m->texts[0].text;
    *out_name = "manifests.yaml";
    weir_buf_init(&b, (size_t)WEIR_DATA_MAX_BYTES * MAX_TEXTS);
    for (size_t i = 0; i < m->count; i++) {
        weir_buf_adds(&b, m->texts[i].text);
        weir_buf_addz(&b, "\n---\n");
    }
    all = weir_arena_copy(cli->arena, weir_buf_str(&b));
    weir_buf_fini(&b);
    return all;
}

/* ---- differences ---- */

struct lines {
    struct weir_str *p;
    size_t n;
};

static struct lines split(struct weir_cli *cli, const char *text)
{
    struct lines l = {weir_arena_alloc(cli->arena, MAX_LINES * sizeof(struct weir_str)), 0};
    struct weir_str rest = weir_str_of(text);

    while (rest.n && l.n < MAX_LINES)
        l.p[l.n++] = weir_str_cut(rest, '\n', &rest);
    return l;
}

struct mark {
    char sign;
    struct weir_str line;
};

/* The longest common subsequence by the textbook's table, from the end. */
static size_t compare(struct weir_cli *cli, struct lines a, struct lines b, struct mark *out)
{
    uint16_t *table = weir_arena_zalloc(cli->arena, (a.n + 1) * (b.n + 1) * sizeof *table);
    size_t width = b.n + 1, i = 0, j = 0, n = 0;

    for (size_t x = a.n; x-- > 0;)
        for (size_t y = b.n; y-- > 0;) {
            uint16_t down = table[(x + 1) * width + y], right = table[x * width + y + 1];

            table[x * width + y] = weir_str_eq(a.p[x], b.p[y])
                                       ? (uint16_t)(table[(x + 1) * width + y + 1] + 1)
                                   : down > right ? down
                                                  : right;
        }
    while (i < a.n || j < b.n) {
        if (i < a.n && j < b.n && weir_str_eq(a.p[i], b.p[j])) {
            out[n++] = (struct mark){' ', a.p[i++]};
            j++;
        } else if (i < a.n &&
                   (j == b.n || table[(i + 1) * width + j] >= table[i * width + j + 1])) {
            out[n++] = (struct mark){'-', a.p[i++]};
        } else {
            out[n++] = (struct mark){'+', b.p[j++]};
        }
    }
    return n;
}

void weir__cli_print_diff(struct weir_cli *cli, const char *before, const char *after)
{
    struct lines a = split(cli, before), b = split(cli, after);
    struct mark *marks = weir_arena_alloc(cli->arena, (a.n + b.n + 1) * sizeof *marks);
    size_t n = compare(cli, a, b, marks);
    bool skipped = false;

    for (size_t i = 0; i < n; i++) {
        size_t from = i > AROUND ? i - AROUND : 0, to = i + AROUND < n ? i + AROUND : n - 1;
        bool near = false;

        for (size_t k = from; k <= to; k++)
            near |= marks[k].sign != ' ';
        if (!near) {
            if (!skipped)
                fputs("  ...\n", cli->out);
            skipped = true;
            continue;
        }
        skipped = false;
        weir__cli_toned(
            cli,
            marks[i].sign == '+'   ? WEIR_TONE_GOOD
            : marks[i].sign == '-' ? WEIR_TONE_BAD
                                   : WEIR_TONE_PLAIN,
            weir_arena_printf(cli->arena, "%c %.*s", marks[i].sign, WEIR_STR_ARG(marks[i].line)));
        fputs("\n", cli->out);
    }
}
