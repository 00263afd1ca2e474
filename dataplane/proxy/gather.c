/* gather.c - see gather.h. */
#include "dataplane/proxy/gather.h"

#include "dataplane/proxy/exchange.h"

static bool streams_everywhere(const struct weir_exchange *x)
{
    for (size_t i = 0; i < x->candidate_count; i++)
        if (x->candidates[i].entry &&
            x->candidates[i].entry->without & 1u << WEIR__V1__FEATURE__streams)
            return false;
    return true;
}

/* What the provider keeps must be what the client has, id and all; of several answers a stream
 * tells pieces by turns. */
static bool is_fit(const struct weir_exchange *x)
{
    return x->route->gathers && x->endpoint.operation == WEIR_OP_GENERATE &&
           weir_dialect_family(x->endpoint.dialect) == x->endpoint.dialect &&
           weir_dialect_translates(x->endpoint.dialect) && x->call.n <= 1 && !x->call.stateful &&
           streams_everywhere(x);
}

void weir_gather_decide(struct weir_exchange *x)
{
    bool asked = x->call.stream && !x->gathers;

    x->gathers = false;
    if (asked)
        return;
    x->call.stream = false; /* as it came: a budget may have put another model in its place */
    if (!is_fit(x) || !weir_llm_is_understood(&x->call, x->body, x->arena))
        return;
    x->gathers = x->call.stream = true;
}
