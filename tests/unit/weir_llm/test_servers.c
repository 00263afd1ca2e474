/* test_servers.c - docs/servers.md is the table of servers that imitate OpenAI's, and a request
 * becomes what each of them takes. WEIR_UPDATE_DOCS=1 rewrites the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "dataplane/llm/servers.h"
#include "weir/v1/config.pb-c.h"

enum { MAX_PAGE_BYTES = 1 << 20 };

static struct weir_arena *arena;
static struct weir_server_fit fit;

static int setup(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_arena_destroy(arena);
    return 0;
}

static const char *made(const char *server, const char *body)
{
    weir_server_fit(weir_server_named(weir_str_of(server)), NULL, 0, weir_str_of(body), arena,
                    &fit);
    return weir_arena_strdup(arena, fit.body);
}

static void what_it_takes_stays_as_it_is(void **state)
{
    const char *body = " {\"model\" : \"m\", \"messages\":[ {\"role\":\"user\"} ] }";

    (void)state;
    for (size_t i = 0; weir_server_at(i); i++) {
        assert_false(weir_server_fit(weir_server_at(i), NULL, 0, weir_str_of(body), arena, &fit));
        assert_ptr_equal(fit.body.p, body);
    }
    assert_false(weir_server_fit(weir_server_at(0), NULL, 0, WEIR_STR("[1]"), arena, &fit));
    assert_false(weir_server_fit(weir_server_at(0), NULL, 0, WEIR_STR("{\"a\":"), arena, &fit));
}

static void an_id_becomes_the_same_one_wherever_it_stands(void **state)
{
    const char *out;
    char call[10], result[10];

    (void)state;
    out = made("mistral", "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":"
                          "\"call_1\",\"type\":\"function\"},{\"id\":\"abcDEF123\"}]},{\"role\":"
                          "\"tool\",\"tool_call_id\":\"call_1\"}]}");
    memcpy(call, strstr(out, "\"id\":\"") + 6, 9);
    memcpy(result, strstr(out, "\"tool_call_id\":\"") + 16, 9);
    assert_memory_equal(call, result, 9);
    assert_non_null(strstr(out, "\"id\":\"abcDEF123\""));
    for (size_t i = 0; i < 9; i++)
        assert_true((call[i] >= '0' && call[i] <= '9') || (call[i] >= 'a' && call[i] <= 'z') ||
                    (call[i] >= 'A' && call[i] <= 'Z'));
    assert_int_equal(strstr(out, "\"tool_call_id\":\"")[25], '"');
}

static void an_effort_becomes_the_nearest_word(void **state)
{
    static const struct {
        const char *server, *asked, *got;
    } cases[] = {{"groq", "minimal", "low"},       {"groq", "xhigh", "high"},
                 {"groq", "none", "none"},         {"groq", "default", "default"},
                 {"together", "medium", "medium"}, {"together", "max", "high"},
                 {"fireworks", "minimal", "low"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(
            made(cases[i].server,
                 weir_arena_printf(arena, "{\"reasoning_effort\":\"%s\"}", cases[i].asked)),
            weir_arena_printf(arena, "{\"reasoning_effort\":\"%s\"}", cases[i].got));
    assert_string_equal(made("together", "{\"reasoning_effort\":\"none\"}"), "{}");
    assert_true(weir_str_is(fit.lost, "reasoning_effort"));
    assert_string_equal(made("groq", "{\"reasoning_effort\":7}"), "{}");
}

static void names_and_roles_become_those_that_it_knows(void **state)
{
    (void)state;
    assert_string_equal(
        made("mistral", "{\"max_completion_tokens\":9,\"seed\":7,\"stream_options\":{\"a\":1}}"),
        "{\"max_tokens\":9,\"random_seed\":7}");
    assert_int_equal(fit.dropped_count, 0);
    assert_string_equal(made("mistral", "{\"max_tokens\":8,\"max_completion_tokens\":9}"),
                        "{\"max_tokens\":8}");
    assert_string_equal(made("together", "{\"a\\n\":1,\"stream_options\":{}}"), "{\"a\\n\":1}");
    assert_string_equal(made("deepseek", "{\"messages\":[{\"role\":\"developer\"}]}"),
                        "{\"messages\":[{\"role\":\"system\"}]}");
    assert_string_equal(made("mistral", "{\"messages\":[{\"role\":\"assistant\",\"refusal\":null,"
                                        "\"reasoning_content\":\"Hm.\"}]}"),
                        "{\"messages\":[{\"role\":\"assistant\"}]}");
    assert_true(weir_str_is(fit.dropped[0], "messages.reasoning_content") && !fit.lost.p);
}

static void names_that_are_told_are_fit_for_a_header(void **state)
{
    (void)state;
    made("groq", "{\"a\\r\\nb: \xc3\xb6\":1}");
    assert_true(weir_str_is(fit.dropped[0], "a_r_nb____"));
}

static void hosts_are_known_whatever_stands_before_them(void **state)
{
    (void)state;
    assert_string_equal(weir_server_of_host(WEIR_STR("api.groq.com"))->name, "groq");
    assert_string_equal(weir_server_of_host(WEIR_STR("eu.API.mistral.ai"))->name, "mistral");
    assert_null(weir_server_of_host(WEIR_STR("notapi.groq.com")));
    assert_null(weir_server_of_host(WEIR_STR("api.openai.com")));
}

static void every_server_of_the_policy_has_its_row(void **state)
{
    const ProtobufCEnumDescriptor *d = &weir__v1__server__descriptor;
    size_t rows = 0;

    (void)state;
    for (unsigned i = 0; i < d->n_values; i++)
        rows += weir_server_named(weir_str_of(d->values[i].name)) != NULL;
    assert_int_equal(rows, d->n_values - 1);
    assert_null(weir_server_at(rows));
}

/* ---- the page ---- */

