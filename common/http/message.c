/* message.c - see message.h. */
#include "common/http/message.h"

static bool lists(struct weir_str tokens, struct weir_str name)
{
    while (tokens.n) {
        struct weir_str rest, token = weir_str_trim(weir_str_cut(tokens, ',', &rest));

        if (weir_str_ieq(token, name))
            return true;
        tokens = rest;
    }
    return false;
}

bool weir_http_is_for_hop(const struct weir_http_header *headers, size_t count,
                          struct weir_str name)
{
    for (size_t i = 0; i < count; i++)
        if (weir_str_ieq(headers[i].name, WEIR_STR("connection")) && lists(headers[i].value, name))
            return true;
    return false;
}
