#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/mem.h"
#include "controlplane/store/store.h"
#include "controlplane/telemetry/ingest.h"
#include "controlplane/telemetry/query.h"
#include "controlplane/telemetry/writer.h"
#include "tests/unit/engines.h"
#include "weir/v1/telemetry.pb-c.h"

enum { RECORD_BYTES = 1024, BATCH = 64 };

#define START_MS INT64_C(1767225600000) /* 2026-01-01 */

static struct engine at;
static const struct weir_ingest_identity proxy = {"node-1", "default"};

static int sqlite(void **state)
{
    (void)state;
    return engine_begin_sqlite(&at);
}

static int postgres(void **state)
{
    (void)state;
    return engine_begin_postgres(&at);
}

static int end(void **state)
{
    (void)state;
    return engine_end(&at);
}

/* ---- records ---- */

struct batch {
    Weir__V1__TelemetryBatch b;
    ProtobufCBinaryData records[BATCH];
    uint8_t bytes[BATCH][RECORD_BYTES];
};

static int64_t cost_of(uint64_t sequence)
{
    return (int64_t)sequence * 1000;
}

static size_t pack(uint64_t sequence, uint8_t *out)
{
    static char agents[][2] = {"a", "b", "c"};
    static char models[][3] = {"m1", "m2"};
    Weir__V1__CallRecord r = WEIR__V1__CALL_RECORD__INIT;
    Weir__V1__Usage u = WEIR__V1__USAGE__INIT;
    char id[32];

    snprintf(id, sizeof id, "req-%llu", (unsigned long long)sequence);
    r.has_sequence = r.has_startedms = r.has_durationus = r.has_cost = 1;
    r.sequence = sequence;
    r.requestid = id;
    r.startedms = START_MS + (int64_t)sequence * 1700000; /* over minutes, hours and days */
    r.durationus = 1000;
    r.agent = agents[sequence % 3];
    r.servedmodel = models[sequence % 2];
    r.outcome = sequence % 5 == 0 ? (char *)"refused" : (char *)"ok";
    r.cost = cost_of(sequence);
    r.usage = &u;
    u.has_inputtokens = u.has_outputtokens = 1;
    u.inputtokens = (int64_t)sequence;
    u.outputtokens = 2;
    return weir__v1__call_record__pack(&r, out);
}

static const Weir__V1__TelemetryBatch *make(struct batch *b, const char *incarnation,
                                            uint64_t first, uint64_t last)
{
    ProtobufCBinaryData *list = b->records;

    weir__v1__telemetry_batch__init(&b->b);
    b->b.incarnation = (char *)(uintptr_t)incarnation;
    b->b.records = list;
    for (uint64_t n = first; n <= last; n++, b->b.n_records++)
        list[b->b.n_records] =
            (ProtobufCBinaryData){pack(n, b->bytes[n - first]), b->bytes[n - first]};
    return &b->b;
}

struct told {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int count, rc;
    uint64_t sequence;
};

static void on_done(void *arg, int rc, const char *incarnation, uint64_t sequence)
{
    struct told *t = arg;

    (void)incarnation;
    pthread_mutex_lock(&t->lock);
    t->count++;
    t->rc = rc;
    t->sequence = sequence;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

static struct told told = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0};

static int send_as(struct weir_ingest *g, const struct weir_ingest_identity *id,
                   const Weir__V1__TelemetryBatch *b)
{
    int before = told.count, rc;

    assert_int_equal(weir_ingest_submit(g, id, b, on_done, &told), WEIR_OK);
    pthread_mutex_lock(&told.lock);
    while (told.count == before)
        pthread_cond_wait(&told.wake, &told.lock);
    rc = told.rc;
    pthread_mutex_unlock(&told.lock);
    return rc;
}

static void send_range(struct weir_ingest *g, const char *incarnation, uint64_t first,
                       uint64_t last)
{
    static struct batch b;

    assert_int_equal(send_as(g, &proxy, make(&b, incarnation, first, last)), WEIR_OK);
    assert_int_equal(told.sequence, last);
}

static struct weir_ingest *start(void)
{
    const struct weir_ingest_options o = {.path = at.dsn};
    struct weir_ingest *g = NULL;

    assert_int_equal(weir_ingest_start(&o, &g), WEIR_OK);
    return g;
}

static int64_t number(const char *sql)
{
    struct weir_store *s = NULL;
    struct weir_stmt *st;
    int64_t v;

    assert_int_equal(weir_store_open(at.dsn, WEIR_STORE_READ_ONLY, &s), WEIR_OK);
    assert_int_equal(weir_store_stmt(s, sql, &st), WEIR_OK);
    assert_int_equal(weir_stmt_step(st), 1);
    v = weir_stmt_i64(st, 0);
    weir_store_close(s);
    return v;
}

