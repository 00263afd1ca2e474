/* Manifests and what is said about the bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "data/decode.h"
#include "data/render.h"
#include "weir/v1/config.pb-c.h"

#define HEAD "apiVersion: weir.dev/v1alpha1\n"
#define ROUTE HEAD "kind: Route\nmetadata: {name: r}\nspec:\n"
#define PROVIDER HEAD "kind: Provider\nmetadata: {name: p}\nspec:\n"
#define BUDGET HEAD "kind: Budget\nmetadata: {name: b}\nspec:\n"
#define GROUPS "  groups: [{targets: [{provider: x}]}]\n"

struct decoded {
    struct weir_arena *arena;
    struct weir_data_errors errors;
    struct weir_data_file file;
    int rc;
};

static struct decoded decode(const char *name, const char *text)
{
    struct decoded d = {.arena = weir_arena_create(NULL)};

    d.errors.arena = d.arena;
    d.rc = weir_data_decode(d.arena, weir_str_of(name), weir_data_syntax_of(weir_str_of(name)),
                            weir_str_of(text), &d.errors, &d.file);
    return d;
}

static char *all_errors(const struct decoded *d)
{
    struct weir_buf b;
    char *text;

    weir_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < d->errors.count; i++) {
        weir_data_error_text(&d->errors.list[i], &b);
        weir_buf_addz(&b, "\n");
    }
    text = weir_strdup(weir_buf_str(&b));
    weir_buf_fini(&b);
    return text;
}

static void every_bad_input_gets_its_exact_sentence(void **state)
{
    static const struct {
        const char *file, *text, *errors;
    } cases[] = {
        {"a.yaml", PROVIDER "  dialect: openai\n  endpont: https://x\n",
         "a.yaml:6: Provider/p: spec.endpont: unknown field; did you mean endpoint?\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  zzz: 1\n",
         "a.yaml:6: Provider/p: spec.zzz: unknown field: remove it (`weir explain` lists the "
         "fields)\n"},
        {"a.yaml", PROVIDER "  endpoint: https://x\n",
         "a.yaml:4: Provider/p: spec.dialect: is missing: add it\n"},
        {"a.yaml", PROVIDER "  dialect: opnai\n",
         "a.yaml:5: Provider/p: spec.dialect: must be one of openai, anthropic, echo, "
         "openaiResponses, gemini, bedrock, azure, cohere, not "
         "\"opnai\"; did you mean openai?\n"},
        {"a.yaml", PROVIDER "  dialect: vertex\n",
         "a.yaml:5: Provider/p: spec.dialect: vertex is not supported yet: use one of openai, "
         "anthropic, echo, openaiResponses, gemini, bedrock, azure, cohere\n"},
        {"a.yaml", PROVIDER "  dialect: DIALECT_UNSET\n",
         "a.yaml:5: Provider/p: spec.dialect: must be one of openai, anthropic, echo, "
         "openaiResponses, gemini, bedrock, azure, cohere, not "
         "\"DIALECT_UNSET\"\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  credential: {federated: true}\n",
         "a.yaml:6: Provider/p: spec.credential.federated: is not supported yet: remove it\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  maxConnections: 0\n",
         "a.yaml:6: Provider/p: spec.maxConnections: must be from 1 to 65536\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  maxConnections: \"8\"\n",
         "a.yaml:6: Provider/p: spec.maxConnections: must be a whole number without quotes, not "
         "\"8\"\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  timeouts: {connect: 5}\n",
         "a.yaml:6: Provider/p: spec.timeouts.connect: \"5\" is no duration: write it like 200ms, "
         "30s, 5m or 1h30m\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  timeouts: {connect: 2h}\n",
         "a.yaml:6: Provider/p: spec.timeouts.connect: must be from 10ms to 1m\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  endpoint: ftp://x\n",
         "a.yaml:6: Provider/p: spec.endpoint: must be a URL that begins with https:// or "
         "http://\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  endpoint: https://u:p@x\n",
         "a.yaml:6: Provider/p: spec.endpoint: must not hold a user or a password: use "
         "`credential`\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  endpoint: https://x:99999/\n",
         "a.yaml:6: Provider/p: spec.endpoint: the port must be a number from 1 to 65535\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  credential: {env: A, file: /b}\n",
         "a.yaml:6: Provider/p: spec.credential: must have exactly one of env, file, pushed, "
         "passthrough, oauth, google, aws\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  headers: {Host: x, \"a b\": y, x-ok: \"1\"}\n",
         "a.yaml:6: Provider/p: spec.headers.Host: is set by the proxy itself: remove it\n"
         "a.yaml:6: Provider/p: spec.headers.a b: must be a header name: letters, digits and "
         "'-'\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  dialect: echo\n",
         "a.yaml:6: Provider/p: spec.dialect: is given twice: remove one\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  models: gpt\n",
         "a.yaml:6: Provider/p: spec.models: must be a list: write it as [value] or as lines with "
         "'-'\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  models: [{name: 4.1}]\n",
         "a.yaml:6: Provider/p: spec.models[0].name: must be text: write it in quotes, \"4.1\"\n"},
        {"a.yaml", PROVIDER "  dialect: openai\n  endpoint:\n",
         "a.yaml:6: Provider/p: spec.endpoint: has no value: give it one, or remove the line\n"},
        {"a.yaml", BUDGET "  limit: {usd: 1, tokens: 5}\n  window: day\n",
         "a.yaml:5: Budget/b: spec.limit: must have exactly one of usd, tokens, requests\n"},
        {"a.yaml", BUDGET "  limit: {}\n  window: day\n",
         "a.yaml:5: Budget/b: spec.limit: must have exactly one of usd, tokens, requests\n"},
        {"a.yaml", BUDGET "  limit: {usd: 1e3}\n  window: fortnight\n",
         "a.yaml:5: Budget/b: spec.limit.usd: \"1e3\" is no amount: write US dollars like 20 or "
         "12.50, with at most 9 decimals\n"
         "a.yaml:6: Budget/b: spec.window: must be one of minute, hour, day, week, month, total, "
         "rolling, not \"fortnight\"\n"},
        {"a.yaml", BUDGET "  limit: {usd: 0.0000000001}\n  window: day\n",
         "a.yaml:5: Budget/b: spec.limit.usd: \"0.0000000001\" is no amount: write US dollars like "
         "20 or 12.50, with at most 9 decimals\n"},
        {"a.yaml", BUDGET "  limit: {usd: -1}\n  window: day\n",
         "a.yaml:5: Budget/b: spec.limit.usd: must be at least 0\n"},
        {"a.yaml", BUDGET "  limit: {usd: 1}\n  window: day\n  timezone: Mars/Olympus\n",
         "a.yaml:7: Budget/b: spec.timezone: must be UTC or a time zone of this system, such as "
         "Europe/Berlin\n"},
        {"a.yaml",
         HEAD "kind: PriceList\nmetadata: {name: p}\nspec: {prices: [{model: m, from: "
              "2026-06-31}]}\n",
         "a.yaml:4: PriceList/p: spec.prices[0].from: must be a day, such as 2026-01-31\n"},
        {"a.yaml", BUDGET "  limit: {usd: 1}\n  window: day\n  onPartition: {allow: yes}\n",
         "a.yaml:7: Budget/b: spec.onPartition.allow: must be true or false, not \"yes\"\n"},
        {"a.yaml", ROUTE "  groups: []\n",
         "a.yaml:5: Route/r: spec.groups: needs at least 1 item\n"},
        {"a.yaml", ROUTE GROUPS "  models: [\"\"]\n",
         "a.yaml:6: Route/r: spec.models[0]: must be a name or a pattern with '*', 1 to 256 bytes "
         "long\n"},
        {"a.yaml", HEAD "kind: Agent\nmetadata: {name: a}\nspec: {keys: [{id: k, sha256: abc}]}\n",
         "a.yaml:4: Agent/a: spec.keys[0].sha256: must be a SHA-256: 64 hex digits (printf %s KEY "
         "| sha256sum)\n"},
        {"a.yaml", HEAD "kind: Agent\nmetadata: {name: Bad_Name}\nspec: {project: x}\n",
         "a.yaml:3: Agent/Bad_Name: metadata.name: must be a name: at most 63 of a-z, 0-9, '-' and "
         "'.', "
         "with a letter or digit at both ends\n"},
        {"a.yaml", HEAD "kind: Agnt\nmetadata: {name: a}\nspec: {}\n",
         "a.yaml:2: unknown kind \"Agnt\"; did you mean Agent?\n"},
        {"a.yaml", HEAD "metadata: {name: a}\n",
         "a.yaml:1: has no kind: add one, such as kind: Provider\n"},
        {"a.yaml", HEAD "kind: Guardrail\nmetadata: {name: g}\nspec: {}\n",
         "a.yaml:2: Guardrail/g: the kind Guardrail is not supported yet: remove it\n"},
        {"a.yaml", "apiVersion: v1\nkind: Agent\nmetadata: {name: a}\nspec: {}\n",
         "a.yaml:1: Agent/a: apiVersion: must be weir.dev/v1alpha1\n"},
        {"a.yaml", HEAD "kind: Agent\nspec: {}\n",
         "a.yaml:2: Agent: metadata: is missing: add it\n"},
        {"a.yaml", HEAD "kind: Agent\nmetadata: {name: a}\nspec: {}\nspek: {}\n",
         "a.yaml:5: Agent/a: spek: unknown field: an object has apiVersion, kind, metadata and "
         "spec\n"},
        {"a.yaml", "- 1\n",
         "a.yaml:1: must be an object with apiVersion, kind, metadata and spec\n"},
        {"a.yaml", "a: &x 1\nb: *x\n",
         "a.yaml:1: anchors are not supported: write the value out\n"},
        {"a.yaml", "a: !!str 1\n", "a.yaml:1: tags are not supported: remove it\n"},
        {"a.yaml", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
         "a.yaml:1: nested too deeply\n"},
        {"a.json",
         "{\"kind\": \"Agent\",\n \"spec\": {\"project\": 5},\n \"metadata\": {\"name\": "
         "\"a\"}, \"apiVersion\": \"weir.dev/v1alpha1\"}",
         "a.json:2: Agent/a: spec.project: must be text: write it in quotes, \"5\"\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct decoded d = decode(cases[i].file, cases[i].text);
        char *text = all_errors(&d);

        assert_string_equal(text, cases[i].errors);
        assert_int_equal(d.rc, WEIR_EINVAL);
        free(text);
        weir_arena_destroy(d.arena);
    }
}

static void a_syntax_error_names_its_line(void **state)
{
    struct decoded y = decode("a.yaml", HEAD "kind: [\n"), j = decode("a.json", "{\n\"a\": x}");

    (void)state;
    assert_int_equal(y.rc, WEIR_EINVAL);
    assert_int_equal(y.errors.count, 1);
    assert_in_range(y.errors.list[0].line, 2, 3);
    assert_int_equal(j.errors.count, 1);
    assert_int_equal(j.errors.list[0].line, 2);
    weir_arena_destroy(y.arena);
    weir_arena_destroy(j.arena);
}

static void all_documents_are_read_and_all_errors_reported(void **state)
{
    struct decoded d =
        decode("a.yaml", BUDGET "  limit: {usd: 12.50}\n  window: day\n---\n" BUDGET
                                "  window: dy\n---\n" BUDGET "  limit: {tokens: -4}\n");
    const Weir__V1__Budget *b;

    (void)state;
    assert_int_equal(d.errors.count, 4);
    assert_int_equal(d.file.count, 3);
    b = (const Weir__V1__Budget *)d.file.objects[0].message;
    assert_int_equal(b->spec->limit->usd, 12500000000);
    assert_null(d.file.objects[1].message);
    assert_string_equal(d.file.objects[1].name, "b");
    weir_arena_destroy(d.arena);
}

static void what_kubectl_prints_is_read(void **state)
{
    struct decoded d = decode(
        "a.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: weir.dev/v1alpha1\n  kind: "
                  "Agent\n  metadata: {name: a, namespace: x, uid: u, creationTimestamp: null}\n  "
                  "spec: {project: p}\n  status: {any: [thing]}\n");

    (void)state;
    assert_int_equal(d.rc, WEIR_OK);
    assert_int_equal(d.file.count, 1);
    assert_string_equal(d.file.objects[0].ns, "x");
    assert_true(d.file.objects[0].in_list);
    weir_arena_destroy(d.arena);
}

static const char whole[] =
    HEAD "kind: Route\nmetadata:\n  name: main\n  labels: {b: \"2\", a: x}\nspec:\n"
         "  models: [gpt-*, \"4.1\", 'true']\n  callers: {teams: [core]}\n"
         "  groups:\n  - targets:\n    - provider: openai\n      weight: 3\n    - {provider: b}\n"
         "  - targets: [{provider: c, model: m}]\n  retry: {attempts: 2, backoff: 1500ms}\n"
         "  addHeaders: {x-a: \"true\"}\n  priority: -3\n";

static void render_and_decode_are_inverse(void **state)
{
    struct decoded a = decode("a.yaml", whole);
    struct weir_buf yaml, json;
    struct weir_str packed;

    (void)state;
    assert_int_equal(a.rc, WEIR_OK);
    packed = weir_message_pack(a.arena, a.file.objects[0].message);
    weir_buf_init(&yaml, 1 << 16);
    weir_buf_init(&json, 1 << 16);
    assert_int_equal(weir_render_yaml(a.file.objects[0].message, &yaml), WEIR_OK);
    for (unsigned indent = 0; indent <= 2; indent += 2) {
        struct decoded b;
        char *text;

        weir_buf_clear(&json);
        assert_int_equal(weir_render_json(a.file.objects[0].message, indent, &json), WEIR_OK);
        text = weir_strdup(weir_buf_str(indent ? &json : &yaml));
        b = decode(indent ? "b.json" : "b.yaml", text);
        assert_int_equal(b.rc, WEIR_OK);
        assert_true(weir_str_eq(packed, weir_message_pack(b.arena, b.file.objects[0].message)));
        free(text);
        weir_arena_destroy(b.arena);
    }
    weir_buf_fini(&yaml);
    weir_buf_fini(&json);
    weir_arena_destroy(a.arena);
}

static void a_required_list_is_written_also_when_empty(void **state)
{
    struct decoded a =
        decode("a.yaml", HEAD "kind: PriceList\nmetadata: {name: l}\nspec: {prices: []}\n");
    struct weir_buf b;

    (void)state;
    assert_int_equal(a.rc, WEIR_OK);
    weir_buf_init(&b, 1 << 16);
    assert_int_equal(weir_render_yaml(a.file.objects[0].message, &b), WEIR_OK);
    assert_non_null(memmem(b.p, b.n, "\n  prices: []\n", 14));
    weir_buf_clear(&b);
    assert_int_equal(weir_render_json(a.file.objects[0].message, 0, &b), WEIR_OK);
    assert_non_null(memmem(b.p, b.n, "\"prices\":[]}", 12));
    weir_buf_fini(&b);
    weir_arena_destroy(a.arena);
}

/* YAML takes some of these for line breaks and refuses others, unless they are written as escapes.
 */
