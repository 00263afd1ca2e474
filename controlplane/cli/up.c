/* up.c - `weir up`: both programs on this machine, started in order, watched, ended in order.
 *
 *   CONTROL (weir-control answers) -> KEY (the local key is there) -> PROXY (its policy is in
 * force)
 *     -> MODEL -> LOGIN -> UP -> DRAIN (proxy, then control plane, end) -> DOWN
 * Ctrl-C leads from any state to DRAIN; so does a step that misses its deadline, with exit code 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "controlplane/cli/child.h"
#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"
#include "controlplane/cli/up.h"
#include "http/client.h"

enum {
    TICK_MS = 100,
    STEP_MS = 20000,       /* a step of the start may take so long */
    PROXY_GRACE_MS = 6000, /* from SIGTERM to SIGKILL */
    CONTROL_GRACE_MS = 4000,
    TAIL_BYTES = 3000,
    SOCKET_PATH_MAX = 100, /* sockaddr_un holds 108 with the NUL */
};

enum up_state { UP_CONTROL, UP_KEY, UP_PROXY, UP_MODEL, UP_LOGIN, UP_UP, UP_DRAIN, UP_DOWN };

struct up {
    struct weir_cli *cli;
    enum up_state state;
    int code;
    int64_t deadline_ms; /* of this step */
    bool asking;         /* an answer is awaited */
    bool key_retry;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t signals[4];
    struct weir_http_client *client;
    struct weir_child control, proxy;
    const char *state_dir, *policy, *listen, *listen_tls, *admin, *api, *socket, *bin;
    const char *token, *login, *last_reason;
    struct weir_up_facts facts;
};

/* ---- output ---- */

static void print_tail(struct up *u, const struct weir_child *c)
{
    struct weir_buf b;
    struct weir_str tail;

    weir_buf_init(&b, 64 << 20);
    if (weir_file_read(c->log_path, &b) == WEIR_OK && b.n) {
        tail = weir_buf_str(&b);
        if (tail.n > TAIL_BYTES) {
            struct weir_str rest;

            tail = (struct weir_str){tail.p + tail.n - TAIL_BYTES, TAIL_BYTES};
            (void)weir_str_cut(tail, '\n', &rest);
            tail = rest.p ? rest : tail;
        }
        fprintf(u->cli->err, "--- the end of %s\n%.*s---\n", c->log_path, WEIR_STR_ARG(tail));
    }
    weir_buf_fini(&b);
}

static const char *how_it_ended(struct up *u, int status)
{
    return WIFSIGNALED(status)
               ? weir_arena_printf(u->cli->arena, "was ended by signal %d (%s)", WTERMSIG(status),
                                   strsignal(WTERMSIG(status)))
               : weir_arena_printf(u->cli->arena, "ended with code %d", WEXITSTATUS(status));
}

static void print_summary(struct up *u)
{
    struct weir_cli *cli = u->cli;
    struct weir_buf lines;

    weir_buf_init(&lines, 65536);
    weir__up_harness_lines(&u->facts, &lines);
    fprintf(cli->out, "\n");
    weir__cli_toned(cli, WEIR_TONE_GOOD, "Weir is up: the policy is in force.");
    fprintf(cli->out, "\n\n  Gateway    %s%s%s\n  Dashboard  http://%s/#login=%s\n",
            u->facts.gateway, u->listen_tls ? " and https://" : "",
            u->listen_tls ? u->listen_tls : "", u->api, u->login);
    weir__cli_toned(cli, WEIR_TONE_DIM,
                    "             (signs in once, within five minutes; later: weir login)\n");
    fprintf(cli->out,
            "  Key        %s\n  Policy     %s\n  State      %s\n\nPoint a harness at it:\n\n%.*s\n"
            "Ctrl-C stops both programs.\n",
            u->facts.key, u->policy, u->state_dir, WEIR_STR_ARG(weir_buf_str(&lines)));
    fflush(cli->out);
    weir_buf_fini(&lines);
}

/* ---- states ---- */

static void enter(struct up *u, enum up_state next)
{
    u->state = next;
    u->deadline_ms = weir_mono_ms() + STEP_MS;
}

static void down(struct up *u)
{
    if (u->state == UP_DOWN)
        return;
    u->state = UP_DOWN;
    weir_http_client_destroy(u->client);
    uv_close((uv_handle_t *)&u->tick, NULL);
    for (int i = 0; i < 4; i++)
        uv_close((uv_handle_t *)&u->signals[i], NULL);
}

