/* cmd_audit.c - the audit chain: shown, exported, verified, from the control plane or from a file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/audit/audit.h"
#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"

enum { PAGE_BYTES = 80 << 20, LINE_BYTES = WEIR_AUDIT_MAX_LINE + 2 };

/* ---- list ---- */

static void add_entry(struct weir_cli_table *t, yyjson_val *e)
{
    struct weir_cli *cli = t->cli;
    const char *outcome = weir__cli_text(cli, e, "outcome");
    bool refused = strcmp(outcome, "refused") == 0, asked = strcmp(outcome, "asked") == 0;
    enum weir_cli_tone tone = refused ? WEIR_TONE_WARN : asked ? WEIR_TONE_DIM : WEIR_TONE_PLAIN;

    weir__cli_table_add(
        t, (struct weir_cli_cell[]){
               {weir_arena_printf(cli->arena, "%lld", (long long)weir__cli_number(e, "seq")), 0},
               {weir__cli_utc(cli, weir__cli_number(e, "atMs")), 0},
               {weir__cli_text(cli, e, "actor"), 0},
               {weir__cli_text(cli, e, "from"), WEIR_TONE_DIM},
               {weir__cli_text(cli, e, "action"), 0},
               {weir__cli_text(cli, e, "object"), 0},
               {outcome, tone}});
}

int weir__cli_audit_list(struct weir_cli *cli)
{
    static const char *const names[] = {">ENTRY", "WHEN", "WHO", "FROM", "WHAT", "ON", "OUTCOME"};
    const char *limit = cli->flags[WEIR_FLAG_LIMIT];
    struct weir_cli_table t;
    yyjson_doc *doc = NULL;
    yyjson_val *root, *e;
    size_t i, max;
    int code = weir__cli_call(cli, "GET",
                              weir_arena_printf(cli->arena, "/audit?limit=%s",
                                                weir__cli_escape(cli, limit ? limit : "50")),
                              WEIR_STR_NULL, &doc);

    root = yyjson_doc_get_root(doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root)) {
        weir__cli_table_init(&t, cli, names, 7);
        yyjson_arr_foreach(yyjson_obj_get(root, "items"), i, max, e) add_entry(&t, e);
        weir__cli_table_print(&t);
    }
    yyjson_doc_free(doc);
    return code;
}

/* ---- export and verify ---- */

struct verifying {
    struct weir_cli *cli;
    struct weir_audit_walk walk;
    struct weir_audit_head wanted;   /* seq 0: none was given */
    char found[WEIR_AUDIT_HASH + 1]; /* of the entry with the wanted number; "": not there yet */
    bool verify;                     /* else print */
};

/* WEIR_ECORRUPT: the walk says why. */
static int take_line(struct verifying *v, struct weir_str line)
{
    int rc;

    if (!v->verify) {
        fprintf(v->cli->out, "%.*s\n", WEIR_STR_ARG(line));
        v->walk.last++;
        return WEIR_OK;
    }
    rc = weir_audit_walk(&v->walk, line);
    if (rc == WEIR_OK && v->wanted.seq && v->walk.last == v->wanted.seq)
        memcpy(v->found, v->walk.hash, sizeof v->found);
    return rc;
}

/* The number that a line says it has; pages go on after it even where the chain is broken. */
static int64_t number_of(struct weir_str line)
{
    yyjson_doc *doc = yyjson_read(line.p, line.n, 0);
    int64_t n = yyjson_get_sint(yyjson_obj_get(yyjson_doc_get_root(doc), "seq"));

    yyjson_doc_free(doc);
    return n;
}

/* *out_after: where the next page begins; unchanged after the last one. */
static int take_page(struct verifying *v, int64_t *out_after, int *out_rc)
{
    struct weir_buf page;
    struct weir_str rest, line;
    int code;

    weir_buf_init(&page, PAGE_BYTES);
    code = weir__cli_fetch(v->cli,
                           weir_arena_printf(v->cli->arena, "/audit/export?after=%lld&limit=%d",
                                             (long long)*out_after, WEIR_AUDIT_MAX_READ),
                           &page);
    rest = weir_buf_str(&page);
    while (code == WEIR_EXIT_OK && rest.n && *out_rc == WEIR_OK) {
        int64_t n;

        line = weir_str_cut(rest, '\n', &rest);
        *out_rc = take_line(v, line);
        n = number_of(line);
        if (n > *out_after)
            *out_after = n;
    }
    weir_buf_fini(&page);
    return code;
}

