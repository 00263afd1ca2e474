#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "dataplane/telemetry/spool_internal.h"

static char dir[64];

static void each_file(void (*fn)(const char *path))
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    char path[512];

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            fn(path);
        }
    if (d)
        closedir(d);
}

static void drop(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/weir-spool-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    each_file(drop);
    return rmdir(dir);
}

static struct weir_spool *open_spool(int64_t max, int64_t segment)
{
    const struct weir_spool_options o = {.dir = dir, .max_bytes = max, .segment_bytes = segment};
    struct weir_spool *s = NULL;

    assert_int_equal(weir_spool_open(&o, &s), WEIR_OK);
    return s;
}

/* Field 2 of a record: a text with a number in it. */
static int append(struct weir_spool *s, int number)
{
    char record[32] = {0x12, 20};

    snprintf(record + 2, 21, "record %013d", number);
    return weir_spool_append(s, (struct weir_str){record, 22});
}

/* Hands out everything; returns how many, and checks that sequences rise within an incarnation. */
static int drain(struct weir_spool *s, bool ack)
{
    char last_incarnation[40] = "", incarnation[40];
    uint64_t last = 0;
    struct weir_spool_batch b;
    int n = 0;

    while (weir_spool_next_batch(s, &b) == WEIR_OK) {
        assert_true(b.count > 0 && b.count <= WEIR_SPOOL_BATCH_RECORDS);
        snprintf(incarnation, sizeof incarnation, "%s", b.incarnation);
        if (strcmp(incarnation, last_incarnation) == 0)
            assert_true(b.first_sequence > last);
        memcpy(last_incarnation, incarnation, sizeof incarnation);
        last = b.last_sequence;
        n += (int)b.count;
        if (ack)
            weir_spool_ack(s, incarnation, last);
    }
    return n;
}

static void records_come_back_in_order_with_their_sequences(void **state)
{
    struct weir_spool *s = open_spool(0, 0);
    struct weir_spool_batch b;

    (void)state;
    assert_int_equal(weir_spool_next_batch(s, &b), WEIR_ENOTFOUND);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(append(s, i), WEIR_OK);
    assert_int_equal(weir_spool_next_batch(s, &b), WEIR_OK);
    assert_int_equal(b.count, 3);
    assert_int_equal(b.first_sequence, 1);
    assert_int_equal(b.last_sequence, 3);
    assert_string_equal(b.incarnation, weir_spool_incarnation(s));
    assert_int_equal(b.records[1].n, 24);
    assert_memory_equal(b.records[1].p, "\x08\x02\x12\x14record 0000000000002", 24);
    assert_int_equal(weir_spool_next_batch(s, &b), WEIR_ENOTFOUND);
    weir_spool_close(s);
}

static void what_is_not_acknowledged_is_handed_out_again(void **state)
{
    struct weir_spool *s = open_spool(0, 0);
    struct weir_spool_batch b;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(append(s, i), WEIR_OK);
    assert_int_equal(drain(s, false), 10);
    weir_spool_ack(s, weir_spool_incarnation(s), 4);
    weir_spool_ack(s, weir_spool_incarnation(s), 2);   /* stale */
    weir_spool_ack(s, weir_spool_incarnation(s), 400); /* never sent */
    weir_spool_ack(s, "unknown", 9);
    weir_spool_rewind(s);
    assert_int_equal(weir_spool_next_batch(s, &b), WEIR_OK);
    assert_int_equal(b.first_sequence, 5);
    assert_int_equal(b.count, 6);
    weir_spool_close(s);
}

static void a_restart_replays_the_earlier_starts_first(void **state)
{
    struct weir_spool *s;

    (void)state;
    for (int start = 0; start < 3; start++) {
        s = open_spool(0, 200); /* several segments each */
        for (int i = 0; i < 20; i++) {
            assert_int_equal(append(s, i), WEIR_OK);
            assert_int_equal(weir_spool_flush(s), WEIR_OK);
        }
        weir_spool_close(s);
    }
    s = open_spool(0, 200);
    assert_int_equal(append(s, 1), WEIR_OK);
    assert_int_equal(drain(s, false), 61);
    weir_spool_rewind(s);
    assert_int_equal(drain(s, true), 61);
    weir_spool_rewind(s);
    assert_int_equal(drain(s, false), 0);
    weir_spool_close(s);
    s = open_spool(0, 200);
    assert_int_equal(drain(s, false), 0);
    weir_spool_close(s);
}

