/* converse_answer_write.c - canonical events as ConverseStream events, or as a Converse document.
 * Only tool calls have a start of their own there. */
#include "dataplane/llm/canon_blocks.h"
#include "dataplane/llm/converse.h"

/* An event's payload is made beside the stream, for its length goes before it. */
struct event {
    struct weir_buf payload;
    struct weir_jw j;
    const char *name;
};

enum { EVENT_MAX = 64 << 20 };

static void begin(struct event *e, const char *name)
{
    e->name = name;
    weir_buf_init(&e->payload, EVENT_MAX);
    e->j = (struct weir_jw){.b = &e->payload};
    weir_jw_object(&e->j, NULL);
}

static void end(struct weir_canon_writer *w, struct event *e)
{
    weir_jw_end_object(&e->j);
    if (e->payload.full || weir_eventstream_write(w->out, "event", weir_str_of(e->name),
                                                  weir_buf_str(&e->payload)) != WEIR_OK)
        w->full = true;
    weir_buf_fini(&e->payload);
}

static const char *reason(const struct weir_canon_writer *w)
{
    switch (w->finish) {
    case WEIR_FINISH_LENGTH:
        return "max_tokens";
    case WEIR_FINISH_WINDOW:
        return "model_context_window_exceeded";
    case WEIR_FINISH_SEQUENCE:
        return "stop_sequence";
    case WEIR_FINISH_TOOLS:
        return "tool_use";
    case WEIR_FINISH_FILTER:
    case WEIR_FINISH_REFUSAL:
        return "content_filtered";
    default: /* some servers say "stop" beside a tool call */
        return weir_canon_has(w, WEIR_PART_TOOL_CALL) ? "tool_use"
               : weir_canon_has(w, WEIR_PART_REFUSAL) ? "content_filtered"
                                                      : "end_turn";
    }
}

/* Writes to the cache by how long they are kept. */
static void write_details(struct weir_jw *j, const struct weir_usage *u)
{
    const struct {
        const char *ttl;
        int64_t tokens;
    } kinds[] = {{"5m", weir_llm_known(u->cache_write)}, {"1h", weir_llm_known(u->cache_write_1h)}};

    weir_jw_array(j, "cacheDetails");
    for (size_t i = 0; i < 2; i++) {
        if (kinds[i].tokens == 0)
            continue;
        weir_jw_object(j, NULL);
        weir_jw_z(j, "ttl", kinds[i].ttl);
        weir_jw_i64(j, "inputTokens", kinds[i].tokens);
        weir_jw_end_object(j);
    }
    weir_jw_end_array(j);
}

/* Cache tokens stand beside the input there, not in it. */
void weir_converse_put_usage(struct weir_jw *j, const struct weir_usage *u, int64_t elapsed_ms)
{
    int64_t write = weir_llm_known(u->cache_write) + weir_llm_known(u->cache_write_1h);

    weir_jw_object(j, "usage");
    weir_jw_i64(j, "inputTokens",
                weir_llm_known(weir_llm_known(u->input) - weir_llm_known(u->cache_read) - write));
    weir_jw_i64(j, "outputTokens", weir_llm_known(u->output));
    weir_jw_i64(j, "totalTokens", weir_llm_known(u->input) + weir_llm_known(u->output));
    weir_jw_i64(j, "cacheReadInputTokens", weir_llm_known(u->cache_read));
    weir_jw_i64(j, "cacheWriteInputTokens", write);
    if (write)
        write_details(j, u);
    weir_jw_end_object(j);
    weir_jw_object(j, "metrics");
    weir_jw_i64(j, "latencyMs", elapsed_ms);
    weir_jw_end_object(j);
}

/* ---- streams ---- */

static void write_start(struct weir_canon_writer *w)
{
    struct event e;

    begin(&e, "messageStart");
    weir_jw_z(&e.j, "role", "assistant");
    end(w, &e);
}

static void begin_delta(struct event *e, const struct weir_canon_answer_part *p)
{
    begin(e, "contentBlockDelta");
    weir_jw_i64(&e->j, "contentBlockIndex", p->index);
    weir_jw_object(&e->j, "delta");
}

static void end_delta(struct weir_canon_writer *w, struct event *e)
{
    weir_jw_end_object(&e->j);
    end(w, e);
}

static void put_signature(struct weir_canon_writer *w, struct weir_jw *j,
                          const struct weir_canon_answer_part *p)
{
    struct weir_str signature = weir_buf_str(&p->signature);

    if (p->redacted)
        weir_canon_put_coded(j, w->arena, "redactedContent", signature, w->from, w->to);
    else if (signature.n)
        weir_canon_put_signature(j, "signature", signature, w->from, w->to);
}

