/* pipeline.c - see pipeline.h. */
#include "dataplane/proxy/pipeline.h"

#include "base/err.h"
#include "dataplane/proxy/drain.h"
#include "dataplane/proxy/exchange.h"

static const struct {
    const char *name;
    enum weir_verdict (*run)(struct weir_exchange *x);
} stages[] = {
    {"identify", weir_stage_identify}, {"receive", weir_stage_receive},
    {"decode", weir_stage_decode},     {"route", weir_stage_route},
    {"guard", weir_stage_guard},       {"cache", weir_stage_cache},
    {"hold", weir_stage_hold},         {"dispatch", weir_stage_dispatch},
    {"relay", weir_stage_relay},       {"settle", weir_stage_settle},
    {"record", weir_stage_record},
};

enum {
    STAGE_COUNT = sizeof stages / sizeof *stages,
    STAGE_ROUTE = STAGE_COUNT - 8,
    STAGE_DISPATCH = STAGE_COUNT - 4,
    STAGE_SETTLE = STAGE_COUNT - 2,
};

void weir_pipeline_run(struct weir_exchange *x)
{
    while (x->stage < STAGE_COUNT) {
        enum weir_verdict v = stages[x->stage].run(x);

        if (v == WEIR_V_WAIT)
            return;
        x->stage = v == WEIR_V_DONE && x->stage < STAGE_SETTLE ? STAGE_SETTLE : x->stage + 1;
    }
    if (x->drains)
        weir_drain_over(x);
}

void weir_pipeline_resume(struct weir_exchange *x)
{
    WEIR_ASSERT(x->stage < STAGE_SETTLE);
    x->stage++;
    weir_pipeline_run(x);
}

void weir_pipeline_finish(struct weir_exchange *x)
{
    if (x->stage >= STAGE_SETTLE)
        return;
    x->stage = STAGE_SETTLE;
    weir_pipeline_run(x);
}

void weir_pipeline_back_to_route(struct weir_exchange *x)
{
    WEIR_ASSERT(x->stage > STAGE_ROUTE && x->stage < STAGE_DISPATCH);
    x->stage = STAGE_ROUTE - 1;
}

void weir_pipeline_back_to_dispatch(struct weir_exchange *x)
{
    WEIR_ASSERT(x->stage < STAGE_SETTLE);
    x->stage = STAGE_DISPATCH;
}

bool weir_pipeline_is_open(const struct weir_exchange *x)
{
    return x->stage < STAGE_SETTLE;
}
