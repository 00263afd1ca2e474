/* refresher.c - see refresher.h.
 *
 * An entry is idle until due, then FETCHING step by step, then idle again: after a token until most
 * of its life is over, after a failure for a pause that doubles. */
#include "dataplane/credentials/refresher.h"

#include <stdlib.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/list.h"
#include "base/log.h"
#include "base/rand.h"

enum {
    MAX_ANSWER = 64 << 10,
    MAX_TOKEN_FILE = 64 << 10,
    CONNECT_MS = 5000,
    FETCH_MS = 15000,
    PAUSE_MS = 1000,
    MAX_PAUSE_MS = 60000,
    PROBLEM_BYTES = 320,
};

struct entry {
    struct weir_link link;
    struct weir_refresher *r;
    struct weir_cred_source *source;
    struct weir_cred_token *token; /* the last good one */
    int64_t due_ms;                /* wall clock */
    int64_t pause_ms;              /* after the next failure */
    struct weir_http_call *call;   /* NULL: idle */
    struct weir_arena *arena;      /* of the fetch under way */
    struct weir_cred_steps steps;
    struct weir_str body; /* of the request: secret */
    struct weir_buf answer;
    int status;
    bool wanted;                 /* while a new set is taken over */
    char problem[PROBLEM_BYTES]; /* that was told last; "": none since the last token */
};

struct weir_refresher {
    struct weir_http_client *client;
    weir_refresher_fn fn;
    void *arg;
    struct weir_prng prng;
    struct weir_link entries;
};

struct weir_refresher *weir_refresher_create(uv_loop_t *loop, weir_refresher_fn fn, void *arg)
{
    struct weir_refresher *r = WEIR_NEW(struct weir_refresher);

    r->client = weir_http_client_create(loop);
    if (!r->client) {
        free(r);
        return NULL;
    }
    r->fn = fn;
    r->arg = arg;
    weir_prng_seed(&r->prng);
    weir_list_init(&r->entries);
    return r;
}

/* Also between the steps of a fetch. */
static void forget_step(struct entry *e)
{
    if (e->body.n)
        weir_wipe((char *)(uintptr_t)e->body.p, e->body.n);
    e->body = WEIR_STR_NULL;
    if (e->answer.p)
        weir_wipe(e->answer.p, e->answer.n);
    weir_buf_fini(&e->answer);
    weir_arena_destroy(e->arena);
    e->arena = NULL;
}

static void forget(struct entry *e)
{
    if (e->call)
        weir_http_call_cancel(e->call);
    forget_step(e);
    weir_wipe(&e->steps, sizeof e->steps);
    weir_list_remove(&e->link);
    weir_cred_token_unref(e->token);
    weir_cred_source_unref(e->source);
    free(e);
}

void weir_refresher_destroy(struct weir_refresher *r)
{
    if (!r)
        return;
    WEIR_LIST_EACH (&r->entries, l, following) {
        forget(WEIR_CONTAINER(l, struct entry, link));
    }
    weir_http_client_destroy(r->client);
    free(r);
}

int64_t weir_refresher_due_ms(int64_t now_ms, int64_t expires_ms, uint64_t random)
{
    int64_t life = expires_ms - now_ms;

    if (life <= 0)
        return now_ms;
    return now_ms + life / 4 * 3 + (int64_t)(random % (uint64_t)(life / 10 + 1));
}

static void failed(struct entry *e, const char *what, const char *why)
{
    char problem[PROBLEM_BYTES];
    int64_t half = e->pause_ms / 2;

    (void)snprintf(problem, sizeof problem, "%s: %s", what, why);
    forget_step(e); /* `why` may be its arena's */
    e->call = NULL;
    if (strcmp(problem, e->problem) != 0)
        WEIR_LOG(WEIR_LOG_WARN, "credentials", "provider %.*s: %s%s",
                 WEIR_STR_ARG(weir_cred_source_conf(e->source)->name), problem,
                 e->token ? "; the token before stays in force until its end" : "");
    memcpy(e->problem, problem, sizeof problem);
    e->due_ms = weir_wall_ms() + half +
                (int64_t)weir_prng_below(&e->r->prng, (uint64_t)e->pause_ms - (uint64_t)half + 1);
    e->pause_ms = 2 * e->pause_ms > MAX_PAUSE_MS ? MAX_PAUSE_MS : 2 * e->pause_ms;
    e->r->fn(e->r->arg, e->source, NULL, e->problem);
}

static void succeeded(struct entry *e, struct weir_cred_token *token)
{
    int64_t now = weir_wall_ms();

    forget_step(e);
    e->call = NULL;
    weir_cred_token_unref(e->token);
    e->token = token;
    e->pause_ms = PAUSE_MS;
    e->due_ms =
        weir_refresher_due_ms(now, weir_cred_token_expires_ms(token), weir_prng_next(&e->r->prng));
    if (e->problem[0])
        WEIR_LOG(WEIR_LOG_INFO, "credentials", "provider %.*s: its token came at last",
                 WEIR_STR_ARG(weir_cred_source_conf(e->source)->name));
    e->problem[0] = '\0';
    e->r->fn(e->r->arg, e->source, token, NULL);
}

static void ask(struct entry *e);

