/* canon_blocks.c - see canon_blocks.h. A tool call ends with its arguments' JSON, so that the next
 * one need not wait for the end of the answer. */
#include "dataplane/llm/canon_blocks.h"

#include <stdlib.h>

#include "base/mem.h"

/* Hidden reasoning has no deltas: its block begins with all of it. */
static bool can_open(const struct weir_canon_answer_part *p)
{
    return !p->redacted || p->ended;
}

static void open_block(struct weir_canon_writer *w, struct weir_canon_answer_part *p,
                       const struct weir_canon_blocks *blocks)
{
    p->opened = true;
    p->index = w->next_index++;
    blocks->open(w, p);
    if (p->text.n)
        blocks->piece(w, p, weir_buf_str(&p->text));
    weir_buf_fini(&p->text);
}

static void close_block(struct weir_canon_writer *w, struct weir_canon_answer_part *p,
                        const struct weir_canon_blocks *blocks)
{
    blocks->close(w, p);
    p->closed = true;
    weir_buf_fini(&p->signature);
}

static bool has_ended(const struct weir_canon_writer *w, const struct weir_canon_answer_part *p)
{
    return p->ended || (p->kind == WEIR_PART_TOOL_CALL && weir_json_tap_done(&p->arguments) &&
                        w->live + 1 < w->part_count);
}

/* Lets the first part that has not ended onto the wire. */
static void advance(struct weir_canon_writer *w, const struct weir_canon_blocks *blocks)
{
    while (w->live < w->part_count) {
        struct weir_canon_answer_part *p = w->parts[w->live];

        if (!p->opened && can_open(p))
            open_block(w, p, blocks);
        if (!p->opened || !has_ended(w, p))
            return;
        close_block(w, p, blocks);
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
                      struct weir_str text, const struct weir_canon_blocks *blocks)
{
    if (p->closed || !text.n)
        return;
    if (p->kind == WEIR_PART_TOOL_CALL)
        follow_arguments(p, text);
    if (p->opened)
        blocks->piece(w, p, text);
    else
        weir_canon_gather(w, &p->text, text);
}

void weir_canon_write_blocks(struct weir_canon_writer *w, const struct weir_canon_event *e,
                             const struct weir_canon_blocks *blocks)
{
    struct weir_canon_answer_part *p = weir_canon_note(w, e);

    if (e->type == WEIR_EVENT_START)
        blocks->start(w);
    else if (p && e->type == WEIR_EVENT_DELTA)
        add_piece(w, p, e->text, blocks);
    else if (p && e->type == WEIR_EVENT_SIGNATURE && !p->closed)
        weir_canon_gather(w, &p->signature, e->text);
    if (e->type == WEIR_EVENT_COMPLETE)
        blocks->end(w);
    else
        advance(w, blocks);
}
