/* http.c - see http.h. */
#include "controlplane/cli/http.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "common/http/percent.h"
#include "http/client.h"

enum { MAX_ANSWER_BYTES = 64 << 20, TIMEOUT_MS = 30000 };

struct call {
    weir_cli_done_fn done;
    void *arg;
    int status;
    bool too_large;
    struct weir_buf answer;
    char *sent; /* the request's body */
    struct weir_str piece;
    struct weir_origin *origin;
};

static void call_finish(struct call *c, int rc, const char *why)
{
    weir_cli_done_fn done = c->done;
    void *arg = c->arg;

    done(arg, rc, why, c->status, weir_buf_str(&c->answer));
    if (c->answer.p)
        weir_wipe(c->answer.p, c->answer.n);
    weir_buf_fini(&c->answer);
    weir_origin_unref(c->origin);
    free(c->sent);
    free(c);
}

static void on_head(void *arg, const struct weir_http_call_head *head)
{
    struct call *c = arg;

    c->status = head->status;
}

static void on_body(void *arg, const char *p, size_t n)
{
    struct call *c = arg;

    c->too_large |= weir_buf_add(&c->answer, p, n) != WEIR_OK;
}

static void on_end(void *arg, const struct weir_http_call_info *info)
{
    struct call *c = arg;

    (void)info;
    if (c->too_large) {
        c->status = 0;
        call_finish(c, WEIR_ELIMIT, "the answer is too large");
    } else {
        call_finish(c, WEIR_OK, "");
    }
}

static void on_error(void *arg, int rc, const struct weir_http_call_info *info)
{
    struct call *c = arg;

    c->status = 0;
    call_finish(c, rc, info->cause);
}

int weir__cli_address(struct weir_arena *a, const char *text, const char **out_host,
                      unsigned *out_port)
{
    struct weir_str s = weir_str_of(text), host;
    size_t colon = s.n;
    int64_t port;

    while (colon && s.p[colon - 1] != ':')
        colon--;
    if (colon < 2 || weir_str_i64((struct weir_str){s.p + colon, s.n - colon}, &port) || port < 0 ||
        port > 65535)
        return WEIR_EINVAL;
    host = (struct weir_str){s.p, colon - 1};
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = (struct weir_str){host.p + 1, host.n - 2};
    *out_host = weir_arena_strdup(a, host);
    *out_port = (unsigned)port;
    return WEIR_OK;
}

static int make_origin(const struct weir_cli_request *r, struct weir_origin **out)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_origin_conf conf = {0};
    const char *host;
    char why[256];
    unsigned port;
    int rc = weir__cli_address(a, r->address, &host, &port);

    if (rc == WEIR_OK) {
        conf.host = weir_str_of(host);
        conf.port = (uint16_t)port;
        rc = weir_origin_create(&conf, why, sizeof why, out);
    }
    weir_arena_destroy(a);
    return rc;
}

