/* Answers of any dialect, whole and as a stream: fed at once or byte by byte, the same bytes go
 * to the client and the same things are seen; a cut ends with a stream that the same reader finds
 * complete. */
#include <stdlib.h>

#include "dataplane/llm/llm.h"

static void collect(void *arg, const char *p, size_t n)
{
    weir_buf_add(arg, p, n);
}

struct run {
    struct weir_llm_tap *tap;
    struct weir_buf sent;
    int rc, end;
};

static void run(struct run *r, struct weir_arena *a, const struct weir_llm_tap_conf *conf,
                const char *p, size_t n, size_t step)
{
    r->tap = weir_llm_tap_create(a, conf);
    weir_buf_init(&r->sent, 1 << 24);
    r->rc = WEIR_OK;
    for (size_t at = 0; at < n && r->rc == WEIR_OK; at += step)
        r->rc = weir_llm_tap_feed(r->tap, p + at, n - at < step ? n - at : step, collect, &r->sent);
}

/* The LF of a CRLF that was cut in two goes out with the next event, even when its own event was
 * held back: input with a CR is compared without line ends. */
static void drop_line_ends(struct weir_buf *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        if (b->p[i] != '\r' && b->p[i] != '\n')
            b->p[n++] = b->p[i];
    b->n = n;
}

static void same(struct run *x, struct run *y)
{
    const struct weir_llm_seen *a = weir_llm_tap_seen(x->tap), *b = weir_llm_tap_seen(y->tap);

    WEIR_ASSERT(weir_str_eq(weir_buf_str(&x->sent), weir_buf_str(&y->sent)));
    WEIR_ASSERT(a->usage.input == b->usage.input && a->usage.output == b->usage.output);
    WEIR_ASSERT(a->usage.cache_read == b->usage.cache_read);
    WEIR_ASSERT(a->output_bytes == b->output_bytes && a->content_events == b->content_events);
    WEIR_ASSERT(a->complete == b->complete && a->error == b->error);
    WEIR_ASSERT(weir_str_eq(a->model, b->model) && weir_str_eq(a->finish, b->finish));
    WEIR_ASSERT(a->output_estimate <= a->output_bytes);
}

static void cut(struct run *r, struct weir_arena *a, const struct weir_llm_tap_conf *conf)
{
    struct weir_buf rest;
    struct run again;

    weir_buf_init(&rest, 1 << 20);
    if (weir_llm_tap_cut(r->tap, WEIR_STR("The budget is used up."), &rest) == WEIR_OK) {
        weir_buf_adds(&r->sent, weir_buf_str(&rest));
        run(&again, a, conf, r->sent.p, r->sent.n, r->sent.n);
        WEIR_ASSERT(weir_llm_tap_end(again.tap, collect, &again.sent) == WEIR_OK);
        WEIR_ASSERT(weir_llm_tap_seen(again.tap)->complete);
        weir_buf_fini(&again.sent);
    }
    weir_buf_fini(&rest);
}

static void check(enum weir_dialect d, bool events, const char *p, size_t n)
{
    struct weir_llm_tap_conf conf = {
        .dialect = d, .event_stream = events, .hide_usage = n & 1, .max_event_bytes = 1 << 16};
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_usage u;
    struct run whole, split, again;

    run(&whole, a, &conf, p, n, n);
    run(&split, a, &conf, p, n, 1);
    if (whole.rc == WEIR_OK && split.rc == WEIR_OK) {
        WEIR_ASSERT(events || weir_str_eq(weir_buf_str(&whole.sent), (struct weir_str){p, n}));
        cut(&whole, a, &conf);
        run(&again, a, &conf, p, n, n);
        if (memchr(p, '\r', n)) {
            drop_line_ends(&again.sent);
            drop_line_ends(&split.sent);
        }
        same(&again, &split);
        weir_buf_fini(&again.sent);
        whole.end = weir_llm_tap_end(whole.tap, collect, &whole.sent);
        WEIR_ASSERT(whole.end == WEIR_OK || whole.end == WEIR_ECLOSED);
        weir_llm_tap_usage(whole.tap, &u);
        WEIR_ASSERT(u.input >= 0 && u.output >= 0);
    }
    weir_buf_fini(&whole.sent);
    weir_buf_fini(&split.sent);
    weir_arena_destroy(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0 || n > 1 << 15)
        return 0;
    for (enum weir_dialect d = WEIR_DIALECT_OPENAI_CHAT; d < WEIR_DIALECT_ALL; d++) {
        check(d, true, (const char *)p, n);
        check(d, false, (const char *)p, n);
    }
    return 0;
}
