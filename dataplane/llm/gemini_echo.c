#include <inttypes.h>

#include "dataplane/llm/gemini.h"

enum { TEXT, FINISH, OVER };

/* One chunk: the same piece for every candidate. */
static void chunk(const struct weir_llm_echo *e, struct weir_str text, bool last,
                  struct weir_buf *out)
{
    struct weir_usage u = WEIR_USAGE_NONE;

    u.input = e->input;
    u.output = e->output * e->call.n;
    weir_buf_addz(out, "{\"candidates\":[");
    for (int64_t i = 0; i < e->call.n; i++) {
        weir_buf_addf(out, "%s{\"content\":{\"parts\":[{\"text\":", i ? "," : "");
        weir_buf_add_json(out, text);
        weir_buf_addz(out, "}],\"role\":\"model\"}");
        if (last)
            weir_buf_addf(out, ",\"finishReason\":\"%s\"", e->limited ? "MAX_TOKENS" : "STOP");
        weir_buf_addf(out, ",\"index\":%" PRId64 "}", i);
    }
    weir_buf_addz(out, "]");
    if (last) {
        weir_buf_addz(out, ",\"usageMetadata\":");
        weir_gemini_add_usage(out, &u);
    }
    weir_buf_addz(out, ",\"modelVersion\":");
    weir_buf_add_json(out, e->call.model);
    weir_buf_addf(out, ",\"responseId\":\"%016" PRIx64 "\"}", e->id);
}

int weir_gemini_echo_body(struct weir_llm_echo *e, struct weir_buf *out)
{
    chunk(e, e->text, true, out);
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

int weir_gemini_echo_next(struct weir_llm_echo *e, struct weir_buf *out)
{
    if (e->step == TEXT && e->sent == e->text.n)
        e->step = FINISH;
    if (e->step == OVER)
        return WEIR_ENOTFOUND;
    weir_buf_addz(out, "data: ");
    if (e->step == TEXT) {
        chunk(e, weir_llm_echo_piece(e), false, out);
    } else {
        chunk(e, WEIR_STR(""), true, out);
        e->step = OVER;
    }
    weir_buf_addz(out, "\n\n");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}
