/* pipeline.h - the stages that every call passes, in one order, whatever its API.
 *
 *   identify -> receive -> decode -> route -> guard -> cache -> hold -> dispatch -> relay
 *   -> settle -> record
 *
 * A stage says who acts next. `settle` and `record` run exactly once for every exchange, also for
 * one that was refused, aborted by its client or cut. Everything runs on the worker's loop. */
#ifndef WEIR_PROXY_PIPELINE_H
#define WEIR_PROXY_PIPELINE_H

#include <stdbool.h>

struct weir_exchange;

enum weir_verdict {
    WEIR_V_CONTINUE, /* the next stage, now */
    WEIR_V_WAIT,     /* the stage will call weir_pipeline_resume() or weir_pipeline_finish() once */
    WEIR_V_DONE,     /* the answer is written: go on with settle */
};

/* Runs the exchange from its current stage until a stage waits or the last one is done. */
void weir_pipeline_run(struct weir_exchange *x);

/* The stage that waited has what it waited for: goes on with the stage after it. */
void weir_pipeline_resume(struct weir_exchange *x);

/* The answer is written, or nobody waits for it any more: settle and record follow at once. Fine
 * when the exchange is past that already. */
void weir_pipeline_finish(struct weir_exchange *x);

/* Another model is to be called: route is the next stage again. For a stage before dispatch. */
void weir_pipeline_back_to_route(struct weir_exchange *x);

/* The attempt that was being relayed failed before the client had a byte: dispatch waits again. */
void weir_pipeline_back_to_dispatch(struct weir_exchange *x);

/* False once the exchange is being settled or recorded. */
bool weir_pipeline_is_open(const struct weir_exchange *x);

enum weir_verdict weir_stage_identify(struct weir_exchange *x); /* whose call is it? */
enum weir_verdict weir_stage_receive(struct weir_exchange *x);  /* the whole body, bounded */
enum weir_verdict weir_stage_decode(struct weir_exchange *x);   /* what does it ask for? */
enum weir_verdict weir_stage_route(struct weir_exchange *x);    /* where can it go? */
enum weir_verdict weir_stage_guard(struct weir_exchange *x);    /* may it leave? */
enum weir_verdict weir_stage_cache(struct weir_exchange *x);    /* is its answer known? */
enum weir_verdict weir_stage_hold(struct weir_exchange *x);     /* can it be paid? */
enum weir_verdict weir_stage_dispatch(struct weir_exchange *x); /* attempt, retry, next target */
enum weir_verdict weir_stage_relay(struct weir_exchange *x); /* the answer to the client, metered */
enum weir_verdict weir_stage_settle(struct weir_exchange *x); /* holds become spend */
enum weir_verdict weir_stage_record(struct weir_exchange *x); /* one record, whatever came of it */

#endif
