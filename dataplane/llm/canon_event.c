/* canon_event.c - see canon_event.h. */
#include "dataplane/llm/canon_event.h"

enum { GATHERED_MAX = 64 << 20 };

static void emit(struct weir_canon_reader *r, struct weir_canon_event e)
{
    r->emit(r->arg, &e);
}

static bool is_open(const struct weir_canon_reader *r, unsigned part_1)
{
    return part_1 && r->open[(part_1 - 1) / 64] >> (part_1 - 1) % 64 & 1;
}

struct weir_canon_slot *weir_canon_slot(struct weir_canon_reader *r, size_t index)
{
    struct weir_canon_slot **slots = &r->slots[index / WEIR_CANON_SLOTS];

    if (!*slots)
        *slots = weir_arena_zalloc(r->arena, WEIR_CANON_SLOTS * sizeof(struct weir_canon_slot));
    return &(*slots)[index % WEIR_CANON_SLOTS];
}

void weir_canon_start(struct weir_canon_reader *r, struct weir_str id, struct weir_str model)
{
    if (r->started)
        return;
    r->started = true;
    emit(r, (struct weir_canon_event){.type = WEIR_EVENT_START,
                                      .id = id.n ? id : r->id,
                                      .model = model.n ? model : r->model});
}

unsigned weir_canon_begin(struct weir_canon_reader *r, enum weir_canon_kind kind, bool redacted,
                          struct weir_str id, struct weir_str name)
{
    unsigned part = r->next_part;

    if (part == WEIR_CANON_ANSWER_PARTS)
        return 0;
    r->next_part++;
    r->called = r->called || kind == WEIR_PART_TOOL_CALL;
    r->open[part / 64] |= 1ULL << part % 64;
    if (kind == WEIR_PART_TOOL_CALL && !id.n)
        id = weir_str_of(weir_arena_printf(r->arena, "call_%u", part));
    emit(r, (struct weir_canon_event){.type = WEIR_EVENT_PART,
                                      .part = part,
                                      .kind = kind,
                                      .redacted = redacted,
                                      .id = id,
                                      .name = name});
    return part + 1;
}

void weir_canon_delta(struct weir_canon_reader *r, unsigned part_1, struct weir_str text)
{
    if (text.n && is_open(r, part_1))
        emit(r,
             (struct weir_canon_event){.type = WEIR_EVENT_DELTA, .part = part_1 - 1, .text = text});
}

void weir_canon_sign(struct weir_canon_reader *r, unsigned part_1, struct weir_str text)
{
    if (text.n && is_open(r, part_1))
        emit(r, (struct weir_canon_event){
                    .type = WEIR_EVENT_SIGNATURE, .part = part_1 - 1, .text = text});
}

void weir_canon_delta_json(struct weir_canon_reader *r, unsigned part_1, struct weir_str json)
{
    struct weir_buf b;

    weir_buf_init(&b, GATHERED_MAX);
    if (weir_buf_add_json(&b, json) == WEIR_OK && b.n >= 2)
        weir_canon_delta(r, part_1, (struct weir_str){b.p + 1, b.n - 2});
    weir_buf_fini(&b);
}

void weir_canon_end(struct weir_canon_reader *r, unsigned part_1)
{
    if (!is_open(r, part_1))
        return;
    r->open[(part_1 - 1) / 64] &= ~(1ULL << (part_1 - 1) % 64);
    emit(r, (struct weir_canon_event){.type = WEIR_EVENT_PART_END, .part = part_1 - 1});
}

void weir_canon_end_texts(struct weir_canon_reader *r)
{
    weir_canon_end(r, r->reasoning);
    weir_canon_end(r, r->text);
    weir_canon_end(r, r->refusal);
    r->reasoning = r->text = r->refusal = 0;
}

void weir_canon_add_text(struct weir_canon_reader *r, unsigned *open, enum weir_canon_kind kind,
                         struct weir_str text)
{
    if (!text.n)
        return;
    if (!*open) {
        weir_canon_end_texts(r);
        *open = weir_canon_begin(r, kind, false, WEIR_STR_NULL, WEIR_STR_NULL);
    }
    weir_canon_delta(r, *open, text);
}

void weir_canon_finish_with(struct weir_canon_reader *r, enum weir_canon_finish f,
                            struct weir_str text)
{
    emit(r, (struct weir_canon_event){.type = WEIR_EVENT_FINISH, .finish = f, .text = text});
}

void weir_canon_complete(struct weir_canon_reader *r)
{
    if (!r->started || r->complete)
        return;
    r->complete = true;
    for (unsigned i = 1; i <= r->next_part; i++)
        weir_canon_end(r, i);
    emit(r, (struct weir_canon_event){.type = WEIR_EVENT_COMPLETE});
}