/* Every level sums up to what records 1..last say, of `incarnations` starts. */
static void check_sums(uint64_t last, int64_t incarnations)
{
    static const char *const calls[] = {
        "SELECT CAST(SUM(calls) AS {int}) FROM rollups WHERE level = 0",
        "SELECT CAST(SUM(calls) AS {int}) FROM rollups WHERE level = 1",
        "SELECT CAST(SUM(calls) AS {int}) FROM rollups WHERE level = 2"};
    static const char *const cost[] = {
        "SELECT CAST(SUM(cost) AS {int}) FROM rollups WHERE level = 0",
        "SELECT CAST(SUM(cost) AS {int}) FROM rollups WHERE level = 1",
        "SELECT CAST(SUM(cost) AS {int}) FROM rollups WHERE level = 2"};
    static const char *const input[] = {
        "SELECT CAST(SUM(input) AS {int}) FROM rollups WHERE level = 0",
        "SELECT CAST(SUM(input) AS {int}) FROM rollups WHERE level = 1",
        "SELECT CAST(SUM(input) AS {int}) FROM rollups WHERE level = 2"};
    int64_t n = (int64_t)last, sum = n * (n + 1) / 2 * incarnations;

    assert_int_equal(number("SELECT COUNT(*) FROM calls"), n * incarnations);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(number(calls[i]), n * incarnations);
        assert_int_equal(number(cost[i]), sum * 1000);
        assert_int_equal(number(input[i]), sum);
    }
}

/* ---- tests ---- */

static void replays_and_reorders_count_once(void **state)
{
    struct weir_ingest *g = start();
    struct weir_ingest_stats st;

    (void)state;
    send_range(g, "inc-a", 1, 10);
    send_range(g, "inc-a", 1, 10);
    send_range(g, "inc-a", 31, 40); /* before what it follows */
    send_range(g, "inc-a", 5, 20);
    send_range(g, "inc-b", 1, 40);
    send_range(g, "inc-a", 15, 40);
    send_range(g, "inc-b", 20, 40);
    weir_ingest_get_stats(g, &st);
    assert_int_equal(st.records, 80);
    assert_int_equal(st.duplicates, 10 + 6 + 16 + 21);
    weir_ingest_stop(g);
    check_sums(40, 2);
    assert_int_equal(number("SELECT COUNT(*) FROM seen"), 2);
}

static void a_restart_still_knows_what_was_taken(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        struct weir_ingest *g = start();

        send_range(g, "inc-a", 1, 10 * (i + 1));
        weir_ingest_stop(g);
    }
    check_sums(40, 1);
}

static void a_crash_before_the_commit_leaves_nothing_and_a_replay_everything(void **state)
{
    static struct batch b;
    struct weir_ingest_options o = {.path = at.dsn, .max_groups = 100};
    struct weir__writer_counts counts = {0};
    struct weir__writer *w = NULL;
    struct weir_str records[BATCH];
    struct weir__batch wb = {"node-1", "default", "inc-a", records, 0, 0};

    (void)state;
    make(&b, "inc-a", 1, 40);
    for (size_t i = 0; i < b.b.n_records; i++)
        records[i] = (struct weir_str){(const char *)b.records[i].data, b.records[i].len};
    for (size_t n = 1; n <= 40; n++) { /* gone after n records, without a commit */
        assert_int_equal(weir__writer_open(&o, &w), WEIR_OK);
        assert_int_equal(weir__writer_begin(w), WEIR_OK);
        wb.count = n;
        assert_int_equal(weir__writer_add(w, &wb), WEIR_OK);
        weir__writer_close(w);
        assert_int_equal(number("SELECT COUNT(*) FROM calls"), 0);
        assert_int_equal(number("SELECT COUNT(*) FROM seen"), 0);
    }
    for (size_t n = 1; n <= 40; n++) { /* and after each commit: all is sent again */
        assert_int_equal(weir__writer_open(&o, &w), WEIR_OK);
        assert_int_equal(weir__writer_begin(w), WEIR_OK);
        wb.count = n;
        assert_int_equal(weir__writer_add(w, &wb), WEIR_OK);
        assert_int_equal(weir__writer_commit(w, &counts), WEIR_OK);
        weir__writer_close(w);
    }
    assert_int_equal(counts.records, 40);
    check_sums(40, 1);
}