/* The proxy first, so that its last records and lease reports find the control plane. */
static void drain(struct up *u)
{
    int64_t now_ms = weir_mono_ms();

    if (u->state < UP_DRAIN)
        u->state = UP_DRAIN;
    if (u->proxy.state != WEIR_CHILD_STOPPED) {
        weir__child_stop(&u->proxy, PROXY_GRACE_MS, now_ms);
        if (u->proxy.state != WEIR_CHILD_STOPPED)
            return;
    }
    weir__child_stop(&u->control, CONTROL_GRACE_MS, now_ms);
    if (u->control.state == WEIR_CHILD_STOPPED)
        down(u);
}

static void give_up(struct up *u, const struct weir_child *c, const char *fix, const char *what)
{
    u->code = WEIR_EXIT_REFUSED;
    if (c)
        print_tail(u, c);
    weir__cli_complain(u->cli, fix, "%s", what);
    drain(u);
}

static void start_child(struct up *u, struct weir_child *c)
{
    if (weir__child_start(c, weir_mono_ms()) != WEIR_OK)
        give_up(u, NULL, "",
                weir_arena_printf(u->cli->arena, "%s could not be started: %s", c->name,
                                  strerror(errno)));
}

/* ---- what each step asks, and what it makes of the answer ---- */

static bool save_key(struct up *u, yyjson_val *root)
{
    const char *key = weir__cli_text(u->cli, root, "key");
    const char *path = weir__cli_state_file(u->cli, "local.key");

    if (!*key)
        return false;
    u->facts.key = key;
    return weir_file_replace(path, weir_str_of(weir_arena_printf(u->cli->arena, "%s\n", key)), 0600,
                             true) == WEIR_OK;
}

static void on_key(struct up *u, int status, yyjson_val *root)
{
    if (status == 409 && !u->key_retry) {
        u->key_retry = true; /* the file is lost, the key is not: make one with another id */
        return;
    }
    if (status != 201) {
        const char *why = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "error"), "message"));

        give_up(u, status == 404 ? NULL : &u->control,
                status == 404 ? "The key belongs to an Agent named local: add one to the policy."
                              : "",
                weir_arena_printf(u->cli->arena, "the local key could not be made: %s",
                                  why ? why : "no answer"));
    } else if (!save_key(u, root)) {
        give_up(u, NULL, "", "the local key could not be written to the state folder");
    } else {
        enter(u, UP_PROXY);
        start_child(u, &u->proxy);
    }
}

static void on_control(struct up *u, int status)
{
    struct weir_arena *a = u->cli->arena;
    struct weir_buf b;

    if (status != 200)
        return;
    weir_buf_init(&b, 4096);
    if (weir_file_read(weir__cli_state_file(u->cli, "admin.token"), &b) == WEIR_OK)
        u->token = weir_arena_strdup(a, weir_str_trim(weir_buf_str(&b)));
    weir_buf_clear(&b);
    if (weir_file_read(weir__cli_state_file(u->cli, "local.key"), &b) == WEIR_OK)
        u->facts.key = weir_arena_strdup(a, weir_str_trim(weir_buf_str(&b)));
    weir_buf_fini(&b);
    if (!u->token) {
        give_up(u, &u->control, "", "weir-control wrote no admin.token to the state folder");
    } else if (u->facts.key && *u->facts.key) {
        enter(u, UP_PROXY);
        start_child(u, &u->proxy);
    } else {
        enter(u, UP_KEY);
    }
}

static void on_ready(struct up *u, int status, yyjson_val *root)
{
    yyjson_val *policy = yyjson_obj_get(root, "policy");
    const char *problem = weir__cli_text(u->cli, root, "problem");

    if (status == 200)
        enter(u, UP_MODEL);
    else if (*problem && yyjson_is_null(yyjson_obj_get(policy, "revision")))
        give_up(u, NULL, "Mend it and start again.",
                weir_arena_printf(u->cli->arena, "weir-proxy can't use the policy: %s", problem));
}

static void on_model(struct up *u, yyjson_val *root)
{
    yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(root, "data"));
    const char *id = yyjson_get_str(yyjson_obj_get(first, "id"));

    if (id && !strchr(id, '*'))
        u->facts.model = weir_arena_strdup(u->cli->arena, weir_str_of(id));
    enter(u, UP_LOGIN);
}