static void hidden_controls_survive_being_rendered(void **state)
{
    static const char text[] =
        "{\"apiVersion\":\"weir.dev/v1alpha1\",\"kind\":\"Budget\",\"metadata\":{\"name\":\"b\","
        "\"annotations\":{\"k\":"
        "\"a\\u0085b\\u009bc\\u2028d\\u2029e\\ufefff\\ufffeg\\uffffh\\u00a0\"}},"
        "\"spec\":{\"limit\":{\"usd\":1},\"window\":\"day\"}}";
    struct decoded a = decode("a.json", text), b;
    struct weir_buf yaml;
    char *again;

    (void)state;
    assert_int_equal(a.rc, WEIR_OK);
    weir_buf_init(&yaml, 1 << 16);
    assert_int_equal(weir_render_yaml(a.file.objects[0].message, &yaml), WEIR_OK);
    again = weir_strdup(weir_buf_str(&yaml));
    b = decode("b.yaml", again);
    assert_int_equal(b.rc, WEIR_OK);
    assert_true(weir_str_eq(weir_message_pack(a.arena, a.file.objects[0].message),
                            weir_message_pack(b.arena, b.file.objects[0].message)));
    free(again);
    weir_buf_fini(&yaml);
    weir_arena_destroy(b.arena);
    weir_arena_destroy(a.arena);
}

