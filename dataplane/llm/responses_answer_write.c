/* responses_answer_write.c - canonical events as Responses events, or as a document.
 *
 * Each part of an answer is one item; several may be open at once. Whatever is done is told with
 * its whole text, and at the end all of it once more. */
#include "dataplane/llm/responses.h"

#include <stdlib.h>

#include "base/mem.h"

static struct weir_jw begin(struct weir_canon_writer *w, const char *type)
{
    return weir_responses_event_begin(w->out, type, w->sequence++);
}

static bool is_custom(const struct weir_canon_answer_part *p)
{
    return p->tool && p->tool->custom;
}

static const char *prefix(const struct weir_canon_answer_part *p)
{
    switch (p->kind) {
    case WEIR_PART_TOOL_CALL:
        return is_custom(p) ? "ctc" : "fc";
    case WEIR_PART_REASONING:
        return "rs";
    default:
        return "msg";
    }
}

/* Reasoning of the client's own API (a stream that is put together) has its id and its encrypted
 * content in the signature, as responses_answer_read.c has it. False: it is another's. */
static bool own_reasoning(const struct weir_canon_writer *w, const struct weir_canon_answer_part *p,
                          struct weir_str *id, struct weir_str *encrypted)
{
    if (w->from != w->to || p->kind != WEIR_PART_REASONING || !p->signature.n)
        return false;
    *id = weir_str_cut(weir_buf_str(&p->signature), '.', encrypted);
    return encrypted->p != NULL;
}

static void put_item_id(struct weir_canon_writer *w, struct weir_jw *j, const char *key,
                        const struct weir_canon_answer_part *p)
{
    struct weir_str id, encrypted;

    if (own_reasoning(w, p, &id, &encrypted)) {
        weir_canon_put(j, key, id);
        return;
    }
    weir_jw_raw(j, key, WEIR_STR("\""));
    weir_buf_addf(w->out, "%s_", prefix(p));
    weir_buf_adds(w->out, w->id.n ? w->id : WEIR_STR("weir"));
    weir_buf_addf(w->out, "_%u\"", p->index);
}

static struct weir_jw begin_at(struct weir_canon_writer *w, const char *type,
                               const struct weir_canon_answer_part *p)
{
    struct weir_jw j = begin(w, type);

    put_item_id(w, &j, "item_id", p);
    weir_jw_i64(&j, "output_index", p->index);
    if (p->kind == WEIR_PART_REASONING)
        weir_jw_i64(&j, "summary_index", 0);
    else if (p->kind != WEIR_PART_TOOL_CALL)
        weir_jw_i64(&j, "content_index", 0);
    return j;
}

static void put_summary(struct weir_jw *j, const char *key, struct weir_str text)
{
    weir_jw_object(j, key);
    weir_jw_z(j, "type", "summary_text");
    weir_canon_put(j, "text", text);
    weir_jw_end_object(j);
}

static void put_part(struct weir_jw *j, const char *key, const struct weir_canon_answer_part *p,
                     struct weir_str text)
{
    if (p->kind == WEIR_PART_REASONING)
        put_summary(j, key, text);
    else
        weir_responses_text_part(j, key, p->kind == WEIR_PART_REFUSAL, text);
}

static struct weir_str arguments_of(const struct weir_canon_answer_part *p)
{
    return p->text.n ? weir_buf_str(&p->text) : WEIR_STR("{}"); /* clients parse what they get */
}

/* The answer may have ended within a call's arguments. */
static bool is_whole(const struct weir_canon_answer_part *p)
{
    char *bytes;
    bool whole;

    if (p->kind != WEIR_PART_TOOL_CALL || !p->text.n)
        return true;
    bytes = weir_alloc(p->text.n);
    whole =
        weir_json_check((struct weir_str){bytes, weir_json_unescape(weir_buf_str(&p->text), bytes)},
                        NULL) == WEIR_OK;
    free(bytes);
    return whole;
}

/* Half a script must not be run; half a function's arguments can't be. */
static bool is_left_out(const struct weir_canon_answer_part *p)
{
    return is_custom(p) && !is_whole(p);
}

/* A tool that takes a text is called with {"input": text}; what is no such object is the text. */
static struct weir_str input_of(struct weir_canon_writer *w, const struct weir_canon_answer_part *p)
{
    struct weir_str text = weir_buf_str(&p->text), input = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"input", &input}};
    char *bytes = weir_arena_alloc(w->arena, text.n + 1);

    if (!weir_canon_find((struct weir_str){bytes, weir_json_unescape(text, bytes)}, want, 1))
        return text;
    input = weir_canon_string(input);
    return input.p ? input : text;
}