static void on_head(void *arg, const struct weir_http_call_head *head)
{
    struct entry *e = arg;

    e->status = head->status;
}

static void on_body(void *arg, const char *p, size_t n)
{
    struct entry *e = arg;

    weir_buf_add(&e->answer, p, n);
}

static const char *whom(const struct entry *e)
{
    return weir_cred_source_conf(e->source)->kind == WEIR_CRED_GOOGLE_METADATA ||
                   weir_cred_source_conf(e->source)->kind >= WEIR_CRED_AWS_CONTAINER
               ? "no credential from the metadata endpoint"
               : "no credential from the token endpoint";
}

static void on_end(void *arg, const struct weir_http_call_info *info)
{
    struct entry *e = arg;
    struct weir_cred_token *token;
    const char *why = "";
    int rc;

    (void)info;
    e->call = NULL;
    if (e->answer.full) {
        failed(e, whom(e), "its answer is longer than 64 KiB");
        return;
    }
    rc = weir_cred_answer(e->source, &e->steps, e->status, weir_buf_str(&e->answer), weir_wall_ms(),
                          e->arena, &token, &why);
    if (rc == WEIR_OK) {
        succeeded(e, token);
    } else if (rc == WEIR_EWAIT) {
        forget_step(e);
        ask(e);
    } else {
        failed(e, whom(e), why);
    }
}

static void on_error(void *arg, int rc, const struct weir_http_call_info *info)
{
    struct entry *e = arg;

    (void)rc;
    e->call = NULL;
    failed(e, whom(e), info->cause);
}

static const struct weir_http_call_events events = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

static int start_call(struct entry *e, const struct weir_cred_ask *ask)
{
    const struct weir_http_call_spec spec = {.method = ask->method,
                                             .path = ask->path,
                                             .headers = ask->headers,
                                             .header_count = ask->header_count,
                                             .body = &e->body,
                                             .body_count = e->body.n ? 1 : 0,
                                             .has_body = ask->has_body,
                                             .connect_timeout_ms = CONNECT_MS,
                                             .total_timeout_ms = FETCH_MS};

    return weir_http_call_start(e->r->client, weir_cred_source_conf(e->source)->origin, &spec,
                                &events, e, &e->call);
}

static void ask(struct entry *e)
{
    const struct weir_cred_conf *c = weir_cred_source_conf(e->source);
    const char *why = NULL;
    struct weir_cred_ask ask;
    struct weir_buf file;
    int rc = WEIR_OK;

    e->arena = weir_arena_create(NULL);
    weir_buf_init(&e->answer, MAX_ANSWER);
    weir_buf_init(&file, MAX_TOKEN_FILE);
    if (c->token_file.p && weir_file_read(c->token_file.p, &file))
        why = "it can't be read by this proxy";
    if (!why)
        rc = weir_cred_ask(e->source, &e->steps,
                           c->token_file.p ? weir_buf_str(&file) : WEIR_STR_NULL, weir_wall_ms(),
                           e->arena, &ask, &why);
    if (!why && rc == WEIR_OK) {
        e->body = ask.body;
        if (start_call(e, &ask))
            why = "a header of the request can't be sent";
    }
    if (file.p)
        weir_wipe(file.p, file.n);
    weir_buf_fini(&file);
    if (why)
        failed(e, c->token_file.p ? c->token_file.p : whom(e), why);
}

void weir_refresher_tick(struct weir_refresher *r)
{
    int64_t now = weir_wall_ms();

    WEIR_LIST_EACH (&r->entries, l, following) {
        struct entry *e = WEIR_CONTAINER(l, struct entry, link);

        if (e->call || e->due_ms > now)
            continue;
        memset(&e->steps, 0, sizeof e->steps);
        ask(e);
    }
}

static struct entry *find(struct weir_refresher *r, const struct weir_cred_source *s)
{
    WEIR_LIST_EACH (&r->entries, l, following) {
        struct entry *e = WEIR_CONTAINER(l, struct entry, link);

        if (memcmp(weir_cred_source_key(e->source), weir_cred_source_key(s), WEIR_SHA256_BYTES) ==
            0)
            return e;
    }
    return NULL;
}

/* The latest source of equal ones stays: its origin is the one that the policy in force has. */
static void want(struct weir_refresher *r, struct weir_cred_source *s)
{
    struct entry *e = find(r, s);

    if (!e) {
        e = WEIR_NEW(struct entry);
        e->r = r;
        e->pause_ms = PAUSE_MS;
        weir_list_push(&r->entries, &e->link);
    } else {
        weir_cred_source_unref(e->source);
    }
    e->source = weir_cred_source_ref(s);
    e->wanted = true;
}

void weir_refresher_set(struct weir_refresher *r, struct weir_cred_source *const *sources, size_t n)
{
    WEIR_LIST_EACH (&r->entries, l, following) {
        WEIR_CONTAINER(l, struct entry, link)->wanted = false;
    }
    for (size_t i = 0; i < n; i++)
        want(r, sources[i]);
    WEIR_LIST_EACH (&r->entries, l, following) {
        if (!WEIR_CONTAINER(l, struct entry, link)->wanted)
            forget(WEIR_CONTAINER(l, struct entry, link));
    }
    weir_refresher_tick(r);
}