static void on_login(struct up *u, int status, yyjson_val *root)
{
    const char *ready = u->cli->flags[WEIR_FLAG_READY_FILE];

    if (status != 201)
        return;
    u->login = weir__cli_text(u->cli, root, "login");
    enter(u, UP_UP);
    print_summary(u);
    if (ready && weir__up_write_ready(&u->facts, ready))
        give_up(
            u, NULL, "Choose another one with --ready-file FILE.",
            weir_arena_printf(u->cli->arena, "%s can't be written: %s", ready, strerror(errno)));
}

static void on_answer(void *arg, int rc, const char *why, int status, struct weir_str body)
{
    struct up *u = arg;
    yyjson_doc *doc = status ? yyjson_read(body.p, body.n, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);

    (void)rc;
    u->asking = false;
    u->last_reason = status ? weir_arena_printf(u->cli->arena, "status %d %.*s", status,
                                                (int)(body.n < 300 ? body.n : 300), body.p)
                            : weir_arena_strdup(u->cli->arena, weir_str_of(why));
    switch (u->state) {
    case UP_CONTROL:
        on_control(u, status);
        break;
    case UP_KEY:
        on_key(u, status, root);
        break;
    case UP_PROXY:
        on_ready(u, status, root);
        break;
    case UP_MODEL:
        on_model(u, root);
        break;
    case UP_LOGIN:
        on_login(u, status, root);
        break;
    case UP_UP:
    case UP_DRAIN:
    case UP_DOWN:
        break;
    }
    yyjson_doc_free(doc);
}

static void ask(struct up *u)
{
    struct weir_cli_request r = {.address = u->api, .method = "GET", .timeout_ms = 2000};
    char suffix[16];

    switch (u->state) {
    case UP_CONTROL:
        r.path = "/healthz";
        break;
    case UP_KEY:
        snprintf(suffix, sizeof suffix, "%llx", (unsigned long long)weir_wall_ms());
        r.method = "POST";
        r.path = "/api/v1/keys";
        r.token = u->token;
        r.body = weir_str_of(
            weir_arena_printf(u->cli->arena, "{\"agent\":\"local\",\"id\":\"local%s%s\"}",
                              u->key_retry ? "-" : "", u->key_retry ? suffix : ""));
        break;
    case UP_PROXY:
        r.address = u->admin;
        r.path = "/readyz";
        break;
    case UP_MODEL:
        r.address = u->listen;
        r.path = "/v1/models";
        r.token = u->facts.key;
        break;
    case UP_LOGIN:
        r.method = "POST";
        r.path = "/api/v1/logins";
        r.token = u->token;
        break;
    case UP_UP:
    case UP_DRAIN:
    case UP_DOWN:
        return;
    }
    u->asking = weir__cli_http_start(u->client, &r, on_answer, u) == WEIR_OK;
}

/* ---- time and signals ---- */

static void late(struct up *u)
{
    const char *why = weir_arena_printf(u->cli->arena, "it says: %s",
                                        u->last_reason ? u->last_reason : "nothing");

    /* Without a valid policy the proxy is never ready: then the reason is in the other log. */
    if (u->state == UP_PROXY)
        print_tail(u, &u->control);
    if (u->state == UP_CONTROL || u->state == UP_KEY || u->state == UP_LOGIN)
        give_up(u, &u->control, why, "weir-control did not get ready in time");
    else
        give_up(u, &u->proxy, why, "weir-proxy did not get ready in time");
}

static void on_tick(uv_timer_t *t)
{
    struct up *u = t->data;
    int64_t now_ms = weir_mono_ms();

    if (u->state < UP_UP && now_ms >= u->deadline_ms)
        late(u);
    if (weir__child_tick(&u->control, now_ms) && u->state < UP_DRAIN)
        start_child(u, &u->control);
    if (weir__child_tick(&u->proxy, now_ms) && u->state < UP_DRAIN)
        start_child(u, &u->proxy);
    if (u->state < UP_UP && !u->asking)
        ask(u);
}

static void on_exit_of(struct up *u, struct weir_child *c, int status)
{
    weir__child_exited(c, status, weir_mono_ms());
    if (u->state == UP_DRAIN) {
        drain(u);
    } else if (u->state < UP_UP) {
        /* Not up yet: what stopped it now would stop it again. */
        c->state = WEIR_CHILD_STOPPED;
        give_up(u, c, "Its log says why.",
                weir_arena_printf(u->cli->arena, "%s %s", c->name, how_it_ended(u, status)));
    } else {
        print_tail(u, c);
        weir__cli_complain(u->cli, "", "%s %s; it is started again in %s", c->name,
                           how_it_ended(u, status), weir__cli_span(u->cli, c->pause_ms + 999));
    }
}

