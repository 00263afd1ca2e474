#include "dataplane/llm/messages.h"

/* The wire has cache tokens beside the input: the common sense has them in it. */
static void to_common(struct weir_llm_tap *t)
{
    const struct weir_llm_raw_usage *r = &t->raw;
    struct weir_usage *u = &t->seen.usage;
    int64_t write = r->cache_write, long_write = r->write_1h;

    if (write < 0 && (r->write_5m >= 0 || r->write_1h >= 0))
        write = (r->write_5m > 0 ? r->write_5m : 0) + (r->write_1h > 0 ? r->write_1h : 0);
    if (long_write > write)
        long_write = write;
    u->cache_read = r->cache_read;
    u->cache_write_1h = long_write;
    u->cache_write = write < 0 ? -1 : write - (long_write > 0 ? long_write : 0);
    u->output = r->output;
    u->reasoning = r->reasoning;
    if (r->input >= 0 || r->cache_read > 0 || write > 0)
        u->input = (r->input > 0 ? r->input : 0) + (r->cache_read > 0 ? r->cache_read : 0) +
                   (write > 0 ? write : 0);
}

static void read_nested(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str key, value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value)) {
        if (weir_json_is(key, "ephemeral_1h_input_tokens"))
            weir_llm_keep_tokens(&t->raw.write_1h, value);
        else if (weir_json_is(key, "ephemeral_5m_input_tokens"))
            weir_llm_keep_tokens(&t->raw.write_5m, value);
        else if (weir_json_is(key, "thinking_tokens"))
            weir_llm_keep_tokens(&t->raw.reasoning, value);
        else if (weir_json_is(key, "web_search_requests"))
            weir_llm_keep_tokens(&t->seen.usage.web_searches, value);
    }
}

/* All figures are cumulative: the last one that is not null counts, none are added up. */
void weir_messages_usage(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str key, value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value)) {
        if (weir_json_is(key, "input_tokens"))
            weir_llm_keep_tokens(&t->raw.input, value);
        else if (weir_json_is(key, "output_tokens"))
            weir_llm_keep_tokens(&t->raw.output, value);
        else if (weir_json_is(key, "cache_read_input_tokens"))
            weir_llm_keep_tokens(&t->raw.cache_read, value);
        else if (weir_json_is(key, "cache_creation_input_tokens"))
            weir_llm_keep_tokens(&t->raw.cache_write, value);
        else if (weir_json_is(key, "cache_creation") ||
                 weir_json_is(key, "output_tokens_details") || weir_json_is(key, "server_tool_use"))
            read_nested(t, value);
    }
    to_common(t);
}

static void read_message(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str key, value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value)) {
        if (weir_json_is(key, "usage"))
            weir_messages_usage(t, value);
        else if (weir_json_is(key, "model") && weir_canon_string(value).p)
            weir_llm_keep(&t->seen.model, t->model_bytes, WEIR_LLM_MODEL_BYTES,
                          weir_canon_string(value));
        else if (weir_json_is(key, "id") && weir_canon_string(value).p)
            weir_llm_keep(&t->id, t->id_bytes, WEIR_LLM_ID_BYTES, weir_canon_string(value));
    }
}

/* Text of a delta or of a block that begins: what the model wrote. A signature is no output, and
 * results of the provider's own tools are input. */
static size_t written(struct weir_str raw)
{
    struct weir_str key, text;
    struct weir_json j;
    size_t n = 0;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return 0;
    while (weir_json_member(&j, &key)) {
        bool counts = weir_json_is(key, "text") || weir_json_is(key, "thinking") ||
                      weir_json_is(key, "partial_json") || weir_json_is(key, "name");

        if (!counts || weir_json_peek(&j) != WEIR_JSON_STRING)
            weir_json_skip(&j, NULL);
        else if (weir_json_string(&j, &text))
            n += weir_json_text_bytes(text);
    }
    return n;
}

static void read_delta(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str key, value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value))
        if (weir_json_is(key, "stop_reason") && weir_canon_string(value).p)
            weir_llm_keep(&t->seen.finish, t->finish_bytes, WEIR_LLM_WORD_BYTES,
                          weir_canon_string(value));
}

