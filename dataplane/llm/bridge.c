/* bridge.c - see bridge.h. */
#include "dataplane/llm/bridge.h"

#include "dataplane/llm/canon_event.h"
#include "dataplane/llm/embed.h"

enum { DOCUMENT_MAX = 64 << 20, OUT_MAX = 64 << 20 };

struct weir_llm_bridge {
    const struct weir_llm_ops *client;
    struct weir_canon_reader reader;
    struct weir_canon_writer *writer;
    struct weir_usage usage; /* what the writer tells */
    struct weir_buf out, document;
    bool gathers; /* a stream, for a document that isn't written yet */
    bool failed;  /* the client was told of an error */
};

static void destroy(void *arg)
{
    struct weir_llm_bridge *b = arg;

    weir_buf_fini(&b->out);
    weir_buf_fini(&b->document);
}

static void write_event(void *arg, const struct weir_canon_event *e)
{
    struct weir_llm_bridge *b = arg;

    b->client->write_event(b->writer, e);
}

static struct weir_str escaped(struct weir_arena *a, struct weir_str s)
{
    struct weir_str out = WEIR_STR("");
    struct weir_buf b;

    weir_buf_init(&b, 8192);
    if (weir_buf_add_json(&b, s) == WEIR_OK)
        out = weir_arena_copy(a, (struct weir_str){b.p + 1, b.n - 2});
    weir_buf_fini(&b);
    return out;
}

struct weir_llm_bridge *weir_llm_bridge_create(struct weir_llm_tap *t)
{
    struct weir_llm_bridge *b = WEIR_ARENA_NEW(t->arena, struct weir_llm_bridge);

    b->client = weir_llm_ops(t->conf.client);
    WEIR_ASSERT(b->client);
    weir_buf_init(&b->out, OUT_MAX);
    weir_buf_init(&b->document, DOCUMENT_MAX);
    weir_arena_on_destroy(t->arena, destroy, b);
    b->writer = weir_canon_writer_create(t->arena);
    b->writer->out = &b->out;
    b->writer->from = t->conf.dialect;
    b->writer->to = t->conf.client;
    b->writer->usage = &b->usage;
    b->writer->tools = t->conf.tools;
    b->writer->tool_count = t->conf.tool_count;
    b->writer->tells_usage = t->conf.client_usage;
    b->writer->elapsed_ms = &t->elapsed_ms;
    b->writer->created_s = t->conf.created_s;
    b->reader.dialect = t->conf.dialect;
    b->reader.arena = t->arena;
    b->reader.id = escaped(t->arena, t->conf.request_id);
    b->reader.model = escaped(t->arena, t->conf.asked_model);
    b->gathers = t->conf.gathers && !t->document;
    b->reader.emit = t->document || b->gathers ? weir_canon_gather_event : write_event;
    b->reader.arg = t->document || b->gathers ? (void *)b->writer : (void *)b;
    return b;
}

/* An error in a stream has no status: its type says which one it would have had. */
static uint16_t status_of(const struct weir_llm_tap *t)
{
    static const struct {
        const char *type;
        uint16_t status;
    } types[] = {{"invalid_request_error", 400},
                 {"authentication_error", 401},
                 {"billing_error", 402},
                 {"insufficient_quota", 402},
                 {"permission_error", 403},
                 {"not_found_error", 404},
                 {"rate_limit_error", 429},
                 {"timeout_error", 504},
                 {"overloaded_error", 529},
                 {"INVALID_ARGUMENT", 400},
                 {"UNAUTHENTICATED", 401},
                 {"PERMISSION_DENIED", 403},
                 {"NOT_FOUND", 404},
                 {"RESOURCE_EXHAUSTED", 429},
                 {"UNAVAILABLE", 503},
                 {"rate_limit_exceeded", 429},
                 {"invalid_prompt", 400},
                 {"DEADLINE_EXCEEDED", 504},
                 {"validationException", 400},
                 {"throttlingException", 429},
                 {"modelStreamErrorException", 424},
                 {"serviceUnavailableException", 503}};

    if (t->conf.status >= 400)
        return t->conf.status;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (weir_str_is(t->seen.error_type.n ? t->seen.error_type : t->error_code, types[i].type))
            return types[i].status;
    if (t->error_status)
        return t->error_status;
    return 500;
}

