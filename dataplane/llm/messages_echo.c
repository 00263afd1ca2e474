#include <inttypes.h>

#include "dataplane/llm/messages.h"

enum { START, BLOCK, TEXT, BLOCK_STOP, DELTA, STOP, OVER };

static const char *stop_reason(const struct weir_llm_echo *e)
{
    return e->limited ? "max_tokens" : "end_turn";
}

static void head(const struct weir_llm_echo *e, struct weir_buf *out)
{
    weir_buf_addf(out,
                  "{\"id\":\"msg_%016" PRIx64
                  "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
                  e->id);
    weir_buf_add_json(out, e->call.model);
    weir_buf_addz(out, ",\"content\":[");
}

static void add_usage(const struct weir_llm_echo *e, int64_t output, struct weir_buf *out)
{
    weir_buf_addf(out,
                  "\"usage\":{\"input_tokens\":%" PRId64
                  ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
                  "\"output_tokens\":%" PRId64 "}",
                  e->input, output);
}

int weir_messages_echo_body(struct weir_llm_echo *e, struct weir_buf *out)
{
    head(e, out);
    weir_buf_addz(out, "{\"type\":\"text\",\"text\":");
    weir_buf_add_json(out, e->text);
    weir_buf_addf(out, "}],\"stop_reason\":\"%s\",\"stop_sequence\":null,", stop_reason(e));
    add_usage(e, e->output, out);
    weir_buf_addz(out, "}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

static void start(const struct weir_llm_echo *e, struct weir_buf *out)
{
    weir_buf_addz(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
    head(e, out);
    weir_buf_addz(out, "],\"stop_reason\":null,\"stop_sequence\":null,");
    add_usage(e, 0, out);
    weir_buf_addz(out, "}}\n\n");
}

static void text(struct weir_llm_echo *e, struct weir_buf *out)
{
    weir_buf_addz(out, "event: content_block_delta\n"
                       "data: {\"type\":\"content_block_delta\",\"index\":0,"
                       "\"delta\":{\"type\":\"text_delta\",\"text\":");
    weir_buf_add_json(out, weir_llm_echo_piece(e));
    weir_buf_addz(out, "}}\n\n");
}

static void delta(const struct weir_llm_echo *e, struct weir_buf *out)
{
    weir_buf_addf(out,
                  "event: message_delta\n"
                  "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\","
                  "\"stop_sequence\":null},",
                  stop_reason(e));
    add_usage(e, e->output, out);
    weir_buf_addz(out, "}\n\n");
}

int weir_messages_echo_next(struct weir_llm_echo *e, struct weir_buf *out)
{
    if (e->step == TEXT && e->sent == e->text.n)
        e->step = BLOCK_STOP;
    switch (e->step) {
    case START:
        start(e, out);
        break;
    case BLOCK:
        weir_buf_addz(out, "event: content_block_start\n"
                           "data: {\"type\":\"content_block_start\",\"index\":0,"
                           "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
        break;
    case TEXT:
        text(e, out);
        return out->full ? WEIR_ELIMIT : WEIR_OK;
    case BLOCK_STOP:
        weir_buf_addz(out, "event: content_block_stop\n"
                           "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
        break;
    case DELTA:
        delta(e, out);
        break;
    case STOP:
        weir_buf_addz(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        break;
    default:
        return WEIR_ENOTFOUND;
    }
    e->step++;
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}