static void acknowledged_segments_are_given_up(void **state)
{
    struct weir_spool *s = open_spool(0, 400);
    struct weir_spool_stats st;

    (void)state;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(append(s, i), WEIR_OK);
        assert_int_equal(weir_spool_flush(s), WEIR_OK);
    }
    weir_spool_get_stats(s, &st);
    assert_true(st.segments > 10);
    assert_int_equal(drain(s, true), 200);
    weir_spool_get_stats(s, &st);
    assert_true(st.segments <= 1);
    assert_int_equal(st.acknowledged, 200);
    weir_spool_close(s);
}

static void a_full_spool_refuses_and_counts_and_goes_on_after_an_ack(void **state)
{
    struct weir_spool *s = open_spool(2000, 500);
    struct weir_spool_stats st;
    int taken = 0;

    (void)state;
    while (append(s, taken) == WEIR_OK) {
        assert_int_equal(weir_spool_flush(s), WEIR_OK);
        taken++;
    }
    weir_spool_get_stats(s, &st);
    assert_true(st.bytes <= 2000);
    assert_int_equal(st.refused, 1);
    assert_int_equal(st.appended, taken);
    assert_int_equal(drain(s, true), taken);
    assert_int_equal(append(s, 1), WEIR_OK);
    weir_spool_close(s);
}

/* ---- damage ---- */

static char victim[512];

static void remember(const char *path)
{
    if (strstr(path, ".seg"))
        snprintf(victim, sizeof victim, "%s", path);
}

static void make_five(struct weir_buf *image)
{
    struct weir_spool *s = open_spool(0, 0);

    for (int i = 0; i < 5; i++)
        assert_int_equal(append(s, i), WEIR_OK);
    weir_spool_close(s);
    each_file(remember);
    weir_buf_init(image, 1 << 20);
    assert_int_equal(weir_file_read(victim, image), WEIR_OK);
}

static int read_image(struct weir_str bytes)
{
    struct weir_spool *s;
    int n;

    each_file(drop);
    assert_int_equal(weir_file_replace(victim, bytes, 0600, false), WEIR_OK);
    s = open_spool(0, 0);
    n = drain(s, false);
    weir_spool_close(s);
    return n;
}

static void a_torn_file_gives_its_whole_records_wherever_it_is_torn(void **state)
{
    struct weir_buf image;

    (void)state;
    make_five(&image);
    assert_int_equal(image.n, 64 + 5 * 32);
    for (size_t n = 0; n <= image.n; n++)
        assert_int_equal(read_image((struct weir_str){image.p, n}), n < 64 ? 0 : (n - 64) / 32);
    weir_buf_fini(&image);
}

static void one_damaged_byte_costs_one_record(void **state)
{
    struct weir_buf image;

    (void)state;
    make_five(&image);
    for (size_t i = 64; i < image.n; i++) {
        image.p[i] ^= 0x40;
        assert_int_equal(read_image(weir_buf_str(&image)), 4);
        image.p[i] ^= 0x40;
    }
    for (size_t i = 0; i < 52; i++) { /* the header: nothing of it can be acknowledged */
        image.p[i] ^= 0x40;
        assert_int_equal(read_image(weir_buf_str(&image)), 0);
        image.p[i] ^= 0x40;
    }
    weir_buf_fini(&image);
}

static void many_records_cross_chunks(void **state)
{
    static char record[3000];
    struct weir_spool *s = open_spool(0, 4 << 20);
    int n = 2000;

    (void)state;
    record[0] = 0x12;
    record[1] = (char)0xb5;
    record[2] = 0x17;
    for (int i = 0; i < n; i++)
        assert_int_equal(weir_spool_append(s, (struct weir_str){record, sizeof record}), WEIR_OK);
    assert_int_equal(drain(s, true), n);
    weir_spool_close(s);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(records_come_back_in_order_with_their_sequences),
        T(what_is_not_acknowledged_is_handed_out_again),
        T(a_restart_replays_the_earlier_starts_first),
        T(acknowledged_segments_are_given_up),
        T(a_full_spool_refuses_and_counts_and_goes_on_after_an_ack),
        T(a_torn_file_gives_its_whole_records_wherever_it_is_torn),
        T(one_damaged_byte_costs_one_record),
        T(many_records_cross_chunks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
