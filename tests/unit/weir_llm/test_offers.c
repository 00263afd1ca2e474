/* Which tools a request offers, by their names in each API. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "dataplane/llm/endpoint.h"
#include "dataplane/llm/llm.h"

static struct weir_arena *arena;

static int begin(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    weir_arena_destroy(arena);
    return 0;
}

/* The names, the last one first, each behind a space. */
static const char *names(enum weir_dialect dialect, const char *members)
{
    struct weir_llm_endpoint at = {.dialect = dialect, .model = WEIR_STR_INIT("m")};
    const char *body = weir_arena_printf(arena, "{%s}", members), *all = "";
    struct weir_llm_call call;
    struct weir_err err;

    if (weir_llm_decode(&at, weir_str_of(body), arena, &call, &err) != WEIR_OK)
        fail_msg("%s", err.detail);
    for (const struct weir_llm_offer *o = call.offers; o; o = o->next)
        all = weir_arena_printf(arena, "%s %.*s", all, WEIR_STR_ARG(o->name));
    return weir_arena_printf(arena, "%s%s", all, call.offers_more ? " ..." : "");
}

static void tools_are_known_by_their_names_in_each_api(void **state)
{
    static const struct {
        enum weir_dialect dialect;
        const char *members, *names;
    } cases[] = {
        {WEIR_DIALECT_OPENAI_CHAT,
         "\"model\":\"m\",\"messages\":[],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
         "\"a\",\"parameters\":{\"name\":\"no\",\"type\":\"object\"}}},{\"type\":\"custom\","
         "\"custom\":{\"name\":\"b\"}}],\"functions\":[{\"name\":\"c\"}]",
         " c b a"},
        {WEIR_DIALECT_OPENAI_RESPONSES,
         "\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"web_search\"},{\"type\":"
         "\"function\",\"name\":\"a\"},{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[{\"type\":"
         "\"function\",\"name\":\"b\"}]}]",
         " b n a web_search"},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES,
         "\"model\":\"m\",\"max_tokens\":1,\"messages\":[],\"tools\":[{\"name\":\"a\","
         "\"input_schema\":{}},{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]",
         " web_search web_search_20250305 a"},
        {WEIR_DIALECT_GEMINI,
         "\"contents\":[],\"tools\":[{\"functionDeclarations\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"
         ",{\"google_search\":{}},{\"url\\u005fcontext\":{}}]",
         " urlContext googleSearch b a"},
        {WEIR_DIALECT_BEDROCK,
         "\"messages\":[],\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"a\"}},{"
         "\"systemTool\":{\"name\":\"b\"}},{\"cachePoint\":{\"type\":\"default\"}}]}",
         " b a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(names(cases[i].dialect, cases[i].members), cases[i].names);
}

#define CHAT(tools) "\"model\":\"m\",\"messages\":[],\"tools\":" tools

static void no_way_of_writing_hides_a_tool(void **state)
{
    (void)state;
    assert_string_equal(names(WEIR_DIALECT_OPENAI_CHAT, CHAT("[{\"n\\u0061me\":\"sh\\u0065ll\"}]")),
                        " shell");
    assert_string_equal(
        names(WEIR_DIALECT_OPENAI_CHAT, CHAT("[{\"name\":\"a\",\"name\":\"shell\"}]")), " shell a");
    assert_string_equal(
        names(WEIR_DIALECT_OPENAI_CHAT, CHAT("[{\"type\":\"web_search\",\"function\":1}]")),
        " web_search");
    assert_string_equal(names(WEIR_DIALECT_OPENAI_CHAT, CHAT("[1,null,{},[],{\"name\":2}]")), "");
    assert_string_equal(names(WEIR_DIALECT_OPENAI_CHAT, CHAT("{\"name\":\"a\"}")), "");
}

static void more_tools_than_are_kept_are_told(void **state)
{
    struct weir_buf b;
    const char *all;

    (void)state;
    weir_buf_init(&b, 1 << 16);
    weir_buf_addz(&b, "\"model\":\"m\",\"messages\":[],\"tools\":[");
    for (int i = 0; i < WEIR_LLM_OFFERS_MAX; i++)
        weir_buf_addz(&b, "{\"name\":\"a\"},");
    weir_buf_addz(&b, "{\"name\":\"z\"}]");
    all = names(WEIR_DIALECT_OPENAI_CHAT, weir_arena_strdup(arena, weir_buf_str(&b)));
    assert_int_equal(strlen(all), 2 * WEIR_LLM_OFFERS_MAX + 4);
    assert_null(strchr(all, 'z'));
    weir_buf_fini(&b);
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, begin, end)

static int64_t searches(const char *tools)
{
    struct weir_llm_endpoint at = {.dialect = WEIR_DIALECT_ANTHROPIC_MESSAGES};
    const char *body = weir_arena_printf(
        arena, "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[],\"tools\":[%s]}", tools);
    struct weir_llm_call call;
    struct weir_err err;

    if (weir_llm_decode(&at, weir_str_of(body), arena, &call, &err) != WEIR_OK)
        fail_msg("%s", err.detail);
    return call.searches;
}

#define SEARCH(more) "{\"type\":\"web_search_20250305\",\"name\":\"web_search\"" more "}"

static void searches_are_bound_by_what_their_tools_state(void **state)
{
    (void)state;
    assert_int_equal(searches("{\"name\":\"web_search\",\"input_schema\":{}}"), 0);
    assert_int_equal(searches(SEARCH("")), -1);
    assert_int_equal(searches(SEARCH(",\"max_uses\":3")), 3);
    assert_int_equal(searches(SEARCH(",\"max_uses\":3") "," SEARCH(",\"max_uses\":2")), 5);
    assert_int_equal(searches(SEARCH(",\"max_uses\":3") "," SEARCH("")), -1);
    assert_int_equal(searches(SEARCH(",\"max_uses\":3,\"max_uses\":7")), 7);
    assert_int_equal(searches(SEARCH(",\"max_uses\":-3")), -1);
    assert_int_equal(searches(SEARCH(",\"max_uses\":null")), -1);
    assert_int_equal(searches(SEARCH(",\"max_uses\":1,\"max_uses\":1e9")), -1);
    assert_int_equal(searches(SEARCH(",\"max_uses\":1e9,\"max_uses\":1")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ARENA(tools_are_known_by_their_names_in_each_api),
        IN_ARENA(no_way_of_writing_hides_a_tool),
        IN_ARENA(more_tools_than_are_kept_are_told),
        IN_ARENA(searches_are_bound_by_what_their_tools_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