/* An error's body that isn't in the dialect's shape: a message at its top (vLLM, Mistral), which
 * may hold details (FastAPI's). */
static void find_message(struct weir_llm_tap *t)
{
    struct weir_str message = WEIR_STR_NULL, detail = message, inner = message;
    const struct weir_canon_want want[] = {{"message", &message}, {"detail", &detail}};
    const struct weir_canon_want of[] = {{"detail", &inner}};

    if (t->seen.error_message.n || !t->bridge->document.n ||
        !weir_canon_find(weir_buf_str(&t->bridge->document), want, 2))
        return;
    if (message.n && message.p[0] == '{')
        weir_canon_find(message, of, 1);
    if (inner.p)
        message = inner;
    if (!message.p)
        message = detail;
    if (!message.n)
        return;
    if (message.p[0] == '"')
        message = (struct weir_str){message.p + 1, message.n - 2};
    weir_llm_keep(&t->seen.error_message, t->message_bytes, WEIR_LLM_MESSAGE_BYTES, message);
}

/* The provider's status, code and message in the client's shape. */
static void make_error(struct weir_llm_tap *t, struct weir_err *err)
{
    const struct weir_llm_seen *s = &t->seen;
    struct weir_str code = t->error_code.n ? t->error_code : s->error_type;

    find_message(t);
    *err = (struct weir_err){.rc = WEIR_EPROTO, .http_status = status_of(t)};
    if (code.n)
        err->code = weir_arena_strdup(t->arena, code);
    err->detail = s->error_message.n
                      ? weir_arena_strdup(t->arena, s->error_message)
                      : weir_arena_printf(t->arena, "The provider answered with status %u.",
                                          (unsigned)t->conf.status);
}

/* Once, when the last event was read. */
static void write_gathered(struct weir_llm_bridge *b)
{
    if (!b->gathers || !b->reader.complete)
        return;
    b->gathers = false;
    b->client->write_answer(b->writer);
}

int weir_llm_bridge_event(struct weir_llm_tap *t, const struct weir_sse_event *e)
{
    struct weir_llm_bridge *b = t->bridge;
    struct weir_err err;

    if (b->failed)
        return WEIR_OK;
    if (t->seen.error) {
        b->failed = true;
        make_error(t, &err);
        b->client->fail(&err, t->conf.request_id, &b->out);
        return WEIR_OK;
    }
    /* The last event tells the final figures; before it only what the provider has said. */
    if (t->seen.complete)
        weir_llm_tap_usage(t, &b->usage);
    else
        b->usage = t->seen.usage;
    t->ops->read_event(&b->reader, e);
    write_gathered(b);
    return b->out.full || b->writer->full ? WEIR_ELIMIT : WEIR_OK;
}

int weir_llm_bridge_end(struct weir_llm_tap *t)
{
    struct weir_llm_bridge *b = t->bridge;

    if (b->failed)
        return WEIR_OK;
    weir_llm_tap_usage(t, &b->usage);
    weir_canon_complete(&b->reader);
    write_gathered(b);
    return b->out.full || b->writer->full ? WEIR_ELIMIT : WEIR_OK;
}

int weir_llm_bridge_keep(struct weir_llm_tap *t, const char *p, size_t n)
{
    return weir_buf_add(&t->bridge->document, p, n);
}

