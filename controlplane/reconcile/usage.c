/* usage.c - usage APIs' results: tokens by kind. OpenAI, GET /organization/usage/completions (and
 * embeddings): {"input_tokens", "input_cached_tokens", "output_tokens", "model"}, the cached ones
 * within the input. Anthropic, GET /v1/organizations/usage_report/messages:
 * {"uncached_input_tokens", "cache_read_input_tokens", "cache_creation":
 * {"ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"}, "output_tokens", "model"}, side by
 * side. */
#include <yyjson.h>

#include "controlplane/reconcile/internal.h"

/* Absent or null: 0. False: no count. */
static bool count(yyjson_val *object, const char *name, int64_t *out)
{
    yyjson_val *v = yyjson_obj_get(object, name);
    int64_t n;

    if (!v || yyjson_is_null(v))
        return true;
    if (!yyjson_is_raw(v) ||
        weir_str_i64((struct weir_str){yyjson_get_raw(v), yyjson_get_len(v)}, &n) != WEIR_OK ||
        n < 0 || n > INT64_MAX / 16)
        return false;
    *out += n;
    return true;
}

static bool openai(yyjson_val *r, int64_t t[WEIR_BILL_KINDS])
{
    return count(r, "input_tokens", &t[WEIR_BILL_INPUT]) &&
           count(r, "input_cached_tokens", &t[WEIR_BILL_CACHE_READ]) &&
           count(r, "output_tokens", &t[WEIR_BILL_OUTPUT]);
}

static bool anthropic(yyjson_val *r, int64_t t[WEIR_BILL_KINDS])
{
    yyjson_val *written = yyjson_obj_get(r, "cache_creation");

    if (!count(r, "uncached_input_tokens", &t[WEIR_BILL_INPUT]) ||
        !count(r, "cache_read_input_tokens", &t[WEIR_BILL_CACHE_READ]) ||
        !count(written, "ephemeral_5m_input_tokens", &t[WEIR_BILL_CACHE_WRITE]) ||
        !count(written, "ephemeral_1h_input_tokens", &t[WEIR_BILL_CACHE_WRITE]) ||
        !count(r, "output_tokens", &t[WEIR_BILL_OUTPUT]))
        return false;
    t[WEIR_BILL_INPUT] += t[WEIR_BILL_CACHE_READ] + t[WEIR_BILL_CACHE_WRITE];
    return true;
}

int weir__bill_usage(struct weir__bill *b, unsigned long line, int64_t day_ms,
                     struct yyjson_val *result)
{
    struct weir_bill_row row = {.day_ms = day_ms};
    yyjson_val *model = yyjson_obj_get(result, "model");

    if (!yyjson_obj_get(result, "output_tokens") && !yyjson_obj_get(result, "input_tokens"))
        return weir__bill_refuse(b, line,
                                 "a result of the day that begins here tells no tokens; are they "
                                 "costs? Then leave out --usage");
    if (yyjson_is_str(model))
        row.model = (struct weir_str){yyjson_get_str(model), yyjson_get_len(model)};
    if (!(b->vendor == WEIR_BILL_OPENAI ? openai(result, row.tokens)
                                        : anthropic(result, row.tokens)))
        return weir__bill_refuse(b, line,
                                 "a result of the day that begins here has tokens that are no "
                                 "count");
    return weir__bill_row(b, &row);
}
