/* gemini_schema.c - Google's Schema as JSON Schema: types in small letters, `nullable` as a second
 * type, figures that stand in strings as numbers; what JSON Schema doesn't know is left out. */
#include "dataplane/llm/gemini.h"

enum { GROWTH = 3, ROOM = 1024 };

static void convert(struct weir_jw *w, struct weir_str schema);

static bool is(struct weir_str key, const char *camel, const char *snake)
{
    return weir_json_is(key, camel) || weir_json_is(key, snake);
}

/* A raw key; the value follows with no key of its own. */
static void put_key(struct weir_jw *w, struct weir_str key)
{
    weir_canon_put(w, NULL, key);
    weir_buf_addz(w->b, ":");
    w->comma = false;
}

static void put_type(struct weir_jw *w, struct weir_str type, bool nullable)
{
    char word[16];

    type = weir_canon_string(type);
    if (!type.n || type.n >= sizeof word || weir_json_is(type, "TYPE_UNSPECIFIED"))
        return;
    for (size_t i = 0; i < type.n; i++)
        word[i] = type.p[i] >= 'A' && type.p[i] <= 'Z' ? (char)(type.p[i] + 32) : type.p[i];
    if (nullable)
        weir_jw_array(w, "type");
    weir_canon_put(w, nullable ? NULL : "type", (struct weir_str){word, type.n});
    if (!nullable)
        return;
    weir_jw_z(w, NULL, "null");
    weir_jw_end_array(w);
}

static void put_properties(struct weir_jw *w, struct weir_str raw)
{
    struct weir_str key, value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    weir_jw_object(w, "properties");
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value)) {
        put_key(w, key);
        convert(w, value);
    }
    weir_jw_end_object(w);
}

static void put_choices(struct weir_jw *w, struct weir_str raw)
{
    struct weir_str value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return;
    weir_jw_array(w, "anyOf");
    while (weir_json_element(&j) && weir_json_skip(&j, &value))
        convert(w, value);
    weir_jw_end_array(w);
}

/* Google's wire has 64-bit figures in strings. */
static bool put_bound(struct weir_jw *w, struct weir_str key, struct weir_str raw)
{
    static const char *const names[][2] = {
        {"maxItems", "max_items"},           {"minItems", "min_items"},
        {"maxLength", "max_length"},         {"minLength", "min_length"},
        {"maxProperties", "max_properties"}, {"minProperties", "min_properties"}};
    struct weir_str text = weir_canon_string(raw);
    int64_t v;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!is(key, names[i][0], names[i][1]))
            continue;
        if (weir_json_i64(text.p ? text : raw, &v) == WEIR_OK)
            weir_jw_i64(w, names[i][0], v);
        return true;
    }
    return false;
}

static bool is_left_out(struct weir_str key, struct weir_str raw)
{
    static const char *const formats[] = {"\"enum\"", "\"int32\"", "\"int64\"", "\"float\"",
                                          "\"double\""};

    if (is(key, "propertyOrdering", "property_ordering") || weir_json_is(key, "nullable") ||
        weir_json_is(key, "example") || weir_json_is(key, "type"))
        return true;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (weir_json_is(key, "format") && weir_str_is(raw, formats[i]))
            return true;
    return false;
}

static void put_member(struct weir_jw *w, struct weir_str key, struct weir_str raw)
{
    if (is_left_out(key, raw) || put_bound(w, key, raw))
        return;
    if (weir_json_is(key, "properties")) {
        put_properties(w, raw);
    } else if (is(key, "anyOf", "any_of")) {
        put_choices(w, raw);
    } else {
        put_key(w, key);
        if (weir_json_is(key, "items"))
            convert(w, raw);
        else
            weir_jw_raw(w, NULL, raw);
    }
}

/* As deep as the body, whose levels were counted when it was read. */
static void convert(struct weir_jw *w, struct weir_str schema)
{
    struct weir_str type = WEIR_STR_NULL, nullable = type, key, raw;
    const struct weir_canon_want want[] = {{"type", &type}, {"nullable", &nullable}};
    struct weir_json j;

    if (!weir_canon_find(schema, want, 2)) {
        weir_jw_raw(w, NULL, schema);
        return;
    }
    weir_jw_object(w, NULL);
    put_type(w, type, weir_str_is(nullable, "true"));
    weir_json_init(&j, schema);
    weir_json_enter(&j, WEIR_JSON_OBJECT);
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &raw))
        put_member(w, key, raw);
    weir_jw_end_object(w);
}

struct weir_str weir_gemini_schema(struct weir_arena *a, struct weir_str schema)
{
    struct weir_str out;
    struct weir_buf b;
    struct weir_jw w = {.b = &b};

    weir_buf_init(&b, schema.n * GROWTH + ROOM);
    convert(&w, schema);
    out = b.full ? WEIR_STR_NULL : weir_arena_copy(a, weir_buf_str(&b));
    weir_buf_fini(&b);
    return out;
}