static int take_pages(struct verifying *v, int *out_rc)
{
    int64_t after = 0, before = -1;
    int code = WEIR_EXIT_OK;

    while (code == WEIR_EXIT_OK && *out_rc == WEIR_OK && after != before) {
        before = after;
        code = take_page(v, &after, out_rc);
    }
    return code;
}

static int take_file(struct verifying *v, const char *path, int *out_rc)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *text;

    if (!f) {
        weir__cli_complain(v->cli, "", "%s can't be read: %s", path, strerror(errno));
        return errno == ENOENT ? WEIR_EXIT_NOT_FOUND : WEIR_EXIT_REFUSED;
    }
    text = malloc(LINE_BYTES);
    while (text && *out_rc == WEIR_OK && fgets(text, LINE_BYTES, f)) {
        size_t n = strlen(text);

        while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
            n--;
        *out_rc = take_line(v, (struct weir_str){text, n});
    }
    free(text);
    if (f != stdin)
        (void)fclose(f);
    return WEIR_EXIT_OK;
}

static bool read_head(struct verifying *v, const char *text)
{
    struct weir_str hash, number;

    if (!text)
        return true;
    number = weir_str_cut(weir_str_of(text), ':', &hash);
    if (hash.n == WEIR_AUDIT_HASH && weir_str_i64(number, &v->wanted.seq) == WEIR_OK &&
        v->wanted.seq > 0) {
        memcpy(v->wanted.hash, hash.p, hash.n);
        return true;
    }
    weir__cli_complain(v->cli, "Write it as `weir audit verify` or the log has it: 12:9f86d0...",
                       "--head is no number and hash");
    return false;
}

static int conclude(struct verifying *v, int rc)
{
    const struct weir_audit_walk *w = &v->walk;
    struct weir_cli *cli = v->cli;

    if (rc != WEIR_OK) {
        weir__cli_complain(cli, "Compare with an export or the log's lines of the component audit.",
                           "%s", w->why);
        return WEIR_EXIT_REFUSED;
    }
    if (v->wanted.seq > w->last) {
        weir__cli_complain(cli, "",
                           "the chain ends with entry %lld: entries up to %lld were cut off",
                           (long long)w->last, (long long)v->wanted.seq);
        return WEIR_EXIT_REFUSED;
    }
    if (v->wanted.seq && strcmp(v->found, v->wanted.hash) != 0) {
        weir__cli_complain(cli, "", "entry %lld is another than the one that was written down",
                           (long long)v->wanted.seq);
        return WEIR_EXIT_REFUSED;
    }
    if (!w->last)
        fprintf(cli->out, "there are no entries\n");
    else
        fprintf(cli->out, "entries %lld to %lld are whole\nhead %lld:%s\n", (long long)w->first,
                (long long)w->last, (long long)w->last, w->hash);
    return WEIR_EXIT_OK;
}

int weir__cli_audit_verify(struct weir_cli *cli)
{
    struct verifying v = {.cli = cli, .verify = true};
    int code, rc = WEIR_OK;

    if (!read_head(&v, cli->flags[WEIR_FLAG_HEAD]))
        return WEIR_EXIT_USAGE;
    code = cli->arg_count ? take_file(&v, cli->args[0], &rc) : take_pages(&v, &rc);
    if (code == WEIR_EXIT_OK && !cli->arg_count && rc == WEIR_OK && v.walk.first > 1) {
        weir__cli_complain(cli, "", "entries 1 to %lld are missing", (long long)v.walk.first - 1);
        return WEIR_EXIT_REFUSED;
    }
    return code == WEIR_EXIT_OK ? conclude(&v, rc) : code;
}

int weir__cli_audit_export(struct weir_cli *cli)
{
    struct verifying v = {.cli = cli};
    int rc = WEIR_OK;

    return take_pages(&v, &rc);
}