static void yaml_is_rendered_for_people(void **state)
{
    struct decoded a = decode("a.yaml", whole);
    struct weir_buf yaml;
    char *text;

    (void)state;
    weir_buf_init(&yaml, 1 << 16);
    assert_int_equal(weir_render_yaml(a.file.objects[0].message, &yaml), WEIR_OK);
    text = weir_strdup(weir_buf_str(&yaml));
    assert_string_equal(
        text,
        HEAD "kind: Route\nmetadata:\n  name: main\n  labels:\n    a: x\n    b: \"2\"\nspec:\n"
             "  models:\n    - gpt-*\n    - \"4.1\"\n    - \"true\"\n"
             "  callers:\n    teams:\n      - core\n"
             "  groups:\n    - targets:\n        - provider: openai\n          weight: 3\n"
             "        - provider: b\n    - targets:\n        - provider: c\n          model: m\n"
             "  retry:\n    attempts: 2\n    backoff: 1s500ms\n"
             "  priority: -3\n  addHeaders:\n    x-a: \"true\"\n");
    free(text);
    weir_buf_fini(&yaml);
    weir_arena_destroy(a.arena);
}

static void the_order_of_labels_changes_no_version(void **state)
{
    struct decoded a =
        decode("a.yaml", HEAD "kind: Agent\nmetadata: {name: a, labels: {x: p, y: q}}\nspec: {}\n");
    struct decoded b =
        decode("b.yaml", HEAD "kind: Agent\nspec: {}\nmetadata: {labels: {y: q, x: p}, name: a}\n");

    (void)state;
    assert_int_equal(a.rc, WEIR_OK);
    assert_int_equal(b.rc, WEIR_OK);
    assert_true(weir_str_eq(weir_message_pack(a.arena, a.file.objects[0].message),
                            weir_message_pack(b.arena, b.file.objects[0].message)));
    weir_arena_destroy(a.arena);
    weir_arena_destroy(b.arena);
}