bool weir_canon_find(struct weir_str object, const struct weir_canon_want *want, size_t n)
{
    struct weir_str key, raw;
    struct weir_json j;

    weir_json_init(&j, object);
    if (!object.n || !weir_json_enter(&j, WEIR_JSON_OBJECT))
        return false;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &raw))
        for (size_t i = 0; i < n; i++)
            if (weir_json_is(key, want[i].name))
                *want[i].raw = weir_str_is(raw, "null") ? WEIR_STR_NULL : raw;
    return !j.fault;
}

struct weir_str weir_canon_string(struct weir_str raw)
{
    return raw.n >= 2 && raw.p[0] == '"' ? (struct weir_str){raw.p + 1, raw.n - 2} : WEIR_STR_NULL;
}

bool weir_canon_index(struct weir_str raw, size_t *out)
{
    int64_t v;

    if (!raw.p || weir_json_i64(raw, &v) != WEIR_OK || v < 0 || v >= WEIR_CANON_ANSWER_PARTS)
        return false;
    *out = (size_t)v;
    return true;
}

/* ---- writers ---- */

static void destroy(void *arg)
{
    struct weir_canon_writer *w = arg;

    for (unsigned i = 0; i < w->part_count; i++) {
        weir_buf_fini(&w->parts[i]->text);
        weir_buf_fini(&w->parts[i]->signature);
    }
}

struct weir_canon_writer *weir_canon_writer_create(struct weir_arena *a)
{
    struct weir_canon_writer *w = WEIR_ARENA_NEW(a, struct weir_canon_writer);

    w->arena = a;
    weir_arena_on_destroy(a, destroy, w);
    return w;
}

static void make_room(struct weir_canon_writer *w)
{
    struct weir_canon_answer_part **more;

    if (w->part_count < w->part_room)
        return;
    w->part_room = w->part_room ? 2 * w->part_room : 8;
    more = weir_arena_alloc(w->arena, w->part_room * sizeof(struct weir_canon_answer_part *));
    if (w->part_count)
        memcpy(more, w->parts, w->part_count * sizeof(struct weir_canon_answer_part *));
    w->parts = more;
}

static struct weir_canon_answer_part *begin_part(struct weir_canon_writer *w,
                                                 const struct weir_canon_event *e)
{
    struct weir_canon_answer_part *p;

    if (e->part != w->part_count || e->part >= WEIR_CANON_ANSWER_PARTS)
        return NULL;
    p = WEIR_ARENA_NEW(w->arena, struct weir_canon_answer_part);
    p->kind = e->kind;
    p->redacted = e->redacted;
    p->id = weir_arena_copy(w->arena, e->id);
    p->name = weir_arena_copy(w->arena, e->name);
    for (size_t i = 0; i < w->tool_count && !p->tool; i++)
        if (weir_str_eq(w->tools[i].wire, p->name))
            p->tool = &w->tools[i];
    weir_buf_init(&p->text, GATHERED_MAX);
    weir_buf_init(&p->signature, GATHERED_MAX);
    weir_json_tap_init(&p->arguments, NULL, 0);
    make_room(w);
    return w->parts[w->part_count++] = p;
}

struct weir_canon_answer_part *weir_canon_note(struct weir_canon_writer *w,
                                               const struct weir_canon_event *e)
{
    struct weir_canon_answer_part *p = e->part < w->part_count ? w->parts[e->part] : NULL;

    switch (e->type) {
    case WEIR_EVENT_START:
        w->id = weir_arena_copy(w->arena, e->id);
        w->model = weir_arena_copy(w->arena, e->model);
        return NULL;
    case WEIR_EVENT_PART:
        return begin_part(w, e);
    case WEIR_EVENT_PART_END:
        if (p)
            p->ended = true;
        return p;
    case WEIR_EVENT_FINISH:
        w->finish = e->finish;
        w->finish_text = e->text.p ? weir_arena_copy(w->arena, e->text) : WEIR_STR_NULL;
        return NULL;
    case WEIR_EVENT_COMPLETE:
        w->complete = true;
        return NULL;
    default:
        return p;
    }
}

void weir_canon_gather(struct weir_canon_writer *w, struct weir_buf *to, struct weir_str text)
{
    if (text.n > GATHERED_MAX - w->gathered || weir_buf_adds(to, text) != WEIR_OK) {
        w->full = true;
        return;
    }
    w->gathered += text.n;
}

void weir_canon_gather_event(void *writer, const struct weir_canon_event *e)
{
    struct weir_canon_writer *w = writer;
    struct weir_canon_answer_part *p = weir_canon_note(w, e);

    if (p && e->type == WEIR_EVENT_DELTA)
        weir_canon_gather(w, &p->text, e->text);
    else if (p && e->type == WEIR_EVENT_SIGNATURE)
        weir_canon_gather(w, &p->signature, e->text);
}

bool weir_canon_has(const struct weir_canon_writer *w, enum weir_canon_kind kind)
{
    for (unsigned i = 0; i < w->part_count; i++)
        if (w->parts[i]->kind == kind)
            return true;
    return false;
}
