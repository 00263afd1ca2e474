/* gemini_answer_write.c - canonical events as Gemini chunks, or as a document.
 *
 * A function call goes out when it is whole. Hidden reasoning goes out as the signature of the call
 * behind it, which every client gives back; where none follows, on an empty text. */
#include "dataplane/llm/gemini.h"

static struct weir_jw begin(struct weir_canon_writer *w)
{
    struct weir_jw j = {.b = w->out};

    weir_jw_object(&j, NULL);
    weir_jw_array(&j, "candidates");
    weir_jw_object(&j, NULL);
    weir_jw_object(&j, "content");
    weir_jw_array(&j, "parts");
    return j;
}

static const char *reason(const struct weir_canon_writer *w)
{
    switch (w->finish) {
    case WEIR_FINISH_LENGTH:
    case WEIR_FINISH_WINDOW:
        return "MAX_TOKENS";
    case WEIR_FINISH_FILTER:
    case WEIR_FINISH_REFUSAL:
        return "SAFETY";
    default:
        return weir_canon_has(w, WEIR_PART_REFUSAL) ? "SAFETY" : "STOP";
    }
}

static void end(struct weir_canon_writer *w, struct weir_jw *j, bool last)
{
    weir_jw_end_array(j);
    weir_jw_z(j, "role", "model");
    weir_jw_end_object(j);
    if (last)
        weir_jw_z(j, "finishReason", reason(w));
    if (last && w->finish_text.n && w->finish != WEIR_FINISH_SEQUENCE)
        weir_canon_put(j, "finishMessage", w->finish_text);
    weir_jw_i64(j, "index", 0);
    weir_jw_end_object(j);
    weir_jw_end_array(j);
    if (last) {
        weir_buf_addz(w->out, ",\"usageMetadata\":");
        weir_gemini_add_usage(w->out, w->usage);
    }
    weir_canon_put(j, "modelVersion", w->model.p ? w->model : WEIR_STR(""));
    weir_canon_put(j, "responseId", w->id.p ? w->id : WEIR_STR(""));
    weir_jw_end_object(j);
}

static struct weir_jw begin_chunk(struct weir_canon_writer *w)
{
    weir_buf_addz(w->out, "data: ");
    return begin(w);
}

static void end_chunk(struct weir_canon_writer *w, struct weir_jw *j, bool last)
{
    end(w, j, last);
    weir_buf_addz(w->out, "\n\n");
}

static void put_text(struct weir_jw *j, struct weir_str text, bool thought)
{
    weir_jw_object(j, NULL);
    weir_canon_put(j, "text", text);
    if (thought)
        weir_jw_bool(j, "thought", true);
    weir_jw_end_object(j);
}

/* A client of the provider's own API gets it without the mark that gemini_answer_read.c put before
 * what stood alone. */
static void put_signature(struct weir_canon_writer *w, struct weir_jw *j,
                          const struct weir_canon_answer_part *p)
{
    struct weir_str signature = weir_buf_str(&p->signature);

    if (w->from == w->to && p->redacted && signature.n > 2)
        signature = (struct weir_str){signature.p + 2, signature.n - 2};
    weir_canon_put_coded(j, w->arena, "thoughtSignature", signature, w->from, w->to);
}

/* The signature of a thought, or of hidden reasoning, on an empty text. */
static void put_signed(struct weir_canon_writer *w, struct weir_jw *j,
                       const struct weir_canon_answer_part *p)
{
    weir_jw_object(j, NULL);
    weir_jw_z(j, "text", "");
    if (!p->redacted)
        weir_jw_bool(j, "thought", true);
    put_signature(w, j, p);
    weir_jw_end_object(j);
}

/* w->live is the hidden reasoning, + 1, that waits for a call. */
static const struct weir_canon_answer_part *take_waiting(struct weir_canon_writer *w)
{
    unsigned at = w->live;

    w->live = 0;
    return at ? w->parts[at - 1] : NULL;
}

