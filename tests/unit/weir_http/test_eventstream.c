/* test_eventstream.c - AWS's binary event stream. The vectors were made by
 * @smithy/eventstream-codec 4.5.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/eventstream.h"

#define MESSAGE_START                                                                              \
    "000000760000005296d5fade0b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e7465" \
    "6e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070005657665" \
    "6e747b22726f6c65223a22617373697374616e74227d6fa8c599"
#define THROTTLING                                                                                 \
    "0000008800000061de0175f40f3a657863657074696f6e2d747970650700137468726f74746c696e674578636570" \
    "74696f6e0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d657373616765" \
    "2d74797065070009657863657074696f6e7b226d657373616765223a22736c6f7720646f776e227d832ee072"
#define EMPTY "000000100000000005c248eb7d98c8ff"
#define ALL_TYPES                                                                                  \
    "00000096000000863fbf2bcc01610001620101630201016403000201650400000003016706000378797a01680800" \
    "0000000000000001690912345678123412341234123456789abc0d3a6d6573736167652d74797065070005657272" \
    "6f720b3a6572726f722d636f646507000d496e7465726e616c4572726f720e3a6572726f722d6d65737361676507" \
    "000662726f6b656eef5de317"

static size_t bytes_of(const char *hex, char *out)
{
    size_t n = strlen(hex) / 2;

    assert_int_equal(weir_unhex(weir_str_of(hex), out, n), WEIR_OK);
    return n;
}

static void print(struct weir_buf *b, const struct weir_eventstream_message *m)
{
    weir_buf_addf(b, "[%.*s|%.*s|%.*s|%.*s]", WEIR_STR_ARG(m->kind), WEIR_STR_ARG(m->type),
                  WEIR_STR_ARG(m->payload), WEIR_STR_ARG(m->reason));
}

static void all_messages_are_read_wherever_they_are_cut(void **state)
{
    static const char expected[] = "[event|messageStart|{\"role\":\"assistant\"}|]"
                                   "[exception|throttlingException|{\"message\":\"slow down\"}|]"
                                   "[|||][error|InternalError||broken]";
    char in[1024];
    size_t n = bytes_of(MESSAGE_START THROTTLING EMPTY ALL_TYPES, in);

    (void)state;
    for (size_t piece = 1; piece <= n; piece++) {
        struct weir_eventstream_message m;
        struct weir_eventstream s;
        struct weir_buf out, raw;
        int rc = WEIR_OK;

        weir_buf_init(&out, 4096);
        weir_buf_init(&raw, 4096);
        weir_eventstream_init(&s, 4096);
        for (size_t at = 0; at < n; at += piece) {
            weir_eventstream_feed(&s, in + at, n - at < piece ? n - at : piece);
            while ((rc = weir_eventstream_next(&s, &m)) == WEIR_OK) {
                print(&out, &m);
                weir_buf_adds(&raw, m.raw);
            }
            assert_int_equal(rc, WEIR_EAGAIN);
        }
        assert_true(weir_str_is(weir_buf_str(&out), expected));
        assert_int_equal(raw.n, n);
        assert_memory_equal(raw.p, in, n);
        weir_eventstream_fini(&s);
        weir_buf_fini(&out);
        weir_buf_fini(&raw);
    }
}

static int read_one(const char *in, size_t n, size_t max)
{
    struct weir_eventstream_message m;
    struct weir_eventstream s;
    int rc;

    weir_eventstream_init(&s, max);
    weir_eventstream_feed(&s, in, n);
    rc = weir_eventstream_next(&s, &m);
    if (rc != WEIR_OK && rc != WEIR_EAGAIN)
        assert_int_equal(weir_eventstream_next(&s, &m), rc);
    weir_eventstream_fini(&s);
    return rc;
}

static void a_bit_that_fell_over_is_noticed(void **state)
{
    char in[1024];
    size_t n = bytes_of(MESSAGE_START, in);

    (void)state;
    for (size_t i = 0; i < 8 * n; i++) {
        in[i / 8] = (char)(in[i / 8] ^ 1 << i % 8);
        assert_int_equal(read_one(in, n, 4096), WEIR_EPROTO);
        in[i / 8] = (char)(in[i / 8] ^ 1 << i % 8);
    }
    assert_int_equal(read_one(in, n, 4096), WEIR_OK);
}

static void a_message_beyond_the_limit_is_refused_by_its_prelude(void **state)
{
    char in[1024];
    size_t n = bytes_of(MESSAGE_START, in);

    (void)state;
    assert_int_equal(read_one(in, n, n), WEIR_OK);
    assert_int_equal(read_one(in, n, n - 1), WEIR_ELIMIT);
    assert_int_equal(read_one(in, 12, n - 1), WEIR_ELIMIT);
}

static void what_is_written_is_what_the_vendors_codec_writes(void **state)
{
    char expected[1024];
    struct weir_buf b;
    size_t n = bytes_of(MESSAGE_START THROTTLING, expected);

    (void)state;
    weir_buf_init(&b, 4096);
    assert_int_equal(weir_eventstream_write(&b, "event", WEIR_STR("messageStart"),
                                            WEIR_STR("{\"role\":\"assistant\"}")),
                     WEIR_OK);
    assert_int_equal(weir_eventstream_write(&b, "exception", WEIR_STR("throttlingException"),
                                            WEIR_STR("{\"message\":\"slow down\"}")),
                     WEIR_OK);
    assert_int_equal(b.n, n);
    assert_memory_equal(b.p, expected, n);
    weir_buf_fini(&b);
    weir_buf_init(&b, 20);
    assert_int_equal(weir_eventstream_write(&b, "event", WEIR_STR("x"), WEIR_STR("{}")),
                     WEIR_ELIMIT);
    weir_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_messages_are_read_wherever_they_are_cut),
        cmocka_unit_test(a_bit_that_fell_over_is_noticed),
        cmocka_unit_test(a_message_beyond_the_limit_is_refused_by_its_prelude),
        cmocka_unit_test(what_is_written_is_what_the_vendors_codec_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