static void put_call(struct weir_canon_writer *w, struct weir_jw *j,
                     const struct weir_canon_answer_part *p, bool done)
{
    struct weir_str name = p->tool ? p->tool->name : p->name;

    weir_canon_put(j, "call_id", p->id);
    weir_canon_put(j, "name", name.p ? name : WEIR_STR(""));
    if (p->tool)
        weir_canon_put(j, "namespace", p->tool->space);
    if (is_custom(p))
        weir_canon_put(j, "input", done ? input_of(w, p) : WEIR_STR(""));
    else
        weir_canon_put(j, "arguments", done ? arguments_of(p) : WEIR_STR(""));
}

static void put_reasoning(struct weir_canon_writer *w, struct weir_jw *j,
                          const struct weir_canon_answer_part *p, bool done)
{
    struct weir_str id, encrypted;

    weir_jw_array(j, "summary");
    if (done && !p->redacted)
        put_summary(j, NULL, weir_buf_str(&p->text));
    weir_jw_end_array(j);
    /* Unsigned, too: then it says where the reasoning came from, and goes back to. */
    if (done && own_reasoning(w, p, &id, &encrypted))
        weir_canon_put(j, "encrypted_content", encrypted);
    else if (done)
        weir_canon_put_signature(j, "encrypted_content", weir_buf_str(&p->signature), w->from,
                                 w->to);
    else
        weir_jw_null(j, "encrypted_content");
}

static void put_item(struct weir_canon_writer *w, struct weir_jw *j, const char *key,
                     const struct weir_canon_answer_part *p, bool done)
{
    bool call = p->kind == WEIR_PART_TOOL_CALL, reasoning = p->kind == WEIR_PART_REASONING;

    weir_jw_object(j, key);
    put_item_id(w, j, "id", p);
    weir_jw_z(j, "type",
              is_custom(p) ? "custom_tool_call"
              : call       ? "function_call"
              : reasoning  ? "reasoning"
                           : "message");
    weir_jw_z(j, "status", !done ? "in_progress" : is_whole(p) ? "completed" : "incomplete");
    if (call) {
        put_call(w, j, p, done);
    } else if (reasoning) {
        put_reasoning(w, j, p, done);
    } else {
        weir_jw_z(j, "role", "assistant");
        weir_jw_array(j, "content");
        if (done)
            put_part(j, NULL, p, weir_buf_str(&p->text));
        weir_jw_end_array(j);
    }
    weir_jw_end_object(j);
}

/* ---- the stream ---- */

static void write_item(struct weir_canon_writer *w, const char *type,
                       const struct weir_canon_answer_part *p, bool done)
{
    struct weir_jw j = begin(w, type);

    weir_jw_i64(&j, "output_index", p->index);
    put_item(w, &j, "item", p, done);
    weir_responses_event_end(&j);
}

static void write_part(struct weir_canon_writer *w, const struct weir_canon_answer_part *p,
                       bool done)
{
    bool reasoning = p->kind == WEIR_PART_REASONING;
    const char *type = reasoning ? done ? "response.reasoning_summary_part.done"
                                        : "response.reasoning_summary_part.added"
                       : done    ? "response.content_part.done"
                                 : "response.content_part.added";
    struct weir_jw j = begin_at(w, type, p);

    put_part(&j, "part", p, done ? weir_buf_str(&p->text) : WEIR_STR(""));
    weir_responses_event_end(&j);
}

static void write_text(struct weir_canon_writer *w, const struct weir_canon_answer_part *p,
                       const char *type, const char *key, struct weir_str text)
{
    struct weir_jw j = begin_at(w, type, p);

    weir_canon_put(&j, key, text);
    if (p->kind == WEIR_PART_TEXT)
        weir_jw_raw(&j, "logprobs", WEIR_STR("[]"));
    weir_responses_event_end(&j);
}

static void write_delta(struct weir_canon_writer *w, struct weir_canon_answer_part *p,
                        struct weir_str text)
{
    const char *type = p->kind == WEIR_PART_TOOL_CALL   ? "response.function_call_arguments.delta"
                       : p->kind == WEIR_PART_REASONING ? "response.reasoning_summary_text.delta"
                       : p->kind == WEIR_PART_REFUSAL   ? "response.refusal.delta"
                                                        : "response.output_text.delta";

    if (!p->opened && p->kind != WEIR_PART_TOOL_CALL)
        write_part(w, p, false);
    p->opened = true;
    weir_canon_gather(w, &p->text, text);
    if (is_custom(p))
        return; /* its text is a part of these arguments, known when they are whole */
    write_text(w, p, type, "delta", text);
}

static void begin_item(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    p->index = w->next_index++;
    write_item(w, "response.output_item.added", p, false);
}

