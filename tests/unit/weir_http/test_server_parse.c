#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include <zlib.h>
#include <zstd.h>

#include "tests/unit/weir_http/server_mem.h"

#define HOST "Host: a\r\n"

static struct mem m;

static int setup(void **state)
{
    static const struct weir_http_limits limits = {
        .header_bytes = 1024, .target_bytes = 64, .header_count = 8, .body_bytes = 100000};

    (void)state;
    mem_init(&m, &limits);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_fini(&m);
    return 0;
}

static unsigned status_of(const struct mem *x)
{
    unsigned status = 0;

    if (x->out.n > 12)
        sscanf(x->out.p, "HTTP/1.1 %u", &status);
    return status;
}

static bool holds(const struct weir_buf *b, const char *text)
{
    return b->p && memmem(b->p, b->n, text, strlen(text)) != NULL;
}

/* Feeds in steps; 0 is all at once. Leaves the transcript in m. */
static void run(const char *p, size_t n, size_t first, size_t step)
{
    mem_connect(&m);
    m.later = true;
    if (first) {
        mem_feed(&m, p, first);
        p += first;
        n -= first;
    }
    while (n > 0) {
        size_t part = step && step < n ? step : n;

        mem_feed(&m, p, part);
        p += part;
        n -= part;
    }
    mem_answer(&m);
    mem_disconnect(&m);
    mem_mask_dates(&m);
}

static char *repeat(char ch, size_t n)
{
    static char text[4096];

    assert_true(n < sizeof text);
    memset(text, ch, n);
    text[n] = '\0';
    return text;
}