static void another_proxy_can_not_use_an_incarnation(void **state)
{
    static struct batch b;
    const struct weir_ingest_identity thief = {"node-2", "default"};
    struct weir_ingest *g = start();

    (void)state;
    send_range(g, "inc-a", 1, 5);
    assert_int_equal(send_as(g, &thief, make(&b, "inc-a", 6, 40)), WEIR_EAUTH);
    send_range(g, "inc-a", 6, 40);
    weir_ingest_stop(g);
    check_sums(40, 1);
}

static void what_can_not_be_read_is_passed_over(void **state)
{
    static struct batch b;
    struct weir_ingest *g = start();
    struct weir_ingest_stats st;
    uint8_t junk[] = {0xff, 0xff, 0xff};

    (void)state;
    make(&b, "inc-a", 1, 41);
    b.records[40] = (ProtobufCBinaryData){sizeof junk, junk};
    assert_int_equal(send_as(g, &proxy, &b.b), WEIR_OK);
    weir_ingest_get_stats(g, &st);
    assert_int_equal(st.unreadable, 1);
    b.b.n_records = 0;
    assert_int_equal(weir_ingest_submit(g, &proxy, &b.b, on_done, &told), WEIR_EPROTO);
    b.b.n_records = 1;
    b.b.incarnation = NULL;
    assert_int_equal(weir_ingest_submit(g, &proxy, &b.b, on_done, &told), WEIR_EPROTO);
    weir_ingest_stop(g);
    check_sums(40, 1);
}

static void a_full_queue_is_refused(void **state)
{
    static struct batch b;
    const struct weir_ingest_options o = {.path = at.dsn, .queue_bytes = 100};
    struct weir_ingest *g = NULL;

    (void)state;
    assert_int_equal(weir_ingest_start(&o, &g), WEIR_OK);
    assert_int_equal(weir_ingest_submit(g, &proxy, make(&b, "i", 1, 40), on_done, &told),
                     WEIR_ELIMIT);
    weir_ingest_stop(g);
}

static void too_many_groups_count_as_other_and_old_rows_go(void **state)
{
    static struct batch b;
    const int64_t day = 86400000;
    const struct weir_ingest_options o = {.path = at.dsn,
                                          .max_groups = 2,
                                          .calls_keep_ms = day,
                                          .calls_keep_rows = 1000,
                                          .minutes_keep_ms = day,
                                          .hours_keep_ms = day,
                                          .days_keep_ms = 100 * day};
    struct weir__writer_counts counts = {0};
    struct weir_str records[BATCH];
    struct weir__batch wb = {"node-1", "default", "inc-a", records, 40, 0};
    struct weir__writer *w = NULL;

    (void)state;
    make(&b, "inc-a", 1, 40);
    for (size_t i = 0; i < 40; i++)
        records[i] = (struct weir_str){(const char *)b.records[i].data, b.records[i].len};
    assert_int_equal(weir__writer_open(&o, &w), WEIR_OK);
    assert_int_equal(weir__writer_begin(w), WEIR_OK);
    assert_int_equal(weir__writer_add(w, &wb), WEIR_OK);
    assert_int_equal(weir__writer_commit(w, &counts), WEIR_OK);
    check_sums(40, 1);
    assert_int_equal(number("SELECT COUNT(*) FROM groups"), 3);
    assert_false(weir__writer_prune(w, START_MS + 90 * day));
    assert_int_equal(number("SELECT COUNT(*) FROM calls"), 0);
    assert_int_equal(number("SELECT COUNT(*) FROM rollups WHERE level < 2"), 0);
    assert_int_equal(number("SELECT CAST(SUM(calls) AS {int}) FROM rollups"), 40);
    weir__writer_close(w);
}

/* ---- queries ---- */

static struct weir_query *filled(void)
{
    struct weir_ingest *g = start();
    struct weir_query *q = NULL;

    send_range(g, "inc-a", 1, 6);
    weir_ingest_stop(g);
    assert_int_equal(weir_query_open(at.dsn, &q), WEIR_OK);
    return q;
}

static void has(struct weir_buf *b, const char *part)
{
    assert_int_equal(weir_buf_add(b, "", 1), WEIR_OK);
    b->n--;
    if (!strstr(b->p, part))
        fail_msg("%s\nis not in\n%s", part, b->p);
}

