#include "dataplane/llm/bridge.h"
#include "dataplane/llm/llm_internal.h"

enum { DEFAULT_EVENT_BYTES = 1 << 20 };

/* No call uses this many: beyond it a figure is no answer, and sums of a few stay far from
 * overflow. */
static const int64_t max_tokens = 1000000000000;

void weir_llm_keep(struct weir_str *to, char *bytes, size_t cap, struct weir_str raw)
{
    size_t n;

    if (raw.n > cap)
        raw.n = cap;
    n = raw.n ? weir_json_unescape(raw, bytes) : 0;
    /* A character that was cut in two would spoil every text that this is put into. */
    if (raw.n == cap)
        while (n > 0 && (unsigned char)bytes[n - 1] >= 0x80)
            n--;
    *to = (struct weir_str){bytes, n};
}

/* A number that is a status (Google, OpenRouter, llama.cpp). */
static void keep_status(struct weir_llm_tap *t, struct weir_json *j)
{
    struct weir_str raw;
    int64_t code;

    if (weir_json_skip(j, &raw) && weir_json_i64(raw, &code) == WEIR_OK && code >= 400 &&
        code < 600)
        t->error_status = (uint16_t)code;
}

void weir_llm_keep_error(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str key, text;
    struct weir_json j;

    weir_json_init(&j, raw);
    t->seen.error = true;
    if (weir_json_string(&j, &text))
        weir_llm_keep(&t->seen.error_message, t->message_bytes, WEIR_LLM_MESSAGE_BYTES, text);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key)) {
        if (weir_json_peek(&j) == WEIR_JSON_NUMBER && weir_json_is(key, "code"))
            keep_status(t, &j);
        else if (weir_json_peek(&j) != WEIR_JSON_STRING)
            weir_json_skip(&j, NULL);
        else if (!weir_json_string(&j, &text))
            return;
        else if (weir_json_is(key, "type") || weir_json_is(key, "status"))
            weir_llm_keep(&t->seen.error_type, t->type_bytes, WEIR_LLM_WORD_BYTES, text);
        else if (weir_json_is(key, "code"))
            weir_llm_keep(&t->error_code, t->code_bytes, WEIR_LLM_WORD_BYTES, text);
        else if (weir_json_is(key, "message"))
            weir_llm_keep(&t->seen.error_message, t->message_bytes, WEIR_LLM_MESSAGE_BYTES, text);
    }
}

void weir_llm_keep_tokens(int64_t *to, struct weir_str raw)
{
    int64_t v;

    if (weir_json_i64(raw, &v) == WEIR_OK && v >= 0 && v <= max_tokens)
        *to = v;
}

void weir_llm_count_output(struct weir_llm_tap *t, size_t bytes)
{
    if (bytes == 0)
        return;
    t->seen.content = true;
    t->seen.content_events++;
    t->seen.output_bytes += (int64_t)bytes;
    t->seen.output_estimate += (int64_t)((bytes + 3) / 4);
}

static void destroy(void *arg)
{
    struct weir_llm_tap *t = arg;

    weir_sse_fini(&t->sse);
    weir_eventstream_fini(&t->frames);
}

static void start_document(struct weir_llm_tap *t)
{
    struct weir_llm_document *d = WEIR_ARENA_NEW(t->arena, struct weir_llm_document);

    for (size_t i = 0; i < WEIR_DOC_COUNT; i++)
        memcpy(d->picks[i].path, t->ops->paths[i].path, sizeof(d->picks[i].path));
    d->picks[WEIR_DOC_USAGE].into = d->usage;
    d->picks[WEIR_DOC_USAGE].cap = sizeof(d->usage);
    d->picks[WEIR_DOC_MODEL].into = d->model;
    d->picks[WEIR_DOC_MODEL].cap = sizeof(d->model);
    d->picks[WEIR_DOC_FINISH].into = d->finish;
    d->picks[WEIR_DOC_FINISH].cap = sizeof(d->finish);
    d->picks[WEIR_DOC_ERROR].into = d->error;
    d->picks[WEIR_DOC_ERROR].cap = sizeof(d->error);
    d->picks[WEIR_DOC_UNITS].into = d->units;
    d->picks[WEIR_DOC_UNITS].cap = sizeof(d->units);
    weir_json_tap_init(&d->tap, d->picks, WEIR_DOC_COUNT - !t->ops->paths[WEIR_DOC_UNITS].path[0]);
    t->document = d;
}