static void write_signature(struct weir_canon_writer *w, const struct weir_canon_answer_part *p)
{
    struct event e;

    begin_delta(&e, p);
    weir_jw_object(&e.j, "reasoningContent");
    put_signature(w, &e.j, p);
    weir_jw_end_object(&e.j);
    end_delta(w, &e);
}

static void open_block(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    struct event e;

    if (p->redacted)
        write_signature(w, p);
    if (p->kind != WEIR_PART_TOOL_CALL)
        return;
    begin(&e, "contentBlockStart");
    weir_jw_i64(&e.j, "contentBlockIndex", p->index);
    weir_jw_object(&e.j, "start");
    weir_jw_object(&e.j, "toolUse");
    weir_canon_put(&e.j, "toolUseId", p->id);
    weir_canon_put(&e.j, "name", p->name.p ? p->name : WEIR_STR(""));
    weir_jw_end_object(&e.j);
    weir_jw_end_object(&e.j);
    end(w, &e);
}

static void write_piece(struct weir_canon_writer *w, struct weir_canon_answer_part *p,
                        struct weir_str text)
{
    const char *inside = p->kind == WEIR_PART_TOOL_CALL   ? "toolUse"
                         : p->kind == WEIR_PART_REASONING ? "reasoningContent"
                                                          : NULL;
    struct event e;

    begin_delta(&e, p);
    if (inside)
        weir_jw_object(&e.j, inside);
    weir_canon_put(&e.j, p->kind == WEIR_PART_TOOL_CALL ? "input" : "text", text);
    if (inside)
        weir_jw_end_object(&e.j);
    end_delta(w, &e);
}

static void close_block(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    struct event e;

    if (p->kind == WEIR_PART_REASONING && !p->redacted && p->signature.n)
        write_signature(w, p);
    if (p->kind == WEIR_PART_TOOL_CALL && !p->arguments.begun)
        write_piece(w, p, WEIR_STR("{}")); /* clients parse what they have got */
    begin(&e, "contentBlockStop");
    weir_jw_i64(&e.j, "contentBlockIndex", p->index);
    end(w, &e);
}

static void write_end(struct weir_canon_writer *w)
{
    struct event e;

    begin(&e, "messageStop");
    weir_jw_z(&e.j, "stopReason", reason(w));
    end(w, &e);
    begin(&e, "metadata");
    weir_converse_put_usage(&e.j, w->usage, *w->elapsed_ms);
    end(w, &e);
}

void weir_converse_write_event(struct weir_canon_writer *w, const struct weir_canon_event *e)
{
    static const struct weir_canon_blocks blocks = {write_start, open_block, write_piece,
                                                    close_block, write_end};

    weir_canon_write_blocks(w, e, &blocks);
}

/* ---- documents ---- */

static void put_use(struct weir_jw *j, const struct weir_canon_answer_part *p)
{
    weir_jw_object(j, "toolUse");
    weir_canon_put(j, "toolUseId", p->id);
    weir_canon_put(j, "name", p->name.p ? p->name : WEIR_STR(""));
    weir_canon_put_arguments(j, "input", weir_buf_str(&p->text));
    weir_jw_end_object(j);
}

static void put_reasoning(struct weir_canon_writer *w, struct weir_jw *j,
                          const struct weir_canon_answer_part *p)
{
    weir_jw_object(j, "reasoningContent");
    if (!p->redacted) {
        weir_jw_object(j, "reasoningText");
        weir_canon_put(j, "text", weir_buf_str(&p->text));
    }
    put_signature(w, j, p);
    if (!p->redacted)
        weir_jw_end_object(j);
    weir_jw_end_object(j);
}

static void put_block(struct weir_canon_writer *w, struct weir_jw *j,
                      const struct weir_canon_answer_part *p)
{
    weir_jw_object(j, NULL);
    if (p->kind == WEIR_PART_TOOL_CALL)
        put_use(j, p);
    else if (p->kind == WEIR_PART_REASONING)
        put_reasoning(w, j, p);
    else
        weir_canon_put(j, "text", weir_buf_str(&p->text));
    weir_jw_end_object(j);
}

void weir_converse_write_answer(struct weir_canon_writer *w)
{
    struct weir_jw j = {.b = w->out};

    weir_jw_object(&j, NULL);
    weir_jw_object(&j, "output");
    weir_jw_object(&j, "message");
    weir_jw_z(&j, "role", "assistant");
    weir_jw_array(&j, "content");
    for (unsigned i = 0; i < w->part_count; i++)
        put_block(w, &j, w->parts[i]);
    weir_jw_end_array(&j);
    weir_jw_end_object(&j);
    weir_jw_end_object(&j);
    weir_jw_z(&j, "stopReason", reason(w));
    weir_converse_put_usage(&j, w->usage, *w->elapsed_ms);
    weir_jw_end_object(&j);
}
