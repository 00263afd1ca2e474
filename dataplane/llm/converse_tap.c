/* converse_tap.c - what a Converse answer says while it passes. */
#include "dataplane/llm/converse.h"

enum { CUT_BYTES = 1 << 16 };

/* Writes to the cache by how long they are kept: an hour's are told apart. */
static void read_details(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str one, ttl, tokens;
    const struct weir_canon_want want[] = {{"ttl", &ttl}, {"inputTokens", &tokens}};
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!raw.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return;
    while (weir_json_element(&j) && weir_json_skip(&j, &one)) {
        ttl = tokens = WEIR_STR_NULL;
        if (weir_canon_find(one, want, 2) && tokens.p && weir_json_is(weir_canon_string(ttl), "1h"))
            weir_llm_keep_tokens(&t->raw.write_1h, tokens);
    }
}

/* The wire has cache tokens beside the input: the common sense has them in it. */
void weir_converse_usage(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str input = WEIR_STR_NULL, output = input, read = input, write = input,
                    details = input;
    const struct weir_canon_want want[] = {{"inputTokens", &input},
                                           {"outputTokens", &output},
                                           {"cacheReadInputTokens", &read},
                                           {"cacheWriteInputTokens", &write},
                                           {"cacheDetails", &details}};
    struct weir_llm_raw_usage *r = &t->raw;
    struct weir_usage *u = &t->seen.usage;

    if (!weir_canon_find(raw, want, 5))
        return;
    weir_llm_keep_tokens(&r->input, input);
    weir_llm_keep_tokens(&r->output, output);
    weir_llm_keep_tokens(&r->cache_read, read);
    weir_llm_keep_tokens(&r->cache_write, write);
    read_details(t, details);
    if (r->write_1h > weir_llm_known(r->cache_write))
        r->write_1h = weir_llm_known(r->cache_write);
    u->output = r->output;
    u->cache_read = r->cache_read;
    u->cache_write_1h = r->write_1h;
    u->cache_write = r->cache_write < 0 ? -1 : r->cache_write - weir_llm_known(r->write_1h);
    if (r->input >= 0)
        u->input = r->input + weir_llm_known(r->cache_read) + weir_llm_known(r->cache_write);
}

/* Bytes of the texts of a delta; a tool's name counts with its start. */
static size_t written(struct weir_str raw, unsigned depth)
{
    struct weir_str key, text;
    struct weir_json j;
    size_t n = 0;

    weir_json_init(&j, raw);
    if (!raw.n || !weir_json_enter(&j, WEIR_JSON_OBJECT))
        return 0;
    while (weir_json_member(&j, &key)) {
        bool counts =
            weir_json_is(key, "text") || weir_json_is(key, "input") || weir_json_is(key, "name");

        if (counts && weir_json_peek(&j) == WEIR_JSON_STRING) {
            if (weir_json_string(&j, &text))
                n += weir_json_text_bytes(text);
        } else if (weir_json_skip(&j, &text) && depth < 2) {
            n += written(text, depth + 1);
        }
    }
    return n;
}

static void read_failure(struct weir_llm_tap *t, const struct weir_sse_event *e)
{
    t->seen.error = true;
    if (weir_json_check(e->data, NULL) == WEIR_OK)
        weir_llm_keep_error(t, e->data);
    weir_llm_keep(&t->seen.error_type, t->type_bytes, WEIR_LLM_WORD_BYTES, e->name);
}

/* Blocks are open from their first event on. */
static void note_block(struct weir_llm_tap *t, struct weir_str raw, bool open)
{
    size_t at;

    if (!weir_canon_index(raw, &at))
        return;
    if (open)
        t->parts[at / 64] |= 1ULL << at % 64;
    else
        t->parts[at / 64] &= ~(1ULL << at % 64);
    if (t->next_part <= at)
        t->next_part = (unsigned)at + 1;
}

static bool is_block(struct weir_str name)
{
    return weir_str_is(name, "contentBlockDelta") || weir_str_is(name, "contentBlockStart");
}

bool weir_converse_event(struct weir_llm_tap *t, const struct weir_sse_event *e)
{
    struct weir_str reason = WEIR_STR_NULL, usage = reason, index = reason;
    const struct weir_canon_want want[] = {
        {"stopReason", &reason}, {"usage", &usage}, {"contentBlockIndex", &index}};

    if (t->failure_frame) {
        read_failure(t, e);
        return true;
    }
    weir_canon_find(e->data, want, 3);
    if (is_block(e->name)) {
        note_block(t, index, true);
        weir_llm_count_output(t, written(e->data, 0));
    } else if (weir_str_is(e->name, "contentBlockStop")) {
        note_block(t, index, false);
    } else if (weir_str_is(e->name, "messageStart")) {
        t->begun = true;
    } else if (weir_str_is(e->name, "messageStop")) {
        if (reason.p)
            weir_llm_keep(&t->seen.finish, t->finish_bytes, WEIR_LLM_WORD_BYTES,
                          weir_canon_string(reason));
    } else if (weir_str_is(e->name, "metadata")) {
        if (usage.p)
            weir_converse_usage(t, usage);
        t->seen.complete = true; /* nothing follows it, and no event says so */
    }
    return true;
}

/* ---- the end of a stream that is cut ---- */

static void add_event(struct weir_buf *out, const char *name, struct weir_buf *payload)
{
    if (weir_eventstream_write(out, "event", weir_str_of(name), weir_buf_str(payload)))
        out->full = true;
    weir_buf_clear(payload);
}

static void close_blocks(struct weir_llm_tap *t, struct weir_buf *payload, struct weir_buf *out)
{
    for (unsigned i = 0; i < t->next_part; i++) {
        if (!(t->parts[i / 64] >> i % 64 & 1))
            continue;
        weir_buf_addf(payload, "{\"contentBlockIndex\":%u}", i);
        add_event(out, "contentBlockStop", payload);
    }
}

static void add_notice(struct weir_llm_tap *t, struct weir_str notice, struct weir_buf *payload,
                       struct weir_buf *out)
{
    weir_buf_addf(payload, "{\"contentBlockIndex\":%u,\"delta\":{\"text\":", t->next_part);
    weir_buf_add_json(payload, notice);
    weir_buf_addz(payload, "}}");
    add_event(out, "contentBlockDelta", payload);
    weir_buf_addf(payload, "{\"contentBlockIndex\":%u}", t->next_part);
    add_event(out, "contentBlockStop", payload);
}

void weir_converse_cut(struct weir_llm_tap *t, struct weir_str notice,
                       const struct weir_usage *usage, struct weir_buf *out)
{
    struct weir_buf payload;
    struct weir_jw j = {.b = &payload};

    weir_buf_init(&payload, CUT_BYTES);
    if (!t->seen.finish.n) {
        close_blocks(t, &payload, out);
        if (notice.n)
            add_notice(t, notice, &payload, out);
        weir_buf_addz(&payload, "{\"stopReason\":\"max_tokens\"}");
        add_event(out, "messageStop", &payload);
    }
    weir_jw_object(&j, NULL);
    weir_converse_put_usage(&j, usage, t->elapsed_ms);
    weir_jw_end_object(&j);
    add_event(out, "metadata", &payload);
    weir_buf_fini(&payload);
}
