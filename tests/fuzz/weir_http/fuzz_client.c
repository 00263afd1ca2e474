/* fuzz_client.c - an upstream's answer: bounded, and the same however it is cut. The first byte
 * chooses the request's method and where to cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "http/client_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct weir_sha256 hash;
    bool done;
    int rc;
    size_t body_bytes;
};

static void add(struct seen *s, struct weir_str text)
{
    weir_sha256_add(&s->hash, &text.n, sizeof text.n);
    weir_sha256_add(&s->hash, text.p, text.n);
}

static void on_head(void *arg, const struct weir_http_call_head *h)
{
    struct seen *s = arg;

    WEIR_ASSERT(h->status >= 200 && h->header_count <= WEIR_HTTP_CALL_MAX_HEADERS);
    weir_sha256_add(&s->hash, &h->status, sizeof h->status);
    weir_sha256_add(&s->hash, &h->content_length, sizeof h->content_length);
    for (size_t i = 0; i < h->header_count; i++) {
        add(s, h->headers[i].name);
        add(s, h->headers[i].value);
    }
}

static void on_body(void *arg, const char *p, size_t n)
{
    struct seen *s = arg;

    weir_sha256_add(&s->hash, p, n);
    s->body_bytes += n;
}

static const struct weir_http_call_events events = {.on_head = on_head, .on_body = on_body};

static struct weir_http_client *client(void)
{
    static uv_loop_t loop;
    static struct weir_http_client *c; /* one for the whole run */

    if (!c) {
        WEIR_ASSERT(uv_loop_init(&loop) == 0);
        c = weir_http_client_create(&loop);
    }
    return c;
}

static void run(struct seen *seen, bool head_only, const uint8_t *data, size_t size, size_t step)
{
    struct weir__pool pool = {.client = client()};
    struct weir__conn conn = {.pool = &pool};
    struct weir_http_call call = {
        .client = pool.client, .conn = &conn, .ev = &events, .arg = seen, .head_only = head_only};

    memset(seen, 0, sizeof *seen);
    weir_sha256_init(&seen->hash);
    conn.call = &call;
    llhttp_init(&conn.parser, HTTP_RESPONSE, &pool.client->settings);
    conn.parser.data = &conn;
    weir__parse_begin(&conn);
    for (size_t at = 0; at < size && !conn.done && !conn.rc; at += step) {
        size_t n = size - at < step ? size - at : step;
        char *copy = weir_alloc(n); /* exact, and gone before the next piece */

        memcpy(copy, data + at, n);
        weir__parse_bytes(&conn, copy, n);
        free(copy);
    }
    if (!conn.done && !conn.rc)
        weir__parse_eof(&conn);
    seen->done = conn.done;
    seen->rc = conn.done ? 0 : conn.rc;
    weir__parse_free_head(&conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char a[WEIR_SHA256_BYTES], b[WEIR_SHA256_BYTES];
    struct seen whole, split;
    bool head_only;
    size_t step;

    /* Whether a head is too large may depend on the cut: the body behind it counts in one read. */
    if (size < 2 || size > WEIR_HTTP_CALL_MAX_HEAD)
        return 0;
    head_only = data[0] & 1;
    step = 1 + (data[0] >> 1) % (size - 1);
    data++;
    size--;
    run(&whole, head_only, data, size, size);
    run(&split, head_only, data, size, step);
    WEIR_ASSERT(whole.done == split.done);
    /* A name that is one too many and malformed is refused for whichever is seen first. */
    WEIR_ASSERT((whole.rc == 0) == (split.rc == 0));
    WEIR_ASSERT(whole.body_bytes <= size);
    weir_sha256_end(&whole.hash, a);
    weir_sha256_end(&split.hash, b);
    WEIR_ASSERT(memcmp(a, b, sizeof a) == 0);
    return 0;
}
