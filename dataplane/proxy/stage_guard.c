/* stage_guard.c - may the request leave? Runs the checks of the policy's guardrails for the request
 * phase. A policy can't hold any yet (Guardrail objects are refused as not supported), so the set
 * is empty, and an empty set allows. */
#include "dataplane/proxy/exchange.h"

enum weir_verdict weir_stage_guard(struct weir_exchange *x)
{
    (void)x;
    return WEIR_V_CONTINUE;
}