static int write_vectors(struct weir_llm_tap *t)
{
    struct weir_llm_bridge *b = t->bridge;
    struct weir_embed_answer answer = {0};
    struct weir_embed_writer e = {
        .w = {.b = &b->out}, .usage = &b->usage, .base64 = t->conf.base64};

    if (!t->ops->read_vectors(weir_buf_str(&b->document), t->arena, &answer) || !answer.count)
        return WEIR_EPROTO;
    if (!answer.model.p)
        answer.model = b->reader.model;
    weir_llm_tap_usage(t, &b->usage);
    b->client->write_vectors(&e, &answer);
    return e.failed ? WEIR_EPROTO : WEIR_OK;
}

/* What is left of it is an answer. */
static int write_answer(struct weir_llm_tap *t)
{
    struct weir_llm_bridge *b = t->bridge;

    if (t->ops->read_vectors)
        return write_vectors(t);
    t->ops->read_answer(&b->reader, weir_buf_str(&b->document));
    if (!b->reader.complete)
        return WEIR_EPROTO;
    weir_llm_tap_usage(t, &b->usage);
    b->client->write_answer(b->writer);
    return WEIR_OK;
}

int weir_llm_bridge_document(struct weir_llm_tap *t)
{
    struct weir_llm_bridge *b = t->bridge;
    struct weir_err err;
    int rc;

    if (t->seen.error || t->conf.status >= 400) {
        make_error(t, &err);
        b->client->error_body(&err, t->conf.request_id, &b->out);
    } else {
        rc = write_answer(t);
        if (rc) {
            weir_buf_clear(&b->out);
            return rc;
        }
    }
    weir_buf_fini(&b->document);
    return b->out.full || b->writer->full ? WEIR_ELIMIT : WEIR_OK;
}

static void add_notice(struct weir_llm_bridge *b, struct weir_str notice)
{
    struct weir_canon_reader *r = &b->reader;
    unsigned part = weir_canon_begin(r, WEIR_PART_TEXT, false, WEIR_STR_NULL, WEIR_STR_NULL);

    weir_canon_delta_json(r, part, notice);
    weir_canon_end(r, part);
}

/* Of a document: a call that was being written when it was cut is left out, for nobody may run half
 * of it. */
static void leave_out_open_calls(struct weir_canon_writer *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->part_count; i++) {
        if (!w->parts[i]->cut) {
            w->parts[n++] = w->parts[i];
            continue;
        }
        weir_buf_fini(&w->parts[i]->text);
        weir_buf_fini(&w->parts[i]->signature);
    }
    w->part_count = n;
}

static void mark_open_calls(struct weir_canon_writer *w)
{
    for (unsigned i = 0; i < w->part_count; i++)
        w->parts[i]->cut = w->parts[i]->kind == WEIR_PART_TOOL_CALL && !w->parts[i]->ended;
}

void weir_llm_bridge_cut(struct weir_llm_tap *t, struct weir_str notice, struct weir_buf *out)
{
    struct weir_llm_bridge *b = t->bridge;

    if (b->gathers)
        mark_open_calls(b->writer);
    weir_llm_tap_usage(t, &b->usage);
    weir_canon_start(&b->reader, WEIR_STR(""), WEIR_STR("")); /* if it was not told yet */
    if (b->writer->finish == WEIR_FINISH_NONE) {
        for (unsigned i = 1; i <= b->reader.next_part; i++)
            weir_canon_end(&b->reader, i);
        if (notice.n)
            add_notice(b, notice);
        weir_canon_finish_with(&b->reader, WEIR_FINISH_LENGTH, WEIR_STR_NULL);
    }
    weir_canon_complete(&b->reader);
    if (b->gathers)
        leave_out_open_calls(b->writer);
    write_gathered(b);
    weir_buf_adds(out, weir_buf_str(&b->out));
    weir_buf_clear(&b->out);
}

void weir_llm_bridge_flush(struct weir_llm_tap *t, weir_llm_sink_fn *sink, void *arg)
{
    struct weir_llm_bridge *b = t->bridge;

    if (b->out.n)
        sink(arg, b->out.p, b->out.n);
    weir_buf_clear(&b->out);
}