static void end_call(struct weir_canon_writer *w, const struct weir_canon_answer_part *p)
{
    struct weir_str input;

    if (!is_custom(p)) {
        write_text(w, p, "response.function_call_arguments.done", "arguments", arguments_of(p));
        return;
    }
    input = input_of(w, p);
    if (input.n)
        write_text(w, p, "response.custom_tool_call_input.delta", "delta", input);
    write_text(w, p, "response.custom_tool_call_input.done", "input", input);
}

static void end_item(struct weir_canon_writer *w, struct weir_canon_answer_part *p)
{
    p->closed = true;
    if (is_left_out(p))
        return;
    switch (p->kind) {
    case WEIR_PART_TOOL_CALL:
        end_call(w, p);
        break;
    case WEIR_PART_REASONING:
        if (p->opened) {
            write_text(w, p, "response.reasoning_summary_text.done", "text",
                       weir_buf_str(&p->text));
            write_part(w, p, true);
        }
        break;
    default:
        if (!p->opened)
            write_part(w, p, false);
        write_text(w, p,
                   p->kind == WEIR_PART_REFUSAL ? "response.refusal.done"
                                                : "response.output_text.done",
                   p->kind == WEIR_PART_REFUSAL ? "refusal" : "text", weir_buf_str(&p->text));
        write_part(w, p, true);
        break;
    }
    write_item(w, "response.output_item.done", p, true);
}

/* ---- the response ---- */

/* A refusal that is told in words is an answer. */
static const char *reason(const struct weir_canon_writer *w)
{
    switch (w->finish) {
    case WEIR_FINISH_LENGTH:
    case WEIR_FINISH_WINDOW:
        return "max_output_tokens";
    case WEIR_FINISH_FILTER:
        return "content_filter";
    case WEIR_FINISH_REFUSAL:
        return weir_canon_has(w, WEIR_PART_REFUSAL) ? NULL : "content_filter";
    default:
        return NULL;
    }
}

static void put_response(struct weir_canon_writer *w, struct weir_jw *j, const char *key, bool done)
{
    const char *why = done ? reason(w) : NULL;
    struct weir_responses_head head = {.id = w->id,
                                       .model = w->model,
                                       .created_s = w->created_s,
                                       .status = !done ? "in_progress"
                                                 : why ? "incomplete"
                                                       : "completed",
                                       .reason = why};

    weir_responses_begin(j, key, &head);
    for (unsigned i = 0; done && i < w->part_count; i++)
        if (!is_left_out(w->parts[i]))
            put_item(w, j, NULL, w->parts[i], true);
    weir_responses_end(j, done ? w->usage : NULL);
}

static void write_response(struct weir_canon_writer *w, const char *type, bool done)
{
    struct weir_jw j = begin(w, type);

    put_response(w, &j, "response", done);
    weir_responses_event_end(&j);
}

/* Why the model refused, in its own words: a part of its own, which no provider's event began. */
static struct weir_canon_answer_part *add_refusal(struct weir_canon_writer *w)
{
    struct weir_canon_event e = {
        .type = WEIR_EVENT_PART, .part = w->part_count, .kind = WEIR_PART_REFUSAL};

    if (w->finish != WEIR_FINISH_REFUSAL || !w->finish_text.n)
        return NULL;
    return weir_canon_note(w, &e);
}

static void write_end(struct weir_canon_writer *w)
{
    struct weir_canon_answer_part *p = add_refusal(w);

    if (p) {
        begin_item(w, p);
        write_delta(w, p, w->finish_text);
        end_item(w, p);
    }
    write_response(w, reason(w) ? "response.incomplete" : "response.completed", true);
}

void weir_responses_write_event(struct weir_canon_writer *w, const struct weir_canon_event *e)
{
    struct weir_canon_answer_part *p = weir_canon_note(w, e);

    if (e->type == WEIR_EVENT_START) {
        write_response(w, "response.created", false);
        write_response(w, "response.in_progress", false);
    } else if (e->type == WEIR_EVENT_COMPLETE) {
        write_end(w);
    } else if (!p || p->closed) {
        return;
    } else if (e->type == WEIR_EVENT_PART) {
        begin_item(w, p);
    } else if (e->type == WEIR_EVENT_DELTA) {
        write_delta(w, p, e->text);
    } else if (e->type == WEIR_EVENT_SIGNATURE) {
        weir_canon_gather(w, &p->signature, e->text);
    } else if (e->type == WEIR_EVENT_PART_END) {
        end_item(w, p);
    }
}

void weir_responses_write_answer(struct weir_canon_writer *w)
{
    struct weir_canon_answer_part *p = add_refusal(w);
    struct weir_jw j = {.b = w->out};

    if (p)
        weir_canon_gather(w, &p->text, w->finish_text);
    for (unsigned i = 0; i < w->part_count; i++)
        w->parts[i]->index = i;
    put_response(w, &j, NULL, true);
}