static void spend_is_grouped_and_adds_up(void **state)
{
    struct weir_query *q = filled();
    struct weir_query_spend p = {.by = WEIR_STR("agent"),
                                 .from_ms = START_MS,
                                 .to_ms = START_MS + 86400000,
                                 .step_ms = 3600000};
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 1 << 20);
    assert_int_equal(weir_query_spend_json(q, &p, &b), WEIR_OK);
    has(&b, "{\"by\":[\"agent\"],\"level\":\"minute\"");
    has(&b, "\"total\":{\"calls\":6,\"ok\":5,\"refused\":1,");
    has(&b, "\"costNano\":21000,\"inputTokens\":21,\"outputTokens\":12,");
    has(&b, "\"groups\":[{\"key\":[\"a\"],\"calls\":2,"); /* 3 + 6 */
    has(&b, "\"costNano\":9000,");
    has(&b, "{\"key\":[\"b\"],\"calls\":2,");
    has(&b, "\"series\":[{\"group\":0,\"points\":[{\"t\":");
    weir_buf_clear(&b);
    p.limit = 1;
    p.by = WEIR_STR("agent, model");
    p.filter.agent = WEIR_STR("[a");
    assert_int_equal(weir_query_spend_json(q, &p, &b), WEIR_OK);
    has(&b, "\"total\":{\"calls\":0,");
    weir_buf_clear(&b);
    p.filter.agent = WEIR_STR("a*");
    assert_int_equal(weir_query_spend_json(q, &p, &b), WEIR_OK);
    has(&b, "{\"key\":[\"a\",\"m1\"],\"calls\":1,");
    has(&b, "{\"key\":[\"(others)\",\"(others)\"],\"calls\":1,");
    p.by = WEIR_STR("agent,password");
    assert_int_equal(weir_query_spend_json(q, &p, &b), WEIR_EINVAL);
    weir_buf_clear(&b);
    assert_int_equal(weir_query_top_json(q, START_MS, START_MS + 86400000, 5, &b), WEIR_OK);
    has(&b, "\"models\":[{\"key\":[\"m1\"],\"calls\":3,");
    weir_buf_clear(&b);
    assert_int_equal(weir_query_totals_json(q, &b), WEIR_OK);
    has(&b, "{\"calls\":6,\"firstMs\":1767227300000,");
    weir_buf_fini(&b);
    weir_query_close(q);
}

static void calls_are_listed_in_pages_and_found_by_id(void **state)
{
    struct weir_query *q = filled();
    struct weir_query_calls p = {.limit = 4};
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 1 << 20);
    assert_int_equal(weir_query_calls_json(q, &p, &b), WEIR_OK);
    has(&b, "{\"items\":[{\"id\":\"req-6\",\"cursor\":6,\"node\":\"node-1\",");
    has(&b, "],\"next\":3,\"newest\":6}");
    weir_buf_clear(&b);
    p.before = 3;
    assert_int_equal(weir_query_calls_json(q, &p, &b), WEIR_OK);
    has(&b, "\"id\":\"req-1\"");
    has(&b, "],\"next\":null,\"newest\":2}");
    weir_buf_clear(&b);
    p = (struct weir_query_calls){.after = 6};
    assert_int_equal(weir_query_calls_json(q, &p, &b), WEIR_OK);
    assert_true(weir_str_is(weir_buf_str(&b), "{\"items\":[],\"next\":null,\"newest\":6}"));
    weir_buf_clear(&b);
    p = (struct weir_query_calls){.outcome = WEIR_STR("refused")};
    assert_int_equal(weir_query_calls_json(q, &p, &b), WEIR_OK);
    has(&b, "{\"items\":[{\"id\":\"req-5\"");
    weir_buf_clear(&b);
    assert_int_equal(weir_query_call_json(q, WEIR_STR("req-2"), &b), WEIR_OK);
    has(&b, "\"incarnation\":\"inc-a\",\"sequence\":2,");
    has(&b, "\"costParts\":[],\"holds\":[],\"attempts\":[]}");
    weir_buf_clear(&b);
    assert_int_equal(weir_query_call_json(q, WEIR_STR("3"), &b), WEIR_OK);
    has(&b, "\"requestId\":\"req-3\"");
    assert_int_equal(weir_query_call_json(q, WEIR_STR("req-77"), &b), WEIR_ENOTFOUND);
    weir_buf_fini(&b);
    weir_query_close(q);
}

#define ON(engine, test)                                                                           \
    {                                                                                              \
#test " (" #engine ")", test, engine, end, NULL                                            \
    }
#define BOTH(test) ON(sqlite, test), ON(postgres, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(replays_and_reorders_count_once),
        BOTH(a_restart_still_knows_what_was_taken),
        BOTH(a_crash_before_the_commit_leaves_nothing_and_a_replay_everything),
        BOTH(another_proxy_can_not_use_an_incarnation),
        BOTH(what_can_not_be_read_is_passed_over),
        BOTH(a_full_queue_is_refused),
        BOTH(too_many_groups_count_as_other_and_old_rows_go),
        BOTH(spend_is_grouped_and_adds_up),
        BOTH(calls_are_listed_in_pages_and_found_by_id),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