static void mark_block(struct weir_llm_tap *t, struct weir_str index, bool open)
{
    int64_t i = -1;
    uint64_t bit;

    weir_llm_keep_tokens(&i, index);
    if (i < 0 || i >= WEIR_LLM_PARTS)
        return;
    bit = 1ULL << i % 64;
    t->parts[i / 64] = open ? t->parts[i / 64] | bit : t->parts[i / 64] & ~bit;
    if (i >= t->next_part)
        t->next_part = (unsigned)i + 1;
}

/* The members that events have, as they stand. */
struct members {
    struct weir_str type, index, message, block, delta, usage, error;
};

static void read_members(struct weir_str data, struct members *m)
{
    struct weir_str key, raw;
    struct weir_json j;

    weir_json_init(&j, data);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &raw)) {
        if (weir_json_is(key, "type"))
            m->type = weir_canon_string(raw);
        else if (weir_json_is(key, "index"))
            m->index = raw;
        else if (weir_json_is(key, "delta"))
            m->delta = raw;
        else if (weir_json_is(key, "usage"))
            m->usage = raw;
        else if (weir_json_is(key, "message"))
            m->message = raw;
        else if (weir_json_is(key, "content_block"))
            m->block = raw;
        else if (weir_json_is(key, "error"))
            m->error = raw;
    }
}

bool weir_messages_event(struct weir_llm_tap *t, const struct weir_sse_event *e)
{
    struct members m = {0};

    read_members(e->data, &m);
    if (weir_json_is(m.type, "content_block_delta")) {
        weir_llm_count_output(t, written(m.delta));
    } else if (weir_json_is(m.type, "content_block_start")) {
        mark_block(t, m.index, true);
        weir_llm_count_output(t, written(m.block));
    } else if (weir_json_is(m.type, "content_block_stop")) {
        mark_block(t, m.index, false);
    } else if (weir_json_is(m.type, "message_start")) {
        t->begun = true;
        read_message(t, m.message);
    } else if (weir_json_is(m.type, "message_delta")) {
        read_delta(t, m.delta);
        weir_messages_usage(t, m.usage);
    } else if (weir_json_is(m.type, "message_stop")) {
        t->seen.complete = true;
    } else if (weir_json_is(m.type, "error")) {
        weir_llm_keep_error(t, m.error);
    }
    return true;
}

static void close_blocks(struct weir_llm_tap *t, struct weir_buf *out)
{
    for (unsigned i = 0; i < t->next_part; i++)
        if (t->parts[i / 64] >> i % 64 & 1)
            weir_buf_addf(out,
                          "event: content_block_stop\n"
                          "data: {\"type\":\"content_block_stop\",\"index\":%u}\n\n",
                          i);
}

static void add_notice(struct weir_llm_tap *t, struct weir_str notice, struct weir_buf *out)
{
    weir_buf_addf(out,
                  "event: content_block_start\n"
                  "data: {\"type\":\"content_block_start\",\"index\":%u,"
                  "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
                  "event: content_block_delta\n"
                  "data: {\"type\":\"content_block_delta\",\"index\":%u,"
                  "\"delta\":{\"type\":\"text_delta\",\"text\":",
                  t->next_part, t->next_part);
    weir_buf_add_json(out, notice);
    weir_buf_addf(out,
                  "}}\n\n"
                  "event: content_block_stop\n"
                  "data: {\"type\":\"content_block_stop\",\"index\":%u}\n\n",
                  t->next_part);
}

void weir_messages_cut(struct weir_llm_tap *t, struct weir_str notice,
                       const struct weir_usage *usage, struct weir_buf *out)
{
    if (!t->seen.finish.n) {
        close_blocks(t, out);
        if (notice.n)
            add_notice(t, notice, out);
        weir_buf_addf(out,
                      "event: message_delta\n"
                      "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\","
                      "\"stop_sequence\":null},\"usage\":{\"output_tokens\":%lld}}\n\n",
                      (long long)usage->output);
    }
    weir_buf_addz(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}