struct weir_llm_tap *weir_llm_tap_create(struct weir_arena *a, const struct weir_llm_tap_conf *conf)
{
    struct weir_llm_tap *t = WEIR_ARENA_NEW(a, struct weir_llm_tap);
    size_t max;

    t->conf = *conf;
    t->ops = weir_llm_ops(conf->dialect);
    WEIR_ASSERT(t->ops);
    t->arena = a;
    t->seen.usage = WEIR_USAGE_NONE;
    t->seen.units = -1;
    if (t->ops->usage_in_header && conf->told_input > 0)
        t->seen.usage.input = conf->told_input;
    t->raw = (struct weir_llm_raw_usage){-1, -1, -1, -1, -1, -1, -1};
    if (!conf->event_stream)
        start_document(t);
    if (conf->gathers || (conf->client != WEIR_DIALECT_NONE && conf->client != conf->dialect))
        t->bridge = weir_llm_bridge_create(t);
    if (t->document)
        return t;
    max = conf->max_event_bytes ? conf->max_event_bytes
          : t->ops->event_bytes ? t->ops->event_bytes
                                : DEFAULT_EVENT_BYTES;
    weir_sse_init(&t->sse, max);
    weir_eventstream_init(&t->frames, max);
    weir_arena_on_destroy(a, destroy, t);
    return t;
}

const struct weir_llm_seen *weir_llm_tap_seen(const struct weir_llm_tap *t)
{
    return &t->seen;
}

void weir_llm_tap_elapsed(struct weir_llm_tap *t, int64_t ms)
{
    t->elapsed_ms = ms;
}

static struct weir_str picked(const struct weir_json_pick *k)
{
    /* An error that was too long is still worth its beginning; for all others half is nothing. */
    return k->whole && k->n <= k->cap ? (struct weir_str){k->into, k->n} : WEIR_STR_NULL;
}

static bool picked_text(const struct weir_json_pick *k, struct weir_str *out)
{
    struct weir_str raw = picked(k);

    if (raw.n < 2 || raw.p[0] != '"')
        return false;
    *out = (struct weir_str){raw.p + 1, raw.n - 2};
    return true;
}

/* The answer stands where an error would. */
static bool is_no_error(const struct weir_llm_tap *t)
{
    const struct weir_llm_document *d = t->document;

    return t->ops->error_is_text && d->picks[WEIR_DOC_ERROR].n && d->error[0] == '{';
}

static size_t content_bytes(const struct weir_llm_tap *t)
{
    return (size_t)t->document->picks[is_no_error(t) ? WEIR_DOC_ERROR : WEIR_DOC_CONTENT].total;
}

/* Reads what was picked, when the document is whole. */
static void read_document(struct weir_llm_tap *t)
{
    struct weir_llm_document *d = t->document;
    struct weir_str s;

    if (picked(&d->picks[WEIR_DOC_USAGE]).n)
        t->ops->usage(t, picked(&d->picks[WEIR_DOC_USAGE]));
    if (picked_text(&d->picks[WEIR_DOC_MODEL], &s))
        weir_llm_keep(&t->seen.model, t->model_bytes, WEIR_LLM_MODEL_BYTES, s);
    if (picked_text(&d->picks[WEIR_DOC_FINISH], &s))
        weir_llm_keep(&t->seen.finish, t->finish_bytes, WEIR_LLM_WORD_BYTES, s);
    if (t->ops->is_failure && t->ops->is_failure(t->seen.finish))
        weir_llm_keep_error(t, WEIR_STR("\"The generation failed.\""));
    if (d->picks[WEIR_DOC_ERROR].whole && !is_no_error(t)) {
        s = (struct weir_str){d->error, d->picks[WEIR_DOC_ERROR].n};
        if (s.n > sizeof(d->error))
            s.n = sizeof(d->error);
        if (!weir_str_is(s, "null"))
            weir_llm_keep_error(t, s);
    }
    weir_llm_keep_tokens(&t->seen.units, picked(&d->picks[WEIR_DOC_UNITS]));
    weir_llm_count_output(t, content_bytes(t));
    t->seen.complete = true;
}

