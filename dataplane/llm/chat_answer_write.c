/* chat_answer_write.c - canonical events as Chat Completions chunks, or as a document. */
#include "dataplane/llm/chat.h"

static struct weir_jw begin(struct weir_canon_writer *w, const char *object)
{
    struct weir_jw j = {.b = w->out};

    weir_jw_object(&j, NULL);
    weir_canon_put(&j, "id", w->id.p ? w->id : WEIR_STR(""));
    weir_jw_z(&j, "object", object);
    weir_jw_i64(&j, "created", w->created_s);
    weir_canon_put(&j, "model", w->model.p ? w->model : WEIR_STR(""));
    weir_jw_array(&j, "choices");
    return j;
}

static struct weir_jw begin_chunk(struct weir_canon_writer *w)
{
    weir_buf_addz(w->out, "data: ");
    return begin(w, "chat.completion.chunk");
}

static struct weir_jw begin_delta(struct weir_canon_writer *w)
{
    struct weir_jw j = begin_chunk(w);

    weir_jw_object(&j, NULL);
    weir_jw_i64(&j, "index", 0);
    weir_jw_object(&j, "delta");
    return j;
}

static void end_chunk(struct weir_canon_writer *w, struct weir_jw *j)
{
    weir_jw_end_array(j);
    if (w->tells_usage)
        weir_jw_null(j, "usage");
    weir_jw_end_object(j);
    weir_buf_addz(w->out, "\n\n");
}

static void end_delta(struct weir_canon_writer *w, struct weir_jw *j, const char *finish)
{
    weir_jw_end_object(j);
    weir_jw_z(j, "finish_reason", finish);
    weir_jw_end_object(j);
    end_chunk(w, j);
}

static const char *reason(const struct weir_canon_writer *w)
{
    switch (w->finish) {
    case WEIR_FINISH_LENGTH:
    case WEIR_FINISH_WINDOW:
        return "length";
    case WEIR_FINISH_TOOLS:
        return "tool_calls";
    case WEIR_FINISH_FILTER:
    case WEIR_FINISH_REFUSAL:
        return "content_filter";
    default:
        return "stop";
    }
}

static void write_detail(struct weir_canon_writer *w, struct weir_jw *j,
                         struct weir_canon_answer_part *p)
{
    weir_jw_object(j, NULL);
    weir_jw_z(j, "type", p->redacted ? "reasoning.encrypted" : "reasoning.text");
    if (!p->redacted)
        weir_canon_put(j, "text", weir_buf_str(&p->text));
    weir_canon_put_signature(j, p->redacted ? "data" : "signature", weir_buf_str(&p->signature),
                             w->from, w->to);
    weir_jw_end_object(j);
}

static void write_tool_head(struct weir_jw *j, const struct weir_canon_answer_part *p)
{
    weir_canon_put(j, "id", p->id);
    weir_jw_z(j, "type", "function");
    weir_jw_object(j, "function");
    weir_canon_put(j, "name", p->name.p ? p->name : WEIR_STR(""));
}

static void begin_tool(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    struct weir_jw j = begin_delta(w);

    p->index = w->next_index++;
    weir_jw_array(&j, "tool_calls");
    weir_jw_object(&j, NULL);
    weir_jw_i64(&j, "index", p->index);
    write_tool_head(&j, p);
    weir_jw_z(&j, "arguments", "");
    weir_jw_end_object(&j);
    weir_jw_end_object(&j);
    weir_jw_end_array(&j);
    end_delta(w, &j, NULL);
}

static void write_piece(struct weir_canon_writer *w, struct weir_canon_answer_part *p,
                        struct weir_str text)
{
    struct weir_jw j = begin_delta(w);

    p->opened = true;
    switch (p->kind) {
    case WEIR_PART_TOOL_CALL:
        weir_jw_array(&j, "tool_calls");
        weir_jw_object(&j, NULL);
        weir_jw_i64(&j, "index", p->index);
        weir_jw_object(&j, "function");
        weir_canon_put(&j, "arguments", text);
        weir_jw_end_object(&j);
        weir_jw_end_object(&j);
        weir_jw_end_array(&j);
        break;
    case WEIR_PART_REASONING:
        weir_canon_put(&j, "reasoning_content", text);
        weir_canon_gather(w, &p->text, text); /* goes out again beside its signature */
        break;
    default:
        weir_canon_put(&j, p->kind == WEIR_PART_REFUSAL ? "refusal" : "content", text);
        break;
    }
    end_delta(w, &j, NULL);
}

/* In one piece: clients that don't know the field keep the last value that they saw of it. */
static void write_signed(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    struct weir_jw j = begin_delta(w);

    weir_jw_array(&j, "reasoning_details");
    write_detail(w, &j, p);
    weir_jw_end_array(&j);
    end_delta(w, &j, NULL);
    weir_buf_fini(&p->text);
    weir_buf_fini(&p->signature);
}

static void end_part(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    if (p->kind == WEIR_PART_TOOL_CALL && !p->opened)
        write_piece(w, p, WEIR_STR("{}")); /* clients parse what they have got */
    if (p->signature.n)
        write_signed(w, p);
}

