/* messages_answer_write.c - canonical events as Anthropic Messages events, or as a document.
 *
 * One block is open at a time, as the vendor's are: what comes for a later one waits until the
 * blocks before it have ended. A tool call ends with its arguments' JSON, so that the next one need
 * not wait for the end of the answer. */
#include "dataplane/llm/messages.h"

#include <stdlib.h>

#include "base/mem.h"

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
    const struct weir_llm_usage *u = w->usage;
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
    struct weir_jw j;

    if (!text.n)
        return;
    j = begin(w, "content_block_delta");
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

/* Hidden reasoning has no deltas: its block begins with all of it. */
static bool can_open(const struct weir_canon_answer_part *p)
{
    return !p->redacted || p->ended;
}

static void open_block(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    struct weir_jw j = begin(w, "content_block_start");

    p->opened = true;
    p->index = w->next_index++;
    weir_jw_i64(&j, "index", p->index);
    write_block(w, &j, "content_block", p, false);
    end(w, &j);
    write_delta(w, p, weir_buf_str(&p->text));
    weir_buf_fini(&p->text);
}

static void close_block(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    struct weir_jw j;

    if (p->kind == WEIR_PART_REASONING && !p->redacted)
        write_signature(w, p);
    p->closed = true;
    j = begin(w, "content_block_stop");
    weir_jw_i64(&j, "index", p->index);
    end(w, &j);
    weir_buf_fini(&p->signature);
}

static bool has_ended(const struct weir_canon_writer *w, const struct weir_canon_answer_part *p)
{
    return p->ended || (p->kind == WEIR_PART_TOOL_CALL && weir_json_tap_done(&p->arguments) &&
                        w->live + 1 < w->part_count);
}

/* Lets the first part that has not ended onto the wire. */
static void advance(struct weir_canon_writer *w)
{
    while (w->live < w->part_count) {
        struct weir_canon_answer_part *p = w->parts[w->live];

        if (!p->opened && can_open(p))
            open_block(w, p);
        if (!p->opened || !has_ended(w, p))
            return;
        close_block(w, p);
        w->live++;
    }
}

static void follow_arguments(struct weir_canon_answer_part *p, struct weir_str text)
{
    char *bytes = weir_alloc(text.n + 1);

    weir_json_tap_feed(&p->arguments, bytes, weir_json_unescape(text, bytes));
    free(bytes);
}

static void add_piece(struct weir_canon_writer *w, struct weir_canon_answer_part *p,
                      struct weir_str text)
{
    if (p->closed)
        return;
    if (p->kind == WEIR_PART_TOOL_CALL)
        follow_arguments(p, text);
    if (p->opened)
        write_delta(w, p, text);
    else
        weir_canon_gather(w, &p->text, text);
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
    struct weir_canon_answer_part *p = weir_canon_note(w, e);

    if (e->type == WEIR_EVENT_START)
        write_start(w);
    else if (p && e->type == WEIR_EVENT_DELTA)
        add_piece(w, p, e->text);
    else if (p && e->type == WEIR_EVENT_SIGNATURE && !p->closed)
        weir_canon_gather(w, &p->signature, e->text);
    if (e->type == WEIR_EVENT_COMPLETE)
        write_end(w);
    else
        advance(w);
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
