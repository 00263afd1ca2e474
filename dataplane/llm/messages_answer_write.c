/* messages_answer_write.c - canonical events as Anthropic Messages events, or as a document. */
#include "dataplane/llm/canon_blocks.h"
#include "dataplane/llm/messages.h"

static struct weir_jw begin(struct weir_canon_writer *w, const char *type)
{
    struct weir_jw j = {.b = w->out};

    weir_buf_addz(w->out, "event: ");
    weir_buf_addz(w->out, type);
    weir_buf_addz(w->out, "\ndata: ");
    weir_jw_object(&j, NULL);
    weir_jw_z(&j, "type", type);
    return j;
}

static void end(struct weir_canon_writer *w, struct weir_jw *j)
{
    weir_jw_end_object(j);
    weir_buf_addz(w->out, "\n\n");
}

/* Cache tokens stand beside the input here, not in it. */
static void write_usage(struct weir_canon_writer *w, struct weir_jw *j)
{
    const struct weir_usage *u = w->usage;
    int64_t write = weir_llm_known(u->cache_write) + weir_llm_known(u->cache_write_1h);

    weir_jw_object(j, "usage");
    weir_jw_i64(j, "input_tokens",
                weir_llm_known(weir_llm_known(u->input) - weir_llm_known(u->cache_read) - write));
    weir_jw_i64(j, "cache_creation_input_tokens", write);
    weir_jw_i64(j, "cache_read_input_tokens", weir_llm_known(u->cache_read));
    weir_jw_i64(j, "output_tokens", weir_llm_known(u->output));
    if (u->reasoning >= 0) {
        weir_jw_object(j, "output_tokens_details");
        weir_jw_i64(j, "thinking_tokens", u->reasoning);
        weir_jw_end_object(j);
    }
    weir_jw_end_object(j);
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
    case WEIR_FINISH_PAUSE:
        return "pause_turn";
    case WEIR_FINISH_FILTER:
    case WEIR_FINISH_REFUSAL:
        return "refusal";
    default: /* some servers say "stop" beside a tool call */
        return weir_canon_has(w, WEIR_PART_TOOL_CALL) ? "tool_use"
               : weir_canon_has(w, WEIR_PART_REFUSAL) ? "refusal"
                                                      : "end_turn";
    }
}

static void write_finish(struct weir_canon_writer *w, struct weir_jw *j)
{
    weir_jw_z(j, "stop_reason", reason(w));
    if (w->finish == WEIR_FINISH_SEQUENCE && w->finish_text.p)
        weir_canon_put(j, "stop_sequence", w->finish_text);
    else
        weir_jw_null(j, "stop_sequence");
}

static void write_head(struct weir_canon_writer *w, struct weir_jw *j)
{
    weir_canon_put(j, "id", w->id.p ? w->id : WEIR_STR(""));
    weir_jw_z(j, "type", "message");
    weir_jw_z(j, "role", "assistant");
    weir_canon_put(j, "model", w->model.p ? w->model : WEIR_STR(""));
    weir_jw_array(j, "content");
}

static void write_start(struct weir_canon_writer *w)
{
    struct weir_jw j = begin(w, "message_start");

    weir_jw_object(&j, "message");
    write_head(w, &j);
    weir_jw_end_array(&j);
    weir_jw_null(&j, "stop_reason");
    weir_jw_null(&j, "stop_sequence");
    write_usage(w, &j);
    weir_jw_end_object(&j);
    end(w, &j);
}

/* Begins a block of the part's kind; texts are the stream's, or empty. */
static void write_block(struct weir_canon_writer *w, struct weir_jw *j, const char *key,
                        struct weir_canon_answer_part *p, bool whole)
{
    struct weir_str text = whole ? weir_buf_str(&p->text) : WEIR_STR("");

    weir_jw_object(j, key);
    switch (p->kind) {
    case WEIR_PART_TOOL_CALL:
        weir_jw_z(j, "type", "tool_use");
        weir_canon_put(j, "id", p->id);
        weir_canon_put(j, "name", p->name.p ? p->name : WEIR_STR(""));
        weir_canon_put_arguments(j, "input", text);
        break;
    case WEIR_PART_REASONING:
        weir_jw_z(j, "type", p->redacted ? "redacted_thinking" : "thinking");
        if (!p->redacted)
            weir_canon_put(j, "thinking", text);
        if (whole || p->redacted)
            weir_canon_put_signature(j, p->redacted ? "data" : "signature",
                                     weir_buf_str(&p->signature), w->from, w->to);
        else
            weir_jw_z(j, "signature", "");
        break;
    default:
        weir_jw_z(j, "type", "text");
        weir_canon_put(j, "text", text);
        break;
    }
    weir_jw_end_object(j);
}

static void write_delta(struct weir_canon_writer *w, struct weir_canon_answer_part *p,
                        struct weir_str text)
{
    const char *type = p->kind == WEIR_PART_TOOL_CALL   ? "input_json_delta"
                       : p->kind == WEIR_PART_REASONING ? "thinking_delta"
                                                        : "text_delta";
    const char *key = p->kind == WEIR_PART_TOOL_CALL   ? "partial_json"
                      : p->kind == WEIR_PART_REASONING ? "thinking"
                                                       : "text";
    struct weir_jw j = begin(w, "content_block_delta");

    weir_jw_i64(&j, "index", p->index);
    weir_jw_object(&j, "delta");
    weir_jw_z(&j, "type", type);
    weir_canon_put(&j, key, text);
    weir_jw_end_object(&j);
    end(w, &j);
}

static void write_signature(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    struct weir_jw j = begin(w, "content_block_delta");

    weir_jw_i64(&j, "index", p->index);
    weir_jw_object(&j, "delta");
    weir_jw_z(&j, "type", "signature_delta");
    weir_canon_put_signature(&j, "signature", weir_buf_str(&p->signature), w->from, w->to);
    weir_jw_end_object(&j);
    end(w, &j);
}

static void open_block(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    struct weir_jw j = begin(w, "content_block_start");

    weir_jw_i64(&j, "index", p->index);
    write_block(w, &j, "content_block", p, false);
    end(w, &j);
}

static void close_block(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    struct weir_jw j;

    if (p->kind == WEIR_PART_REASONING && !p->redacted)
        write_signature(w, p);
    j = begin(w, "content_block_stop");
    weir_jw_i64(&j, "index", p->index);
    end(w, &j);
}

static void write_end(struct weir_canon_writer *w)
{
    struct weir_jw j = begin(w, "message_delta");

    weir_jw_object(&j, "delta");
    write_finish(w, &j);
    weir_jw_end_object(&j);
    write_usage(w, &j);
    end(w, &j);
    j = begin(w, "message_stop");
    end(w, &j);
}

void weir_messages_write_event(struct weir_canon_writer *w, const struct weir_canon_event *e)
{
    static const struct weir_canon_blocks blocks = {write_start, open_block, write_delta,
                                                    close_block, write_end};

    weir_canon_write_blocks(w, e, &blocks);
}

void weir_messages_write_answer(struct weir_canon_writer *w)
{
    struct weir_jw j = {.b = w->out};

    weir_jw_object(&j, NULL);
    write_head(w, &j);
    for (unsigned i = 0; i < w->part_count; i++)
        write_block(w, &j, NULL, w->parts[i], true);
    weir_jw_end_array(&j);
    write_finish(w, &j);
    write_usage(w, &j);
    weir_jw_end_object(&j);
}