static void put_call(struct weir_canon_writer *w, struct weir_jw *j,
                     const struct weir_canon_answer_part *p)
{
    const struct weir_canon_answer_part *hidden = take_waiting(w);

    weir_jw_object(j, NULL);
    weir_jw_object(j, "functionCall");
    weir_canon_put(j, "id", p->id);
    weir_canon_put(j, "name", p->name.p ? p->name : WEIR_STR(""));
    weir_canon_put_arguments(j, "args", weir_buf_str(&p->text));
    weir_jw_end_object(j);
    if (hidden)
        put_signature(w, j, hidden);
    weir_jw_end_object(j);
}

static void flush_waiting(struct weir_canon_writer *w)
{
    const struct weir_canon_answer_part *hidden = take_waiting(w);
    struct weir_jw j;

    if (!hidden)
        return;
    j = begin_chunk(w);
    put_signed(w, &j, hidden);
    end_chunk(w, &j, false);
}

static void write_piece(struct weir_canon_writer *w, struct weir_canon_answer_part *p,
                        struct weir_str text)
{
    struct weir_jw j;

    if (p->kind == WEIR_PART_TOOL_CALL) {
        weir_canon_gather(w, &p->text, text);
        return;
    }
    j = begin_chunk(w);
    put_text(&j, text, p->kind == WEIR_PART_REASONING);
    end_chunk(w, &j, false);
}

static void end_part(struct weir_canon_writer *w, struct weir_canon_answer_part *p, unsigned at)
{
    struct weir_jw j;

    if (p->kind == WEIR_PART_TOOL_CALL) {
        j = begin_chunk(w);
        put_call(w, &j, p);
        end_chunk(w, &j, false);
        weir_buf_fini(&p->text);
    } else if (p->signature.n && p->redacted) {
        flush_waiting(w);
        w->live = at + 1;
    } else if (p->signature.n) {
        j = begin_chunk(w);
        put_signed(w, &j, p);
        end_chunk(w, &j, false);
    }
}

static void write_end(struct weir_canon_writer *w)
{
    struct weir_jw j;

    flush_waiting(w);
    j = begin_chunk(w);
    put_text(&j, WEIR_STR(""), false); /* a content without parts spoils an SDK's history */
    end_chunk(w, &j, true);
}

void weir_gemini_write_event(struct weir_canon_writer *w, const struct weir_canon_event *e)
{
    struct weir_canon_answer_part *p = weir_canon_note(w, e);

    if (e->type == WEIR_EVENT_COMPLETE)
        write_end(w);
    else if (!p)
        return;
    else if (e->type == WEIR_EVENT_DELTA)
        write_piece(w, p, e->text);
    else if (e->type == WEIR_EVENT_SIGNATURE)
        weir_canon_gather(w, &p->signature, e->text);
    else if (e->type == WEIR_EVENT_PART_END)
        end_part(w, p, e->part);
}

/* ---- documents ---- */

static void put_part(struct weir_canon_writer *w, struct weir_jw *j, unsigned at)
{
    const struct weir_canon_answer_part *p = w->parts[at], *hidden;

    if (p->kind == WEIR_PART_TOOL_CALL) {
        put_call(w, j, p);
    } else if (p->redacted) {
        hidden = take_waiting(w);
        if (hidden)
            put_signed(w, j, hidden);
        w->live = p->signature.n ? at + 1 : 0;
    } else {
        put_text(j, weir_buf_str(&p->text), p->kind == WEIR_PART_REASONING);
        if (p->signature.n)
            put_signed(w, j, p);
    }
}

void weir_gemini_write_answer(struct weir_canon_writer *w)
{
    const struct weir_canon_answer_part *hidden;
    struct weir_jw j = begin(w);

    for (unsigned i = 0; i < w->part_count; i++)
        put_part(w, &j, i);
    hidden = take_waiting(w);
    if (hidden)
        put_signed(w, &j, hidden);
    if (w->part_count == 0)
        put_text(&j, WEIR_STR(""), false);
    end(w, &j, true);
}
