/* test_sse.c - reading and writing event streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/sse.h"

static void print(struct weir_buf *b, const struct weir_sse_event *e)
{
    weir_buf_addf(b, "[%.*s|", WEIR_STR_ARG(e->name));
    if (e->data.p)
        weir_buf_adds(b, e->data);
    else
        weir_buf_addz(b, "-");
    weir_buf_addf(b, "|%.*s%s]", WEIR_STR_ARG(e->id), e->complete ? "" : " cut");
}

/* What the stream gives when fed in pieces of this size; blank lines and lone LFs are left out. */
static void read_all(struct weir_str in, size_t piece, struct weir_buf *out, struct weir_buf *raw)
{
    struct weir_sse s;
    struct weir_sse_event e;

    weir_sse_init(&s, 4096);
    for (size_t at = 0; at < in.n; at += piece) {
        weir_sse_feed(&s, in.p + at, in.n - at < piece ? in.n - at : piece);
        while (weir_sse_next(&s, &e) == WEIR_OK) {
            weir_buf_adds(raw, e.raw);
            if (e.data.p || e.name.n)
                print(out, &e);
        }
    }
    if (weir_sse_finish(&s, &e) == WEIR_OK) {
        weir_buf_adds(raw, e.raw);
        if (e.data.p || e.name.n)
            print(out, &e);
    }
    weir_sse_fini(&s);
}

static const struct {
    const char *in, *out;
} streams[] = {
    {"data: one\n\ndata: two\n\n", "[|one|][|two|]"},
    {"data:tight\n\ndata:  one blank stays\n\n", "[|tight|][| one blank stays|]"},
    {"event: delta\r\ndata: {\"a\":1}\r\n\r\nevent: stop\r\ndata: {}\r\n\r\n",
     "[delta|{\"a\":1}|][stop|{}|]"},
    {"data: a\rdata: b\r\rdata: c\r\r", "[|a\nb|][|c|]"},
    {"data: a\r\ndata: b\ndata: c\rid: 5\n\n", "[|a\nb\nc|5]"},
    {": comment\n\n:\n\ndata: x\n\n", "[|x|]"},
    {"data\n\ndata:\n\ndata\ndata\n\n", "[||][||][|\n|]"},
    {"data:\ndata: x\n\n", "[|\nx|]"},
    {"event: only a name\n\n", "[only a name|-|]"},
    {"\xef\xbb\xbf"
     "data: after a mark\n\n",
     "[|after a mark|]"},
    {"unknown: x\nretry: 10\ndata: y\n\n", "[|y|]"},
    {"data: \xe2\x82\xac\n\ndata: [DONE]\n\n", "[|\xe2\x82\xac|][|[DONE]|]"},
    {"data: whole\n\ndata: cut", "[|whole|][|cut| cut]"},
    {"\n\n\r\n\r\ndata: x\n\n\n\n", "[|x|]"},
};

static void events_are_the_same_wherever_the_stream_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        struct weir_str in = weir_str_of(streams[i].in);

        for (size_t piece = 1; piece <= in.n; piece++) {
            struct weir_buf out, raw;

            weir_buf_init(&out, 65536);
            weir_buf_init(&raw, 65536);
            read_all(in, piece, &out, &raw);
            weir_buf_add(&out, "", 1);
            assert_string_equal(out.p, streams[i].out);
            assert_true(weir_str_eq(weir_buf_str(&raw), in));
            weir_buf_fini(&out);
            weir_buf_fini(&raw);
        }
    }
}

static void an_event_inside_one_chunk_is_not_copied(void **state)
{
    static const char in[] = "event: a\ndata: {}\n\nda";
    struct weir_sse s;
    struct weir_sse_event e;

    (void)state;
    weir_sse_init(&s, 100);
    weir_sse_feed(&s, in, sizeof in - 1);
    assert_int_equal(weir_sse_next(&s, &e), WEIR_OK);
    assert_ptr_equal(e.raw.p, in);
    assert_ptr_equal(e.data.p, in + 15);
    assert_true(e.complete);
    assert_int_equal(weir_sse_next(&s, &e), WEIR_EAGAIN);
    weir_sse_fini(&s);
}

static void an_event_beyond_the_limit_is_refused_for_good(void **state)
{
    struct weir_sse s;
    struct weir_sse_event e;

    (void)state;
    weir_sse_init(&s, 16);
    weir_sse_feed(&s, "data: 12345678\n\n", 16);
    assert_int_equal(weir_sse_next(&s, &e), WEIR_OK);
    assert_int_equal(weir_sse_next(&s, &e), WEIR_EAGAIN);
    weir_sse_feed(&s, "data: 12345", 11);
    assert_int_equal(weir_sse_next(&s, &e), WEIR_EAGAIN);
    weir_sse_feed(&s, "6789\n\n", 6);
    assert_int_equal(weir_sse_next(&s, &e), WEIR_ELIMIT);
    assert_int_equal(weir_sse_next(&s, &e), WEIR_ELIMIT);
    weir_sse_fini(&s);
}

static void what_is_written_reads_back(void **state)
{
    static const char *const texts[] = {"", "x", "a\nb", "a\n", "\n", "\n\n", "a\n\nb"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct weir_sse s;
        struct weir_sse_event e;
        struct weir_buf b;

        weir_buf_init(&b, 1000);
        weir_sse_init(&s, 1000);
        assert_int_equal(weir_sse_write(&b, WEIR_STR("n"), weir_str_of(texts[i])), WEIR_OK);
        assert_int_equal(weir_sse_write_comment(&b, WEIR_STR("ping")), WEIR_OK);
        weir_sse_feed(&s, b.p, b.n);
        assert_int_equal(weir_sse_next(&s, &e), WEIR_OK);
        assert_true(weir_str_is(e.name, "n"));
        assert_true(weir_str_is(e.data, texts[i]));
        assert_int_equal(weir_sse_next(&s, &e), WEIR_OK);
        assert_null(e.data.p);
        weir_sse_fini(&s);
        weir_buf_fini(&b);
    }
}

static void a_full_buffer_gets_no_half_event(void **state)
{
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 20);
    assert_int_equal(weir_sse_write(&b, WEIR_STR_NULL, WEIR_STR("abc")), WEIR_OK);
    assert_int_equal(b.n, 11);
    assert_int_equal(weir_sse_write(&b, WEIR_STR_NULL, WEIR_STR("abc")), WEIR_ELIMIT);
    assert_int_equal(b.n, 11);
    assert_int_equal(weir_sse_write(&b, WEIR_STR("a\nb"), WEIR_STR("")), WEIR_EINVAL);
    weir_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_the_same_wherever_the_stream_is_cut),
        cmocka_unit_test(an_event_inside_one_chunk_is_not_copied),
        cmocka_unit_test(an_event_beyond_the_limit_is_refused_for_good),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_full_buffer_gets_no_half_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
