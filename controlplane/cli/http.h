/* http.h - calls to the control plane's API: in the background of a loop for `weir up`, and
 * blocking for every other command. */
#ifndef WEIR_CLI_HTTP_H
#define WEIR_CLI_HTTP_H

#include <uv.h>
#include <yyjson.h>

#include "controlplane/cli/cli.h"

struct weir_http_client;

struct weir_cli_request {
    const char *address; /* HOST:PORT */
    const char *method, *path;
    const char *token; /* NULL: none */
    struct weir_str body;
    int64_t timeout_ms;
};

/* status 0: no answer, rc and why say the reason. body is borrowed. Called once, then the call is
 * gone; never from inside start. */
typedef void (*weir_cli_done_fn)(void *arg, int rc, const char *why, int status,
                                 struct weir_str body);

/* WEIR_EINVAL: the address is not HOST:PORT. The strings may go when it returns. */
WEIR_NODISCARD int weir__cli_http_start(struct weir_http_client *client,
                                        const struct weir_cli_request *r, weir_cli_done_fn done,
                                        void *arg);

/* "HOST:PORT", "[::1]:PORT". WEIR_EINVAL. host is in the arena. */
WEIR_NODISCARD int weir__cli_address(struct weir_arena *a, const char *text, const char **out_host,
                                     unsigned *out_port);

/* A blocking call of the API with the address and the token that were found. 0: the answer is in
 * *out_doc (free it; NULL when empty) and was a success. Else it was complained about and the
 * result is the exit code. quiet: no complaint when nothing answers. */
int weir__cli_call(struct weir_cli *cli, const char *method, const char *path, struct weir_str body,
                   yyjson_doc **out_doc);
/* The same with GET; prints the answer as it is. */
int weir__cli_print_answer(struct weir_cli *cli, const char *path);
/* The same; the answer's bytes are added to out. */
int weir__cli_fetch(struct weir_cli *cli, const char *path, struct weir_buf *out);
bool weir__cli_reachable(struct weir_cli *cli, yyjson_doc **out_version);

/* s escaped for a path or a query. */
const char *weir__cli_escape(struct weir_cli *cli, const char *s);
/* "&from=...&until=..." of the flags that are given; the arena's. */
const char *weir__cli_period(struct weir_cli *cli);
const char *weir__cli_api_address(struct weir_cli *cli);

#endif