static void feed_document(struct weir_llm_tap *t, const char *p, size_t n)
{
    weir_json_tap_feed(&t->document->tap, p, n);
    if (weir_json_tap_done(&t->document->tap) && !t->seen.complete)
        read_document(t);
}

/* Bytes that lie side by side leave in one go. */
struct run {
    const char *p;
    size_t n;
    weir_llm_sink_fn *sink;
    void *arg;
};

static void flush(struct run *r)
{
    if (r->n)
        r->sink(r->arg, r->p, r->n);
    r->p = NULL;
    r->n = 0;
}

static void pass(struct run *r, struct weir_str raw, bool borrowed)
{
    if (r->n && r->p + r->n == raw.p) {
        r->n += raw.n;
    } else {
        flush(r);
        r->p = raw.p;
        r->n = raw.n;
    }
    /* The reader's own memory is gone with its next event. */
    if (!borrowed)
        flush(r);
}

/* ---- the framing of streams ---- */

static void feed_stream(struct weir_llm_tap *t, const char *p, size_t n)
{
    if (t->ops->binary_events)
        weir_eventstream_feed(&t->frames, p, n);
    else
        weir_sse_feed(&t->sse, p, n);
}

/* A binary message as an event: its type is the name, its payload the data. */
static int next_event(struct weir_llm_tap *t, struct weir_sse_event *out)
{
    struct weir_eventstream_message m;
    int rc;

    if (!t->ops->binary_events)
        return weir_sse_next(&t->sse, out);
    rc = weir_eventstream_next(&t->frames, &m);
    if (rc)
        return rc;
    t->failure_frame = m.kind.p && !weir_str_is(m.kind, "event");
    *out =
        (struct weir_sse_event){.name = m.type, .data = m.payload, .raw = m.raw, .complete = true};
    return WEIR_OK;
}

static int finish_stream(struct weir_llm_tap *t, struct weir_sse_event *out)
{
    return t->ops->binary_events ? WEIR_ENOTFOUND : weir_sse_finish(&t->sse, out);
}

static int feed_translated(struct weir_llm_tap *t, weir_llm_sink_fn *sink, void *arg)
{
    struct weir_sse_event e;
    int rc = WEIR_OK, made = WEIR_OK;

    while (made == WEIR_OK && (rc = next_event(t, &e)) == WEIR_OK) {
        t->seen.events++;
        if (!e.data.p)
            continue;
        t->ops->event(t, &e);
        made = weir_llm_bridge_event(t, &e);
    }
    weir_llm_bridge_flush(t, sink, arg);
    return made ? made : rc == WEIR_EAGAIN ? WEIR_OK : rc;
}

int weir_llm_tap_feed(struct weir_llm_tap *t, const char *p, size_t n, weir_llm_sink_fn *sink,
                      void *arg)
{
    struct run r = {.sink = sink, .arg = arg};
    struct weir_sse_event e;
    int rc;

    if (n == 0)
        return WEIR_OK;
    if (t->document) {
        feed_document(t, p, n);
        if (t->bridge)
            return weir_llm_bridge_keep(t, p, n);
        sink(arg, p, n);
        return WEIR_OK;
    }
    feed_stream(t, p, n);
    if (t->bridge)
        return feed_translated(t, sink, arg);
    while ((rc = next_event(t, &e)) == WEIR_OK) {
        t->seen.events++;
        if (!e.data.p || t->ops->event(t, &e))
            pass(&r, e.raw, e.raw.p >= p && e.raw.p + e.raw.n <= p + n);
    }
    flush(&r);
    return rc == WEIR_EAGAIN ? WEIR_OK : rc;
}

/* A status says that a page of text is an error, too. */
static int end_translated(struct weir_llm_tap *t, weir_llm_sink_fn *sink, void *arg)
{
    int rc;

    if (!t->seen.complete && t->conf.status < 400)
        return WEIR_ECLOSED;
    rc = weir_llm_bridge_document(t);
    if (rc == WEIR_OK)
        weir_llm_bridge_flush(t, sink, arg);
    return rc;
}