static void add_list(struct weir_buf *b, const char *before, const char *const *list, size_t max)
{
    if (!list[0])
        return;
    weir_buf_addz(b, before);
    for (size_t i = 0; i < max && list[i]; i++)
        weir_buf_addf(b, "%s`%s`", i ? ", " : "", list[i]);
    weir_buf_addz(b, ". ");
}

static void add_row(struct weir_buf *b, const struct weir_server *s)
{
    weir_buf_addf(b, "| %s | ", s->name);
    for (size_t i = 0; i < WEIR_SERVER_HOSTS && s->hosts[i]; i++)
        weir_buf_addf(b, "%s`%s`", i ? ", " : "", s->hosts[i]);
    weir_buf_addf(
        b, " | `%s` | %s | %s | ", s->newer_limit ? "max_completion_tokens" : "max_tokens",
        s->stream_options ? "asked for" : "told unasked", s->developer ? "kept" : "`system`");
    add_list(b, "Takes only ", s->fields, WEIR_SERVER_NAMES);
    add_list(b, "In messages only ", s->message_fields, WEIR_SERVER_NAMES);
    add_list(b, "Refuses ", s->refused, WEIR_SERVER_NAMES);
    add_list(b, "Efforts: ", s->efforts, sizeof s->efforts / sizeof *s->efforts);
    for (size_t i = 0; i < sizeof s->renames / sizeof *s->renames && s->renames[i].from; i++)
        weir_buf_addf(b, "`%s` becomes `%s`. ", s->renames[i].from, s->renames[i].to);
    if (s->id_length)
        weir_buf_addf(b,
                      "Ids of tool calls have %u letters and digits: another one becomes its "
                      "hash. ",
                      s->id_length);
    if (s->no_schema)
        weir_buf_addz(b, "`json_schema` becomes `json_object`. ");
    weir_buf_addz(b, "|\n");
}

static const char head[] =
    "# Servers that imitate OpenAI's\n\n"
    "A provider of dialect `openai` may be any server that speaks Chat Completions. Where one of "
    "them differs, a row of one table (`dataplane/llm/servers.c`) says how; the row is picked by "
    "`Provider spec.server`, or by the endpoint's host. A request is changed only where its server "
    "would refuse it: a field that it refuses is left out and named in `x-weir-dropped`, what it "
    "knows by another name or value gets that. With `Route spec.translation: strict` its target is "
    "left out of a call that has a field which may change the answer. `Provider "
    "spec.models[].refuses` adds fields that one model refuses.\n\n"
    "Made by `weir_llm.test_servers` from that table.\n\n"
    "| Server | Known by | Limit of output | Usage of streams | `developer` | Requests |\n"
    "|---|---|---|---|---|---|\n";

static const char tail[] =
    "\n## Answers\n\n"
    "They are read alike from all of them, whoever they come from; towards callers of the same API "
    "the bytes pass as they are.\n\n"
    "- Reasoning: `reasoning_content`, `reasoning`, `reasoning_details`, or `thinking` parts in "
    "the "
    "content. `<think>` in a text stays where it is.\n"
    "- Usage: in a chunk of its own, beside the last choice, or in `x_groq.usage`. Cached tokens: "
    "`prompt_tokens_details.cached_tokens`, `prompt_cache_hit_tokens`, `num_cached_tokens`. "
    "Reasoning that is counted beside the completion is added to it where `total_tokens` says so. "
    "What a server says that a call has cost is not used: the price list counts.\n"
    "- Tool calls without an id get one; several with the same index are told apart by their ids; "
    "arguments may be an object.\n"
    "- Ends: `eos` is a stop; `error` and `insufficient_system_resource` are failures.\n"
    "- Errors: `error` as an object or a text, a `message` or `detail` at the top, a number as "
    "`code`. One with status 200, whole or before any content of a stream, counts as a failure: "
    "the "
    "next target gets the call.\n";

static void the_page_is_up_to_date(void **state)
{
    const char *path = WEIR_SOURCE_DIR "/docs/servers.md";
    struct weir_buf page, kept;

    (void)state;
    weir_buf_init(&page, MAX_PAGE_BYTES);
    weir_buf_init(&kept, MAX_PAGE_BYTES);
    weir_buf_addz(&page, head);
    for (size_t i = 0; weir_server_at(i); i++)
        add_row(&page, weir_server_at(i));
    weir_buf_addz(&page, tail);
    if (getenv("WEIR_UPDATE_DOCS"))
        assert_int_equal(weir_file_replace(path, weir_buf_str(&page), 0644, false), WEIR_OK);
    assert_int_equal(weir_file_read(path, &kept), WEIR_OK);
    assert_true(weir_str_eq(weir_buf_str(&page), weir_buf_str(&kept)));
    weir_buf_fini(&page);
    weir_buf_fini(&kept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_it_takes_stays_as_it_is),
        TEST(an_id_becomes_the_same_one_wherever_it_stands),
        TEST(an_effort_becomes_the_nearest_word),
        TEST(names_and_roles_become_those_that_it_knows),
        TEST(names_that_are_told_are_fit_for_a_header),
        TEST(hosts_are_known_whatever_stands_before_them),
        TEST(every_server_of_the_policy_has_its_row),
        TEST(the_page_is_up_to_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
