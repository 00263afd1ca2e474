#include <inttypes.h>

#include "dataplane/llm/converse.h"

enum { START, TEXT, BLOCK_STOP, STOP, METADATA, OVER };

static const char *stop_reason(const struct weir_llm_echo *e)
{
    return e->limited ? "max_tokens" : "end_turn";
}

static void add_usage(const struct weir_llm_echo *e, struct weir_buf *out)
{
    weir_buf_addf(out,
                  "\"usage\":{\"inputTokens\":%" PRId64 ",\"outputTokens\":%" PRId64
                  ",\"totalTokens\":%" PRId64 "},\"metrics\":{\"latencyMs\":0}",
                  e->input, e->output, e->input + e->output);
}

int weir_converse_echo_body(struct weir_llm_echo *e, struct weir_buf *out)
{
    weir_buf_addz(out, "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":");
    weir_buf_add_json(out, e->text);
    weir_buf_addf(out, "}]}},\"stopReason\":\"%s\",", stop_reason(e));
    add_usage(e, out);
    weir_buf_addz(out, "}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

/* The present event's name; its payload goes into b. */
static const char *event(struct weir_llm_echo *e, struct weir_buf *b)
{
    switch (e->step) {
    case START:
        weir_buf_addz(b, "{\"role\":\"assistant\"}");
        return "messageStart";
    case TEXT:
        weir_buf_addz(b, "{\"contentBlockIndex\":0,\"delta\":{\"text\":");
        weir_buf_add_json(b, weir_llm_echo_piece(e));
        weir_buf_addz(b, "}}");
        return "contentBlockDelta";
    case BLOCK_STOP:
        weir_buf_addz(b, "{\"contentBlockIndex\":0}");
        return "contentBlockStop";
    case STOP:
        weir_buf_addf(b, "{\"stopReason\":\"%s\"}", stop_reason(e));
        return "messageStop";
    default:
        weir_buf_addz(b, "{");
        add_usage(e, b);
        weir_buf_addz(b, "}");
        return "metadata";
    }
}

int weir_converse_echo_next(struct weir_llm_echo *e, struct weir_buf *out)
{
    struct weir_buf payload;
    const char *name;
    int rc;

    if (e->step == TEXT && e->sent == e->text.n)
        e->step = BLOCK_STOP;
    if (e->step == OVER)
        return WEIR_ENOTFOUND;
    weir_buf_init(&payload, 4096);
    name = event(e, &payload);
    rc = weir_eventstream_write(out, "event", weir_str_of(name), weir_buf_str(&payload));
    weir_buf_fini(&payload);
    if (e->step != TEXT)
        e->step++;
    return rc;
}
