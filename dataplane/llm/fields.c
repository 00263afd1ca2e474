/* fields.c - see fields.h. */
#include "dataplane/llm/fields.h"

#include "base/buf.h"
#include "base/err.h"
#include "data/json_scan.h"

enum { MAX_BODY = 1 << 30 };

static void add_member(struct weir_buf *b, struct weir_str quoted_key, struct weir_str value)
{
    weir_buf_addz(b, b->n > 1 ? "," : "");
    weir_buf_adds(b, quoted_key);
    weir_buf_addz(b, ":");
    weir_buf_adds(b, value);
}

/* The last edit of a field counts. */
static const struct weir_llm_field_edit *edit_of(struct weir_str key,
                                                 const struct weir_llm_field_edit *edits, size_t n)
{
    while (n-- > 0)
        if (weir_json_is(key, edits[n].field))
            return &edits[n];
    return NULL;
}

static void keep_members(struct weir_json *j, const struct weir_llm_field_edit *edits, size_t n,
                         bool *met, struct weir_buf *b)
{
    struct weir_str key, raw;

    while (weir_json_member(j, &key) && weir_json_skip(j, &raw)) {
        const struct weir_llm_field_edit *e = edit_of(key, edits, n);

        if (e)
            met[e - edits] = true;
        if (!e || e->if_absent)
            add_member(b, (struct weir_str){key.p - 1, key.n + 2}, raw);
        else if (e->value.p)
            add_member(b, (struct weir_str){key.p - 1, key.n + 2}, e->value);
    }
}

static void add_new(const struct weir_llm_field_edit *edits, size_t n, const bool *met,
                    struct weir_arena *a, struct weir_buf *b)
{
    for (size_t i = 0; i < n; i++) {
        struct weir_buf key;

        if (met[i] || !edits[i].value.p ||
            edit_of(weir_str_of(edits[i].field), edits, n) != &edits[i])
            continue;
        weir_buf_init(&key, 1 << 16);
        weir_buf_add_json(&key, weir_str_of(edits[i].field));
        add_member(b, weir_arena_copy(a, weir_buf_str(&key)), edits[i].value);
        weir_buf_fini(&key);
    }
}

int weir_llm_edit_fields(struct weir_str body, const struct weir_llm_field_edit *edits, size_t n,
                         struct weir_arena *a, struct weir_str *out)
{
    bool *met = weir_arena_zalloc(a, n ? n : 1);
    struct weir_json j;
    struct weir_buf b;
    int rc = WEIR_EINVAL;

    weir_buf_init(&b, MAX_BODY);
    weir_json_init(&j, body);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        goto done;
    weir_buf_addz(&b, "{");
    keep_members(&j, edits, n, met, &b);
    if (j.fault)
        goto done;
    add_new(edits, n, met, a, &b);
    rc = weir_buf_addz(&b, "}");
    if (rc == WEIR_OK)
        *out = weir_arena_copy(a, weir_buf_str(&b));
done:
    weir_buf_fini(&b);
    return rc;
}
