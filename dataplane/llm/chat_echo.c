#include <inttypes.h>

#include "dataplane/llm/chat.h"

enum { ROLE, TEXT, FINISH, USAGE, DONE, OVER };

static struct weir_usage usage_of(const struct weir_llm_echo *e)
{
    struct weir_usage u = WEIR_USAGE_NONE;

    u.input = e->input;
    u.output = e->output * e->call.n;
    return u;
}

static void head(const struct weir_llm_echo *e, const char *object, struct weir_buf *out)
{
    weir_buf_addf(out,
                  "{\"id\":\"chatcmpl-%016" PRIx64 "\",\"object\":\"%s\",\"created\":%" PRId64
                  ",\"model\":",
                  e->id, object, e->created_s);
    weir_buf_add_json(out, e->call.model);
    weir_buf_addz(out, ",\"choices\":[");
}

static const char *finish(const struct weir_llm_echo *e)
{
    return e->limited ? "length" : "stop";
}

int weir_chat_echo_body(struct weir_llm_echo *e, struct weir_buf *out)
{
    struct weir_usage u = usage_of(e);

    head(e, "chat.completion", out);
    for (int64_t i = 0; i < e->call.n; i++) {
        weir_buf_addf(out,
                      "%s{\"index\":%" PRId64
                      ",\"message\":{\"role\":\"assistant\",\"refusal\":null,\"content\":",
                      i ? "," : "", i);
        weir_buf_add_json(out, e->text);
        weir_buf_addf(out, "},\"logprobs\":null,\"finish_reason\":\"%s\"}", finish(e));
    }
    weir_buf_addz(out, "],\"usage\":");
    weir_chat_add_usage(out, &u);
    weir_buf_addz(out, "}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

/* One chunk with the same delta for every choice. */
static void chunk(const struct weir_llm_echo *e, const char *role, struct weir_str text,
                  const char *reason, struct weir_buf *out)
{
    weir_buf_addz(out, "data: ");
    head(e, "chat.completion.chunk", out);
    for (int64_t i = 0; i < e->call.n; i++) {
        weir_buf_addf(out, "%s{\"index\":%" PRId64 ",\"delta\":{%s", i ? "," : "", i, role);
        if (text.p) {
            weir_buf_addz(out, "\"content\":");
            weir_buf_add_json(out, text);
        }
        weir_buf_addf(out, "},\"finish_reason\":%s%s%s}", reason ? "\"" : "",
                      reason ? reason : "null", reason ? "\"" : "");
    }
    weir_buf_addz(out, e->call.asks_usage ? "],\"usage\":null}\n\n" : "]}\n\n");
}

int weir_chat_echo_next(struct weir_llm_echo *e, struct weir_buf *out)
{
    struct weir_usage u = usage_of(e);

    if (e->step == TEXT && e->sent == e->text.n)
        e->step = FINISH;
    if (e->step == USAGE && !e->call.asks_usage)
        e->step = DONE;
    switch (e->step) {
    case ROLE:
        chunk(e, "\"role\":\"assistant\",", WEIR_STR(""), NULL, out);
        break;
    case TEXT:
        chunk(e, "", weir_llm_echo_piece(e), NULL, out);
        return out->full ? WEIR_ELIMIT : WEIR_OK;
    case FINISH:
        chunk(e, "", WEIR_STR_NULL, finish(e), out);
        break;
    case USAGE:
        weir_buf_addz(out, "data: ");
        head(e, "chat.completion.chunk", out);
        weir_buf_addz(out, "],\"usage\":");
        weir_chat_add_usage(out, &u);
        weir_buf_addz(out, "}\n\n");
        break;
    case DONE:
        weir_buf_addz(out, "data: [DONE]\n\n");
        break;
    default:
        return WEIR_ENOTFOUND;
    }
    e->step++;
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}