int weir__cli_http_start(struct weir_http_client *client, const struct weir_cli_request *r,
                         weir_cli_done_fn done, void *arg)
{
    static const struct weir_http_call_events events = {
        .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_http_header headers[2] = {{WEIR_STR("accept"), WEIR_STR("application/json")}};
    struct weir_http_call_spec spec = {.method = weir_str_of(r->method),
                                       .path = weir_str_of(r->path),
                                       .headers = headers,
                                       .header_count = 1,
                                       .has_body = r->body.p != NULL,
                                       .connect_timeout_ms = 3000,
                                       .total_timeout_ms = r->timeout_ms};
    struct call *c = WEIR_NEW(struct call);
    struct weir_http_call *started;
    int rc;

    c->done = done;
    c->arg = arg;
    weir_buf_init(&c->answer, MAX_ANSWER_BYTES);
    if (r->token)
        headers[spec.header_count++] = (struct weir_http_header){
            WEIR_STR("authorization"), weir_str_of(weir_arena_printf(a, "Bearer %s", r->token))};
    if (r->body.p) {
        c->sent = weir_strdup(r->body);
        c->piece = (struct weir_str){c->sent, r->body.n};
        spec.body = &c->piece;
        spec.body_count = 1;
    }
    rc = make_origin(r, &c->origin);
    if (rc == WEIR_OK)
        rc = weir_http_call_start(client, c->origin, &spec, &events, c, &started);
    if (rc != WEIR_OK) {
        weir_origin_unref(c->origin);
        free(c->sent);
        free(c);
    }
    weir_arena_destroy(a);
    return rc;
}

/* ---- blocking ---- */

struct answer {
    bool done;
    int rc, status;
    char why[256];
    char *body;
    size_t n;
};

static void on_answer(void *arg, int rc, const char *why, int status, struct weir_str body)
{
    struct answer *a = arg;

    a->done = true;
    a->rc = rc;
    a->status = status;
    snprintf(a->why, sizeof a->why, "%s", why ? why : "");
    a->body = weir_strdup(body);
    a->n = body.n;
}

static const char *first_line(struct weir_cli *cli, const char *path)
{
    struct weir_str rest, line = WEIR_STR_NULL;
    struct weir_buf b;

    weir_buf_init(&b, 4096);
    if (weir_file_read(path, &b) == WEIR_OK)
        line = weir_str_trim(weir_str_cut(weir_buf_str(&b), '\n', &rest));
    const char *text = line.n ? weir_arena_strdup(cli->arena, line) : NULL;

    weir_buf_fini(&b);
    return text;
}

const char *weir__cli_api_address(struct weir_cli *cli)
{
    const char *text = cli->flags[WEIR_FLAG_API];

    if (!text || !*text)
        text = getenv("WEIR_API");
    if (!text || !*text)
        text = first_line(cli, weir__cli_state_file(cli, "api.address"));
    if (!text || !*text)
        text = "127.0.0.1:7081";
    if (strncmp(text, "http://", 7) == 0)
        text += 7;
    struct weir_str rest;

    return weir_arena_strdup(cli->arena, weir_str_cut(weir_str_of(text), '/', &rest));
}

static const char *find_token(struct weir_cli *cli)
{
    const char *env = getenv("WEIR_TOKEN"), *file = cli->flags[WEIR_FLAG_TOKEN_FILE];

    if (file)
        return first_line(cli, file);
    return env && *env ? env : first_line(cli, weir__cli_state_file(cli, "admin.token"));
}

static int run_call(struct weir_cli *cli, const struct weir_cli_request *r, struct answer *out)
{
    struct weir_http_client *client;
    uv_loop_t loop;
    int rc;

    (void)cli;
    if (uv_loop_init(&loop))
        return WEIR_EIO;
    client = weir_http_client_create(&loop);
    rc = weir__cli_http_start(client, r, on_answer, out);
    while (rc == WEIR_OK && !out->done)
        uv_run(&loop, UV_RUN_ONCE);
    weir_http_client_destroy(client);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return rc;
}

static const char *text_of(yyjson_val *object, const char *name)
{
    const char *s = yyjson_get_str(yyjson_obj_get(object, name));

    return s ? s : "";
}

/* An error answer as sentences; manifests' errors one a line. */
static int complain_of(struct weir_cli *cli, int status, yyjson_val *root)
{
    yyjson_val *error = yyjson_obj_get(root, "error"), *list = yyjson_obj_get(root, "errors"), *e;
    size_t i, max;

    if (!list)
        list = yyjson_obj_get(error, "errors");
    yyjson_arr_foreach(list, i, max, e) fprintf(cli->err, "%s\n", text_of(e, "text"));
    if (error)
        weir__cli_complain(cli, text_of(error, "fix"), "%s", text_of(error, "message"));
    else
        weir__cli_complain(cli, "", "the control plane answered with status %d", status);
    return status == 404 ? WEIR_EXIT_NOT_FOUND : WEIR_EXIT_REFUSED;
}

static int ask(struct weir_cli *cli, const char *method, const char *path, struct weir_str body,
               struct answer *out)
{
    struct weir_cli_request r = {.address = weir__cli_api_address(cli),
                                 .method = method,
                                 .path = weir_arena_printf(cli->arena, "/api/v1%s", path),
                                 .token = find_token(cli),
                                 .body = body,
                                 .timeout_ms = TIMEOUT_MS};
    int code = WEIR_EXIT_OK, rc = run_call(cli, &r, out);
    yyjson_doc *doc;

    if (rc == WEIR_EINVAL) {
        weir__cli_complain(cli, "Write it as HOST:PORT.", "\"%s\" is not an address", r.address);
        return WEIR_EXIT_USAGE;
    }
    if (rc != WEIR_OK || !out->status) {
        weir__cli_complain(cli, "Is `weir up` running? Else name it with --api HOST:PORT.",
                           "no control plane answers at %s (%s)", r.address,
                           out->why[0] ? out->why : weir_rc_name(rc ? rc : out->rc));
        return WEIR_EXIT_UNREACHABLE;
    }
    if (out->status / 100 != 2) {
        doc = yyjson_read(out->body, out->n, 0);
        code = complain_of(cli, out->status, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
    }
    return code;
}

static void forget(struct answer *a)
{
    if (a->body)
        weir_wipe(a->body, a->n);
    free(a->body);
}

int weir__cli_call(struct weir_cli *cli, const char *method, const char *path, struct weir_str body,
                   yyjson_doc **out_doc)
{
    struct answer a = {.done = false};
    int code = ask(cli, method, path, body, &a);

    if (code == WEIR_EXIT_OK)
        *out_doc = yyjson_read(a.body, a.n, 0);
    forget(&a);
    return code;
}

int weir__cli_print_answer(struct weir_cli *cli, const char *path)
{
    struct answer a = {.done = false};
    int code = ask(cli, "GET", path, WEIR_STR_NULL, &a);

    if (code == WEIR_EXIT_OK && a.n)
        fwrite(a.body, 1, a.n, cli->out);
    forget(&a);
    return code;
}

int weir__cli_fetch(struct weir_cli *cli, const char *path, struct weir_buf *out)
{
    struct answer a = {.done = false};
    int code = ask(cli, "GET", path, WEIR_STR_NULL, &a);

    if (code == WEIR_EXIT_OK && weir_buf_add(out, a.body, a.n) != WEIR_OK) {
        weir__cli_complain(cli, "", "the answer is too large");
        code = WEIR_EXIT_REFUSED;
    }
    forget(&a);
    return code;
}

bool weir__cli_reachable(struct weir_cli *cli, yyjson_doc **out_version)
{
    struct weir_cli_request r = {.address = weir__cli_api_address(cli),
                                 .method = "GET",
                                 .path = "/api/v1/version",
                                 .timeout_ms = 2000};
    struct answer a = {.done = false};
    int rc = run_call(cli, &r, &a);
    bool good = rc == WEIR_OK && a.status == 200;

    if (good)
        *out_version = yyjson_read(a.body, a.n, 0);
    free(a.body);
    return good;
}

const char *weir__cli_escape(struct weir_cli *cli, const char *s)
{
    return weir_percent_encode(cli->arena, weir_str_of(s)).p;
}
