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

static bool is_connection(const struct weir_http_header *h)
{
    return weir_str_ieq(h->name, WEIR_STR("connection"));
}

struct weir_http_hop weir_http_hop_of(const struct weir_http_header *headers, size_t count)
{
    size_t first = 0;

    while (first < count && !is_connection(&headers[first]))
        first++;
    while (count > first && !is_connection(&headers[count - 1]))
        count--;
    return (struct weir_http_hop){headers + first, count - first};
}

bool weir_http_is_for_hop(struct weir_http_hop hop, struct weir_str name)
{
    for (size_t i = 0; i < hop.count; i++)
        if (is_connection(&hop.first[i]) && lists(hop.first[i].value, name))
            return true;
    return false;
}
