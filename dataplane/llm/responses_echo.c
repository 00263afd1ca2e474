/* responses_echo.c - the built-in provider's answers in Responses. */
#include <inttypes.h>
#include <stdio.h>

#include "dataplane/llm/responses.h"

enum { CREATED, ITEM, PART, TEXT, TEXT_DONE, PART_DONE, ITEM_DONE, FINISH, OVER };

static struct weir_str escaped(const struct weir_buf *quoted)
{
    return (struct weir_str){quoted->p + 1, quoted->n - 2};
}

/* The texts as they stand in JSON; the whole text only where it is written. */
struct texts {
    struct weir_buf model, text, piece;
    char id[32], item[32];
};

static void make_texts(const struct weir_llm_echo *e, struct weir_str piece, bool whole,
                       struct texts *t)
{
    weir_buf_init(&t->model, 1 << 12);
    weir_buf_init(&t->text, 64 << 20);
    weir_buf_init(&t->piece, 1 << 12);
    weir_buf_add_json(&t->model, e->call.model);
    weir_buf_add_json(&t->text, whole ? e->text : WEIR_STR(""));
    weir_buf_add_json(&t->piece, piece);
    (void)snprintf(t->id, sizeof t->id, "resp_%016" PRIx64, e->id);
    (void)snprintf(t->item, sizeof t->item, "msg_%016" PRIx64, e->id);
}

static void free_texts(struct texts *t)
{
    weir_buf_fini(&t->model);
    weir_buf_fini(&t->text);
    weir_buf_fini(&t->piece);
}

static void put_item(struct weir_jw *j, const char *key, const struct texts *t, const char *status,
                     bool whole)
{
    weir_jw_object(j, key);
    weir_jw_z(j, "id", t->item);
    weir_jw_z(j, "type", "message");
    weir_jw_z(j, "status", status);
    weir_jw_z(j, "role", "assistant");
    weir_jw_array(j, "content");
    if (whole)
        weir_responses_text_part(j, NULL, false, escaped(&t->text));
    weir_jw_end_array(j);
    weir_jw_end_object(j);
}

static void put_response(const struct weir_llm_echo *e, struct weir_jw *j, const char *key,
                         const struct texts *t, bool done)
{
    struct weir_usage u = WEIR_USAGE_NONE;
    const char *end = e->limited ? "incomplete" : "completed";
    struct weir_responses_head head = {.id = weir_str_of(t->id),
                                       .model = escaped(&t->model),
                                       .created_s = e->created_s,
                                       .status = done ? end : "in_progress",
                                       .reason = done && e->limited ? "max_output_tokens" : NULL};

    u.input = e->input;
    u.output = e->output;
    weir_responses_begin(j, key, &head);
    if (done)
        put_item(j, NULL, t, end, true);
    weir_responses_end(j, done ? &u : NULL);
}

int weir_responses_echo_body(struct weir_llm_echo *e, struct weir_buf *out)
{
    struct weir_jw j = {.b = out};
    struct texts t;

    make_texts(e, WEIR_STR(""), true, &t);
    put_response(e, &j, NULL, &t, true);
    free_texts(&t);
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

static void write_event(const struct weir_llm_echo *e, const struct texts *t, int64_t sequence,
                        struct weir_buf *out)
{
    static const char *const types[] = {[CREATED] = "response.created",
                                        [ITEM] = "response.output_item.added",
                                        [PART] = "response.content_part.added",
                                        [TEXT] = "response.output_text.delta",
                                        [TEXT_DONE] = "response.output_text.done",
                                        [PART_DONE] = "response.content_part.done",
                                        [ITEM_DONE] = "response.output_item.done",
                                        [FINISH] = "response.completed"};
    bool cut = e->step == FINISH && e->limited;
    struct weir_jw j =
        weir_responses_event_begin(out, cut ? "response.incomplete" : types[e->step], sequence);

    if (e->step > CREATED && e->step < FINISH)
        weir_jw_i64(&j, "output_index", 0);
    if (e->step >= PART && e->step <= PART_DONE) {
        weir_jw_z(&j, "item_id", t->item);
        weir_jw_i64(&j, "content_index", 0);
    }
    if (e->step == CREATED || e->step == FINISH)
        put_response(e, &j, "response", t, e->step == FINISH);
    else if (e->step == ITEM || e->step == ITEM_DONE)
        put_item(&j, "item", t, e->step == ITEM ? "in_progress" : "completed",
                 e->step == ITEM_DONE);
    else if (e->step == PART || e->step == PART_DONE)
        weir_responses_text_part(&j, "part", false,
                                 e->step == PART ? WEIR_STR("") : escaped(&t->text));
    else
        weir_canon_put(&j, e->step == TEXT ? "delta" : "text",
                       escaped(e->step == TEXT ? &t->piece : &t->text));
    if (e->step == TEXT || e->step == TEXT_DONE)
        weir_jw_raw(&j, "logprobs", WEIR_STR("[]"));
    weir_responses_event_end(&j);
}

int weir_responses_echo_next(struct weir_llm_echo *e, struct weir_buf *out)
{
    struct weir_str piece = WEIR_STR("");
    struct texts t;

    if (e->step == TEXT && e->sent == e->text.n)
        e->step = TEXT_DONE;
    if (e->step >= OVER)
        return WEIR_ENOTFOUND;
    if (e->step == TEXT)
        piece = weir_llm_echo_piece(e);
    make_texts(e, piece, e->step > TEXT, &t);
    write_event(e, &t, (int64_t)e->events++, out);
    free_texts(&t);
    if (e->step != TEXT)
        e->step++;
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}