static void on_signal(uv_signal_t *s, int number)
{
    struct up *u = s->data;

    if (number == SIGCHLD) {
        struct weir_child *all[] = {&u->control, &u->proxy};
        int status;

        for (int i = 0; i < 2; i++)
            if (all[i]->pid > 0 && waitpid(all[i]->pid, &status, WNOHANG) == all[i]->pid)
                on_exit_of(u, all[i], status);
        return;
    }
    if (u->state == UP_DRAIN) {
        fprintf(u->cli->err, "stopping at once\n");
        weir__child_kill(&u->proxy);
        weir__child_kill(&u->control);
        return;
    }
    fprintf(u->cli->err, "\nstopping (once more: at once)\n");
    drain(u);
}

/* ---- what must hold before anything is started (more in preflight.c) ---- */

static bool find_programs(struct up *u)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    static const char *const names[] = {"weir-control", "weir-proxy"};
    struct weir_child *all[] = {&u->control, &u->proxy};

    path[n > 0 ? n : 0] = 0;
    char *slash = strrchr(path, '/');

    if (slash)
        *slash = 0;
    for (int i = 0; i < 2; i++) {
        all[i]->name = names[i];
        all[i]->path = weir_arena_printf(u->cli->arena, "%s/%s", path, names[i]);
        all[i]->log_path =
            weir__cli_state_file(u->cli, weir_arena_printf(u->cli->arena, "%s.log", names[i]));
        if (access(all[i]->path, X_OK)) {
            weir__cli_complain(u->cli, "It belongs beside the weir command.", "%s is not there",
                               all[i]->path);
            return false;
        }
    }
    return true;
}

/* The state folder is this user's alone, and only one `weir up` works in it. */
static bool take_state(struct up *u)
{
    const char *lock = weir__cli_state_file(u->cli, "up.lock");
    int fd;

    if (weir_file_mkdirs(u->state_dir, 0700)) {
        weir__cli_complain(u->cli, "Choose another one with --state DIR.", "%s can't be made: %s",
                           u->state_dir, strerror(errno));
        return false;
    }
    fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* held until this process ends */
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
        weir__cli_complain(u->cli, "Stop it, or choose another folder with --state DIR.",
                           fd < 0 ? "%s can't be written" : "another `weir up` works in %s",
                           u->state_dir);
        return false;
    }
    if (strlen(u->socket) > SOCKET_PATH_MAX) {
        weir__cli_complain(u->cli, "Choose a shorter one with --state DIR.",
                           "the state folder's path is too long for a socket in it");
        return false;
    }
    return true;
}

static bool take_policy(struct up *u)
{
    const char *dir = u->cli->flags[WEIR_FLAG_POLICY];
    struct stat st;

    if (!dir)
        dir = stat("weir", &st) == 0 && S_ISDIR(st.st_mode)
                  ? "weir"
                  : weir__cli_state_file(u->cli, "policy");
    if (access(dir, R_OK) && weir_file_mkdirs(dir, 0755)) {
        weir__cli_complain(u->cli, "Choose another one with --policy DIR.", "%s can't be made: %s",
                           dir, strerror(errno));
        return false;
    }
    u->policy = dir;
    return true;
}

static const char *flag_or(struct up *u, enum weir_cli_flag_id id, const char *fallback)
{
    return u->cli->flags[id] ? u->cli->flags[id] : fallback;
}

static void add_arg(struct weir_child *c, const char *name, const char *value)
{
    size_t n = 0;

    while (c->argv[n])
        n++;
    WEIR_ASSERT(n + 2 <= WEIR_CHILD_MAX_ARGS);
    c->argv[n] = name;
    c->argv[n + 1] = value;
}

