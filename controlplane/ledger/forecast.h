/* forecast.h - what a counter will have spent when its window ends, if it goes on as it has. */
#ifndef WEIR_LEDGER_FORECAST_H
#define WEIR_LEDGER_FORECAST_H

#include "controlplane/ledger/query.h"

struct weir_forecast {
    int64_t at_end;       /* spent by then, in the budget's unit; capped at WEIR_AMOUNT_MAX */
    int64_t exhausted_ms; /* when the limit is reached, wall clock; -1: not in this window */
};

/* Linear: what is spent and held now, over the time since the window began, drawn on to its end.
 * False: no forecast. A window without an end has none, and neither has one of which less than a
 * fiftieth is over: too little has happened. Pure; any thread. */
bool weir_forecast(const struct weir_ledger_counter *k, int64_t now_ms, struct weir_forecast *out);

#endif