static void defaults_are_filled_only_when_asked(void **state)
{
    struct decoded d = decode("a.yaml", BUDGET "  limit: {usd: 1}\n  window: day\n");
    Weir__V1__Budget *b = (Weir__V1__Budget *)d.file.objects[0].message;
    int64_t v;

    (void)state;
    assert_false(b->spec->has_mode);
    assert_null(b->spec->timezone);
    weir_data_fill_defaults(d.arena, &b->base);
    assert_int_equal(b->spec->mode, WEIR__V1__BUDGET_MODE__hard);
    assert_string_equal(b->spec->timezone, "UTC");
    assert_string_equal(b->metadata->namespace_, "default");
    assert_int_equal(weir_data_default_i64(&weir__v1__timeouts__descriptor, "connect", &v),
                     WEIR_OK);
    assert_int_equal(v, 5000);
    weir_arena_destroy(d.arena);
}

static void durations_and_amounts_are_exact(void **state)
{
    int64_t v = 7;

    (void)state;
    assert_int_equal(weir_data_duration(WEIR_STR("1h30m"), &v), WEIR_OK);
    assert_int_equal(v, 5400000);
    assert_int_equal(weir_data_duration(WEIR_STR("0"), &v), WEIR_OK);
    assert_int_equal(weir_data_duration(WEIR_STR("1m1m"), &v), WEIR_EINVAL);
    assert_int_equal(weir_data_duration(WEIR_STR("1s1h"), &v), WEIR_EINVAL);
    assert_int_equal(weir_data_duration(WEIR_STR(""), &v), WEIR_EINVAL);
    assert_int_equal(weir_data_duration(WEIR_STR("-1s"), &v), WEIR_EINVAL);
    assert_int_equal(weir_data_duration(WEIR_STR("99999999999999999999h"), &v), WEIR_EINVAL);
    assert_int_equal(weir_data_usd(WEIR_STR("0.000000001"), &v), WEIR_OK);
    assert_int_equal(v, 1);
    assert_int_equal(weir_data_usd(WEIR_STR("9999999999"), &v), WEIR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_input_gets_its_exact_sentence),
        cmocka_unit_test(a_syntax_error_names_its_line),
        cmocka_unit_test(all_documents_are_read_and_all_errors_reported),
        cmocka_unit_test(what_kubectl_prints_is_read),
        cmocka_unit_test(render_and_decode_are_inverse),
        cmocka_unit_test(a_required_list_is_written_also_when_empty),
        cmocka_unit_test(hidden_controls_survive_being_rendered),
        cmocka_unit_test(yaml_is_rendered_for_people),
        cmocka_unit_test(the_order_of_labels_changes_no_version),
        cmocka_unit_test(defaults_are_filled_only_when_asked),
        cmocka_unit_test(durations_and_amounts_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