static void make_arguments(struct up *u)
{
    const char *control = weir_arena_printf(u->cli->arena, "unix:%s", u->socket);
    const char *level = flag_or(u, WEIR_FLAG_LOG_LEVEL, "info");
    struct weir_child *c = &u->control, *p = &u->proxy;

    c->argv[0] = c->name;
    c->argv[1] = "--local";
    add_arg(c, "--state", u->state_dir);
    add_arg(c, "--policy", u->policy);
    add_arg(c, "--grpc", control);
    add_arg(c, "--api", u->api);
    add_arg(c, "--log-level", level);
    if (u->cli->flags[WEIR_FLAG_PRICES])
        add_arg(c, "--prices", u->cli->flags[WEIR_FLAG_PRICES]);
    p->argv[0] = p->name;
    add_arg(p, "--state", weir__cli_state_file(u->cli, "proxy"));
    add_arg(p, "--control", control);
    add_arg(p, "--listen", u->listen);
    add_arg(p, "--admin", u->admin);
    add_arg(p, "--workers", flag_or(u, WEIR_FLAG_WORKERS, "1"));
    add_arg(p, "--access-log", weir__cli_state_file(u->cli, "access.log"));
    add_arg(p, "--node", "local");
    add_arg(p, "--drain-ms", "5000"); /* less than PROXY_GRACE_MS */
    add_arg(p, "--log-level", level);
    if (u->listen_tls) {
        add_arg(p, "--listen-tls", u->listen_tls);
        add_arg(p, "--tls-cert", u->cli->flags[WEIR_FLAG_TLS_CERT]);
        add_arg(p, "--tls-key", u->cli->flags[WEIR_FLAG_TLS_KEY]);
    }
}

/* The files themselves are looked at by weir-proxy. */
static bool take_tls(struct up *u)
{
    const char *const *f = u->cli->flags;
    bool all = f[WEIR_FLAG_LISTEN_TLS] && f[WEIR_FLAG_TLS_CERT] && f[WEIR_FLAG_TLS_KEY];

    if (!all && (f[WEIR_FLAG_LISTEN_TLS] || f[WEIR_FLAG_TLS_CERT] || f[WEIR_FLAG_TLS_KEY])) {
        weir__cli_complain(u->cli, "",
                           "--listen-tls, --tls-cert and --tls-key must be given together");
        return false;
    }
    u->listen_tls = f[WEIR_FLAG_LISTEN_TLS];
    return !all || weir__up_address_is_free(u->cli, u->listen_tls, "--listen-tls");
}

static bool prepare(struct up *u)
{
    u->state_dir = weir__cli_state(u->cli);
    u->socket = weir__cli_state_file(u->cli, "control.sock");
    u->listen = flag_or(u, WEIR_FLAG_LISTEN, "127.0.0.1:7070");
    u->admin = flag_or(u, WEIR_FLAG_ADMIN, "127.0.0.1:7071");
    u->api = flag_or(u, WEIR_FLAG_API_LISTEN, "127.0.0.1:7081");
    u->facts.gateway = weir_arena_printf(u->cli->arena, "http://%s", u->listen);
    u->facts.model = "echo";
    if (!find_programs(u) || !take_state(u) || !take_policy(u) ||
        !weir__up_policy_is_valid(u->cli, u->policy) ||
        !weir__up_address_is_free(u->cli, u->listen, "--listen") || !take_tls(u) ||
        !weir__up_address_is_free(u->cli, u->admin, "--admin") ||
        !weir__up_address_is_free(u->cli, u->api, "--api-listen"))
        return false;
    make_arguments(u);
    /* The address is what the other commands look for. */
    if (weir_file_mkdirs(weir__cli_state_file(u->cli, "proxy"), 0700) ||
        weir_file_replace(weir__cli_state_file(u->cli, "api.address"), weir_str_of(u->api), 0600,
                          false)) {
        weir__cli_complain(u->cli, "", "%s can't be written: %s", u->state_dir, strerror(errno));
        return false;
    }
    return true;
}

int weir__cli_up(struct weir_cli *cli)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    struct up u = {.cli = cli};

    if (!prepare(&u))
        return WEIR_EXIT_REFUSED;
    if (uv_loop_init(&u.loop))
        return WEIR_EXIT_REFUSED;
    u.client = weir_http_client_create(&u.loop);
    uv_timer_init(&u.loop, &u.tick);
    u.tick.data = &u;
    uv_timer_start(&u.tick, on_tick, 0, TICK_MS);
    for (int i = 0; i < 4; i++) {
        uv_signal_init(&u.loop, &u.signals[i]);
        u.signals[i].data = &u;
        uv_signal_start(&u.signals[i], on_signal, numbers[i]);
    }
    fprintf(cli->out, "starting weir-control and weir-proxy ...\n");
    fflush(cli->out);
    enter(&u, UP_CONTROL);
    start_child(&u, &u.control);
    uv_run(&u.loop, UV_RUN_DEFAULT);
    uv_loop_close(&u.loop);
    if (u.code == WEIR_EXIT_OK)
        fprintf(cli->out, "stopped\n");
    return u.code;
}