static void write_start(struct weir_canon_writer *w)
{
    struct weir_jw j = begin_delta(w);

    weir_jw_z(&j, "role", "assistant");
    weir_jw_z(&j, "content", "");
    end_delta(w, &j, NULL);
}

static void write_end(struct weir_canon_writer *w)
{
    struct weir_jw j;

    if (w->finish == WEIR_FINISH_REFUSAL && w->finish_text.n) {
        j = begin_delta(w);
        weir_canon_put(&j, "refusal", w->finish_text);
        end_delta(w, &j, NULL);
    }
    j = begin_delta(w);
    end_delta(w, &j, reason(w));
    if (w->tells_usage) {
        j = begin_chunk(w);
        weir_jw_end_array(&j);
        weir_buf_addz(w->out, ",\"usage\":");
        weir_chat_add_usage(w->out, w->usage);
        weir_buf_addz(w->out, "}\n\n");
    }
    weir_buf_addz(w->out, "data: [DONE]\n\n");
}

void weir_chat_write_event(struct weir_canon_writer *w, const struct weir_canon_event *e)
{
    struct weir_canon_answer_part *p = weir_canon_note(w, e);

    if (e->type == WEIR_EVENT_START)
        write_start(w);
    else if (e->type == WEIR_EVENT_COMPLETE)
        write_end(w);
    else if (!p)
        return;
    else if (e->type == WEIR_EVENT_PART && p->kind == WEIR_PART_TOOL_CALL)
        begin_tool(w, p);
    else if (e->type == WEIR_EVENT_DELTA)
        write_piece(w, p, e->text);
    else if (e->type == WEIR_EVENT_SIGNATURE)
        weir_canon_gather(w, &p->signature, e->text);
    else if (e->type == WEIR_EVENT_PART_END)
        end_part(w, p);
}

/* ---- documents ---- */

static void write_texts(struct weir_canon_writer *w, struct weir_jw *j, const char *key,
                        enum weir_canon_kind kind)
{
    if (!weir_canon_has(w, kind))
        return;
    weir_jw_raw(j, key, WEIR_STR("\""));
    for (unsigned i = 0; i < w->part_count; i++)
        if (w->parts[i]->kind == kind)
            weir_buf_adds(w->out, weir_buf_str(&w->parts[i]->text));
    weir_buf_addz(w->out, "\"");
}

static void write_details(struct weir_canon_writer *w, struct weir_jw *j)
{
    bool any = false;

    for (unsigned i = 0; i < w->part_count; i++) {
        struct weir_canon_answer_part *p = w->parts[i];

        if (p->kind != WEIR_PART_REASONING || !p->signature.n)
            continue;
        if (!any)
            weir_jw_array(j, "reasoning_details");
        any = true;
        write_detail(w, j, p);
    }
    if (any)
        weir_jw_end_array(j);
}

static void write_tools(struct weir_canon_writer *w, struct weir_jw *j)
{
    if (!weir_canon_has(w, WEIR_PART_TOOL_CALL))
        return;
    weir_jw_array(j, "tool_calls");
    for (unsigned i = 0; i < w->part_count; i++) {
        struct weir_canon_answer_part *p = w->parts[i];

        if (p->kind != WEIR_PART_TOOL_CALL)
            continue;
        weir_jw_object(j, NULL);
        write_tool_head(j, p);
        weir_canon_put(j, "arguments", p->text.n ? weir_buf_str(&p->text) : WEIR_STR("{}"));
        weir_jw_end_object(j);
        weir_jw_end_object(j);
    }
    weir_jw_end_array(j);
}

static void write_message(struct weir_canon_writer *w, struct weir_jw *j)
{
    weir_jw_object(j, "message");
    weir_jw_z(j, "role", "assistant");
    if (weir_canon_has(w, WEIR_PART_TEXT))
        write_texts(w, j, "content", WEIR_PART_TEXT);
    else
        weir_jw_null(j, "content");
    if (w->finish == WEIR_FINISH_REFUSAL && w->finish_text.n)
        weir_canon_put(j, "refusal", w->finish_text);
    else if (weir_canon_has(w, WEIR_PART_REFUSAL))
        write_texts(w, j, "refusal", WEIR_PART_REFUSAL);
    else
        weir_jw_null(j, "refusal");
    write_texts(w, j, "reasoning_content", WEIR_PART_REASONING);
    write_details(w, j);
    write_tools(w, j);
    weir_jw_end_object(j);
}

void weir_chat_write_answer(struct weir_canon_writer *w)
{
    struct weir_jw j = begin(w, "chat.completion");

    weir_jw_object(&j, NULL);
    weir_jw_i64(&j, "index", 0);
    write_message(w, &j);
    weir_jw_null(&j, "logprobs");
    weir_jw_z(&j, "finish_reason", reason(w));
    weir_jw_end_object(&j);
    weir_jw_end_array(&j);
    weir_buf_addz(w->out, ",\"usage\":");
    weir_chat_add_usage(w->out, w->usage);
    weir_buf_addz(w->out, "}");
}