/* Every choice that began has a reason why it ended. */
static bool is_finished(const struct weir_llm_tap *t)
{
    for (size_t i = 0; i < sizeof t->parts / sizeof *t->parts; i++)
        if (t->parts[i] & ~t->closed[i])
            return false;
    return t->seen.finish.n > 0 && !t->seen.error;
}

/* Nothing follows, and nothing need follow. */
static int end_stream(struct weir_llm_tap *t, weir_llm_sink_fn *sink, void *arg)
{
    int rc;

    if (t->seen.complete || !t->ops->ends_with_stream || !is_finished(t))
        return WEIR_OK;
    t->seen.complete = true;
    if (!t->bridge)
        return WEIR_OK;
    rc = weir_llm_bridge_end(t);
    weir_llm_bridge_flush(t, sink, arg);
    return rc;
}

/* Some servers leave out the blank line behind their last event. Where no event says that it is
 * the last one, this one may have been cut; and the rest of its line end is still to be passed. */
static int read_last(struct weir_llm_tap *t, weir_llm_sink_fn *sink, void *arg)
{
    bool open_ended = t->ops->ends_with_stream, send;
    struct weir_sse_event e;
    int rc;

    if (finish_stream(t, &e) != WEIR_OK)
        return WEIR_OK;
    if (!e.data.p) {
        if (open_ended && !t->bridge)
            sink(arg, e.raw.p, e.raw.n);
        return WEIR_OK;
    }
    if (open_ended && weir_json_check(e.data, NULL) != WEIR_OK)
        return WEIR_OK;
    send = t->ops->event(t, &e);
    if (t->bridge) {
        rc = weir_llm_bridge_event(t, &e);
        weir_llm_bridge_flush(t, sink, arg);
        return rc;
    }
    if ((t->seen.complete || open_ended) && send) {
        sink(arg, e.raw.p, e.raw.n);
        sink(arg, "\n\n", 2);
    }
    return WEIR_OK;
}

int weir_llm_tap_end(struct weir_llm_tap *t, weir_llm_sink_fn *sink, void *arg)
{
    int rc;

    if (t->document && t->bridge)
        return end_translated(t, sink, arg);
    if (t->document) {
        if (!t->seen.complete && t->document->tap.begun)
            weir_llm_count_output(t, content_bytes(t));
        return t->seen.complete ? WEIR_OK : WEIR_ECLOSED;
    }
    rc = t->seen.complete ? WEIR_OK : read_last(t, sink, arg);
    if (rc)
        return rc;
    rc = end_stream(t, sink, arg);
    if (rc)
        return rc;
    return t->seen.complete || t->seen.error ? WEIR_OK : WEIR_ECLOSED;
}

void weir_llm_tap_usage(const struct weir_llm_tap *t, struct weir_usage *out)
{
    *out = t->seen.usage;
    if (t->seen.error && !t->seen.content && out->input < 0 && out->output < 0) {
        out->input = out->output = 0;
        return;
    }
    if (out->input < 0) {
        out->input = t->conf.input_estimate;
        out->estimated = true;
    }
    if (t->ops->no_output) {
        if (out->output < 0)
            out->output = 0;
        return;
    }
    /* The figure of message_start is a beginning: what passed since is more than it. */
    if (out->output < 0 ||
        (!t->seen.complete && t->seen.finish.n == 0 && out->output < t->seen.output_estimate)) {
        out->output = t->seen.output_estimate;
        out->estimated = true;
    }
}

int weir_llm_tap_cut(struct weir_llm_tap *t, struct weir_str notice, struct weir_buf *out)
{
    struct weir_usage usage;

    if (t->document || !t->begun || t->seen.complete || t->seen.error ||
        (!t->bridge && !t->ops->cut))
        return WEIR_ESTATE;
    weir_llm_tap_usage(t, &usage);
    if (t->bridge)
        weir_llm_bridge_cut(t, notice, out);
    else
        t->ops->cut(t, notice, &usage, out);
    /* From here on the answer counts as complete, and only then is a figure believed as it is. */
    t->seen.usage = usage;
    t->seen.complete = true;
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}