static void every_bad_input_has_its_answer(void **state)
{
    static const struct {
        const char *name, *input;
        unsigned status;
    } table[] = {
        {"no method", " / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"unknown method", "FETCH / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"lower-case method", "get / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"connect", "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 501},
        {"no target", "GET HTTP/1.1\r\n" HOST "\r\n", 400},
        {"relative target", "GET v1/models HTTP/1.1\r\n" HOST "\r\n", 400},
        {"star with get", "GET * HTTP/1.1\r\n" HOST "\r\n", 400},
        {"fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400},
        {"high byte in target", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"user in target", "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"foreign scheme", "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"version 2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 505},
        {"version 1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505},
        {"version 0.9", "GET / HTTP/0.9\r\n" HOST "\r\n", 505},
        {"not HTTP", "GET / XTTP/1.1\r\n" HOST "\r\n", 400},
        {"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"TLS on a plain port", "\x16\x03\x01\x02\x01\x01\x01\x01\xfc\x03\x03", 400},
        {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
        {"two hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
        {"host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", 400},
        {"line feed in a value", "GET / HTTP/1.1\r\n" HOST "A: b\nc\r\n\r\n", 400},
        {"folded header", "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400},
        {"space before colon", "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400},
        {"no colon", "GET / HTTP/1.1\r\n" HOST "A\r\n\r\n", 400},
        {"empty name", "GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", 400},
        {"control in a value", "GET / HTTP/1.1\r\n" HOST "A: \x01\r\n\r\n", 400},
        {"delete in a value", "GET / HTTP/1.1\r\n" HOST "A: \x7f\r\n\r\n", 400},
        {"length and chunked",
         "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"chunked and length",
         "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
        {"two lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
         400},
        {"two equal lengths",
         "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
        {"length list", "POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\n", 400},
        {"signed length", "POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\n", 400},
        {"negative length", "POST / HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\n", 400},
        {"hex length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\n", 400},
        {"empty length", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
        {"length past 64 bits",
         "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {"gzip, chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
         400},
        {"chunked, identity",
         "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
        {"not quite chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n",
         400},
        {"chunked twice",
         "POST / HTTP/1.1\r\n" HOST
         "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"chunk size not hex", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n",
         400},
        {"chunk size too large",
         "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", 400},
        {"chunk longer than said",
         "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400},
        {"chunk with bare line feed",
         "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n", 400},
        {"chunks of more than the limit",
         "POST /max10 HTTP/1.1\r\n" HOST
         "Transfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n",
         413},
        {"length over the limit", "POST /max10 HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n",
         413},
        {"other expectation",
         "POST / HTTP/1.1\r\n" HOST "Expect: coffee\r\nContent-Length: 1\r\n\r\n", 417},
        {"unknown coding",
         "POST / HTTP/1.1\r\n" HOST "Content-Encoding: lzma\r\nContent-Length: 1\r\n\r\nx", 415},
        {"two codings",
         "POST / HTTP/1.1\r\n" HOST "Content-Encoding: gzip, br\r\nContent-Length: 1\r\n\r\nx",
         415},
        {"gzip that is none",
         "POST / HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", 400},
        {"gzip that is cut",
         "POST / HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
         400},
        {"brotli that is none",
         "POST / HTTP/1.1\r\n" HOST
         "Content-Encoding: br\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff",
         400},
        {"zstd that is none",
         "POST / HTTP/1.1\r\n" HOST "Content-Encoding: zstd\r\nContent-Length: 4\r\n\r\nabcd", 400},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        size_t n = strlen(table[i].input);

        for (size_t step = 0; step < 4; step++) {
            run(table[i].input, n, 0, step);
            if (status_of(&m) != table[i].status)
                fail_msg("%s: %u in place of %u", table[i].name, status_of(&m), table[i].status);
            assert_true(holds(&m.out, "Connection: close\r\n"));
            assert_true(holds(&m.out, "{\"error\":{\"code\":\""));
            assert_false(holds(&m.out, "fine"));
        }
    }
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    static const char good[] = "GET /a HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n";

    (void)state;
    for (size_t i = 0; i + 1 < sizeof good; i++) {
        char text[sizeof good];

        memcpy(text, good, sizeof good);
        text[i] = '\0';
        run(text, sizeof good - 1, 0, 0);
        assert_int_equal(status_of(&m), 400);
    }
}

static void what_is_too_large_is_told_apart(void **state)
{
    char text[6000];
    int n;

    (void)state;
    n = snprintf(text, sizeof text, "GET /%s HTTP/1.1\r\n" HOST "\r\n", repeat('a', 64));
    run(text, (size_t)n, 0, 0);
    assert_int_equal(status_of(&m), 414);
    n = snprintf(text, sizeof text, "GET /%s HTTP/1.1\r\n" HOST "\r\n", repeat('a', 63));
    run(text, (size_t)n, 0, 0);
    assert_int_equal(status_of(&m), 200);
    n = snprintf(text, sizeof text, "GET /%s", repeat('a', 4000));
    run(text, (size_t)n, 0, 0);
    assert_int_equal(status_of(&m), 414);
    n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "A: %s\r\n\r\n", repeat('a', 1100));
    run(text, (size_t)n, 0, 0);
    assert_int_equal(status_of(&m), 431);
    n = snprintf(text, sizeof text,
                 "GET / HTTP/1.1\r\n" HOST "A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\nH:\r\n\r\n");
    run(text, (size_t)n, 0, 0);
    assert_int_equal(status_of(&m), 431);
}

static void endless_chunk_framing_is_cut_off(void **state)
{
    static const char head[] = "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1;";

    (void)state;
    mem_connect(&m);
    mem_feed(&m, head, sizeof head - 1);
    for (size_t i = 0; i < 100 && m.out.n == 0; i++)
        mem_feed(&m, repeat('x', 1000), 1000);
    assert_int_equal(status_of(&m), 400);
    mem_disconnect(&m);
}

static const char *const corpus[] = {
    "GET / HTTP/1.1\r\n" HOST "\r\n",
    "\r\n\r\nGET /x?y=z&a HTTP/1.1\r\nhOsT: a.example:8080\r\nEmpty:\r\nSpaced:  two words "
    "\t\r\n\r\n",
    "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nhello world",
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n6;a=\"b\"\r\n "
    "world\r\n0\r\nT: t\r\n\r\n",
    "POST /e HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    "GET http://b.example/p HTTP/1.1\r\n" HOST "\r\n",
    "GET https://b.example?q HTTP/1.1\r\n" HOST "\r\n",
    "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
    "HEAD /h HTTP/1.1\r\n" HOST "\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "Connection: foo, Close\r\n\r\n",
    "GET /ws HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "POST /ws HTTP/1.1\r\n" HOST
    "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok",
    "GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n",
    "POST /1 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nxPOST /2 HTTP/1.1\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /max10 HTTP/1.1\r\n" HOST "Content-Length: 99\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
};

static void where_the_bytes_are_cut_never_matters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof corpus / sizeof corpus[0]; i++) {
        size_t n = strlen(corpus[i]);
        char *out, *events;

        run(corpus[i], n, 0, 0);
        assert_true(m.out.n > 0);
        out = weir_strdup(weir_buf_str(&m.out));
        events = weir_strdup(weir_buf_str(&m.events));
        for (size_t cut = 1; cut < n; cut++) {
            run(corpus[i], n, cut, 0);
            assert_string_equal(weir_buf_add(&m.out, "", 1) ? "" : m.out.p, out);
            assert_string_equal(weir_buf_add(&m.events, "", 1) ? "" : m.events.p, events);
        }
        run(corpus[i], n, 0, 1);
        assert_string_equal(weir_buf_add(&m.out, "", 1) ? "" : m.out.p, out);
        assert_string_equal(weir_buf_add(&m.events, "", 1) ? "" : m.events.p, events);
        free(out);
        free(events);
    }
}

static void the_handler_sees_what_was_sent(void **state)
{
    (void)state;
    run(corpus[1], strlen(corpus[1]), 0, 0);
    assert_true(holds(&m.events, "request GET /x?y=z&a @a.example:8080 hOsT=[a.example:8080] "
                                 "Empty=[] Spaced=[two words];body 0 "));
    run(corpus[3], strlen(corpus[3]), 0, 0);
    assert_true(holds(&m.events, "body 11 hello world "));
    assert_false(holds(&m.events, "T=[t]"));
    run(corpus[5], strlen(corpus[5]), 0, 0);
    assert_true(holds(&m.events, "request GET /p? @b.example "));
    run(corpus[6], strlen(corpus[6]), 0, 0);
    assert_true(holds(&m.events, "request GET /?q @b.example "));
}

static void continue_is_said_once_and_only_if_the_body_is_wanted(void **state)
{
    static const char refused[] =
        "POST /max10 HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n";

    (void)state;
    run(corpus[4], strlen(corpus[4]), 0, 0);
    assert_memory_equal(m.out.p, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", 42);
    run(refused, sizeof refused - 1, 0, 0);
    assert_int_equal(status_of(&m), 413);
    assert_false(holds(&m.out, "100 Continue"));
}

static void connections_are_kept_or_closed_as_the_client_says(void **state)
{
    static const struct {
        const char *input, *connection;
        bool closed;
    } table[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", NULL, false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "close", true},
        {"GET / HTTP/1.0\r\n\r\n", "close", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", NULL,
         false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        mem_connect(&m);
        m.later = false;
        mem_feed(&m, table[i].input, strlen(table[i].input));
        assert_int_equal(status_of(&m), 200);
        assert_int_equal(m.closed, table[i].closed);
        assert_int_equal(holds(&m.out, "Connection: "), table[i].connection != NULL);
        if (table[i].connection)
            assert_true(holds(&m.out, table[i].connection));
        mem_disconnect(&m);
    }
}

static void a_pipelined_request_is_never_served(void **state)
{
    (void)state;
    run(corpus[14], strlen(corpus[14]), 0, 0);
    assert_true(holds(&m.out, "Connection: close\r\n"));
    assert_true(holds(&m.events, "request GET /1"));
    assert_false(holds(&m.events, "/2"));
    assert_false(holds(&m.events, "abort"));
    assert_true(m.shut);
    assert_int_equal(weir_http_server_metrics(m.server)->pipelined, 1);
}

static void requests_follow_each_other_on_one_connection(void **state)
{
    (void)state;
    mem_connect(&m);
    m.later = false;
    for (size_t i = 0; i < 100; i++)
        mem_feed(&m, corpus[2], strlen(corpus[2]));
    assert_false(m.closed);
    assert_int_equal(weir_http_server_metrics(m.server)->responses[2], 100);
    mem_disconnect(&m);
}

static void head_answers_have_a_length_and_no_body(void **state)
{
    (void)state;
    run(corpus[8], strlen(corpus[8]), 0, 0);
    assert_true(holds(&m.out, "Content-Length: 4\r\n\r\n"));
    assert_false(holds(&m.out, "fine"));
}

static void coded(const char *name, const void *p, size_t n)
{
    struct weir_buf b;

    weir_buf_init(&b, 1 << 20);
    weir_buf_addf(&b,
                  "POST / HTTP/1.1\r\n" HOST "Content-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
                  name, n);
    weir_buf_add(&b, p, n);
    run(b.p, b.n, 0, 0);
    if (status_of(&m) == 200) {
        char *events = weir_strdup(weir_buf_str(&m.events));

        run(b.p, b.n, 0, 1);
        assert_string_equal(weir_buf_add(&m.events, "", 1) ? "" : m.events.p, events);
        free(events);
    }
    weir_buf_fini(&b);
}

static size_t deflated(const void *p, size_t n, int bits, unsigned char *out, size_t max)
{
    z_stream z = {
        .next_in = (Bytef *)p, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)max};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return max - z.avail_out;
}

static void compressed_bodies_arrive_in_clear_text(void **state)
{
    static const unsigned char br[] = {0x0b, 0x02, 0x80, 'h', 'e', 'l', 'l', 'o', 0x03};
    static char text[40000];
    unsigned char out[8192];
    size_t n;

    (void)state;
    memset(text, 'z', sizeof text);
    n = deflated(text, sizeof text, 15 + 16, out, sizeof out);
    coded("gzip", out, n);
    assert_true(holds(&m.events, "body 40000 zzzz"));
    coded("X-GZip", out, n);
    assert_true(holds(&m.events, "body 40000 zzzz"));
    memcpy(out + n, out, n); /* two members */
    coded("gzip", out, n * 2);
    assert_true(holds(&m.events, "body 80000 zzzz"));
    n = deflated(text, sizeof text, 15, out, sizeof out);
    coded("deflate", out, n);
    assert_true(holds(&m.events, "body 40000 zzzz"));
    n = ZSTD_compress(out, sizeof out, text, sizeof text, 3);
    coded("zstd", out, n);
    assert_true(holds(&m.events, "body 40000 zzzz"));
    coded("br", br, sizeof br);
    assert_true(holds(&m.events, "body 5 hello"));
    coded("identity", "plain", 5);
    assert_true(holds(&m.events, "body 5 plain"));
}

static void a_decompression_bomb_is_413_and_bounded(void **state)
{
    static char zeros[4 << 20];
    static unsigned char out[65536];
    size_t n = deflated(zeros, sizeof zeros, 15 + 16, out, sizeof out);

    (void)state;
    coded("gzip", out, n);
    assert_int_equal(status_of(&m), 413);
    assert_true(holds(&m.events, "abort limit;done;"));
    n = ZSTD_compress(out, sizeof out, zeros, sizeof zeros, 3);
    coded("zstd", out, n);
    assert_int_equal(status_of(&m), 413);
}

static void bodies_past_what_all_may_take_are_503_and_give_back_what_they_took(void **state)
{
    static char zeros[50000];
    static unsigned char out[8192];
    size_t n = deflated(zeros, sizeof zeros, 15 + 16, out, sizeof out);

    (void)state;
    m.server->bodies.max = 20000;
    coded("identity", zeros, 19000);
    assert_int_equal(status_of(&m), 200);
    coded("identity", zeros, 20000);
    assert_int_equal(status_of(&m), 503);
    assert_true(holds(&m.out, "Retry-After: 1\r\n"));
    assert_true(holds(&m.out, "body_memory_full"));
    assert_true(holds(&m.events, "abort limit;done;"));
    coded("gzip", out, n);
    assert_int_equal(status_of(&m), 503);
    assert_int_equal(weir_http_server_metrics(m.server)->bodies_refused, 2);
    assert_int_equal(weir_http_server_body_bytes(m.server), 0);
    coded("identity", zeros, 19000);
    assert_int_equal(status_of(&m), 200);
}

static void a_body_of_exactly_the_limit_passes(void **state)
{
    static char text[100001];
    static unsigned char out[8192];

    (void)state;
    coded("gzip", out, deflated(text, 100000, 15 + 16, out, sizeof out));
    assert_int_equal(status_of(&m), 200);
    coded("gzip", out, deflated(text, 100001, 15 + 16, out, sizeof out));
    assert_int_equal(status_of(&m), 413);
    coded("identity", text, 100000);
    assert_int_equal(status_of(&m), 200);
    coded("identity", text, 100001);
    assert_int_equal(status_of(&m), 413);
}

static void a_client_that_leaves_ends_the_exchange_once(void **state)
{
    (void)state;
    for (size_t n = 1; n <= strlen(corpus[2]); n++) {
        bool announced;

        mem_connect(&m);
        m.later = true;
        mem_feed(&m, corpus[2], n);
        announced = holds(&m.events, "request");
        weir__http_input(m.conn, UV_EOF, NULL);
        assert_true(m.closed);
        assert_int_equal(holds(&m.events, "abort closed;done;"), announced);
        mem_disconnect(&m);
    }
}

static void a_held_request_outlives_its_connection(void **state)
{
    struct weir_http_req *r;
    struct weir_http_req_info info;

    (void)state;
    mem_connect(&m);
    m.later = true;
    mem_feed(&m, corpus[2], strlen(corpus[2]));
    r = m.pending;
    weir_http_req_hold(r);
    mem_disconnect(&m);
    assert_true(holds(&m.events, "abort closed;done;"));
    assert_true(weir_str_is(weir_http_req_path(r), "/v1/messages"));
    weir_http_req_info(r, &info);
    assert_true(weir_str_is(info.peer, "memory"));
    assert_int_equal(info.bytes_in, strlen(corpus[2]));
    assert_int_equal(weir_http_write(r, "x", 1), WEIR_ECLOSED);
    assert_int_equal(weir_http_respond(r, 200, NULL, 0, WEIR_STR("")), WEIR_ECLOSED);
    weir_http_abort(r);
    weir_http_req_release(r);
}

static void in_our_words(void *arg, struct weir_http_req *req, unsigned status, const char *code,
                         const char *detail, struct weir_buf *body, struct weir_str *content_type)
{
    struct weir_str path = req ? weir_http_req_path(req) : WEIR_STR("nowhere");

    (void)arg, (void)detail;
    *content_type = WEIR_STR("text/x-error");
    weir_buf_addf(body, "%u %s at %.*s", status, code, WEIR_STR_ARG(path));
}

static void a_handler_may_word_the_errors(void **state)
{
    struct weir_http_handler worded = mem_handler;

    (void)state;
    worded.on_protocol_error = in_our_words;
    m.server->handler = &worded;
    run(corpus[17], strlen(corpus[17]), 0, 0);
    assert_true(holds(&m.out, "Content-Type: text/x-error\r\n"));
    assert_true(holds(&m.out, "\r\n\r\n413 body_too_large at /max10"));
    run("GARBAGE", 7, 0, 0);
    assert_true(holds(&m.out, "\r\n\r\n400 bad_request at nowhere"));
    m.server->handler = &mem_handler;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_bad_input_has_its_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_nul_byte_is_refused_wherever_it_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_too_large_is_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(endless_chunk_framing_is_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(where_the_bytes_are_cut_never_matters, setup, teardown),
        cmocka_unit_test_setup_teardown(the_handler_sees_what_was_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(continue_is_said_once_and_only_if_the_body_is_wanted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(connections_are_kept_or_closed_as_the_client_says, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_pipelined_request_is_never_served, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_follow_each_other_on_one_connection, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(head_answers_have_a_length_and_no_body, setup, teardown),
        cmocka_unit_test_setup_teardown(compressed_bodies_arrive_in_clear_text, setup, teardown),
        cmocka_unit_test_setup_teardown(a_decompression_bomb_is_413_and_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(
            bodies_past_what_all_may_take_are_503_and_give_back_what_they_took, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_of_exactly_the_limit_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_held_request_outlives_its_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(a_handler_may_word_the_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_leaves_ends_the_exchange_once, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
