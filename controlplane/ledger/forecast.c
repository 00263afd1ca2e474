#include "controlplane/ledger/forecast.h"

enum { EARLY = 50 }; /* a part of the window */

static int64_t capped(__int128 v)
{
    return v > WEIR_AMOUNT_MAX ? WEIR_AMOUNT_MAX : (int64_t)v;
}

bool weir_forecast(const struct weir_ledger_counter *k, int64_t now_ms, struct weir_forecast *out)
{
    int64_t length = k->window_end_ms - k->window_start_ms, over = now_ms - k->window_start_ms;
    int64_t used = k->settled + k->held;

    if (k->window_end_ms < 0 || length <= 0 || now_ms >= k->window_end_ms || used < 0 ||
        over < length / EARLY || over <= 0)
        return false;
    out->at_end = capped((__int128)used * length / over);
    out->exhausted_ms = -1;
    if (used >= k->limit)
        out->exhausted_ms = now_ms;
    else if (out->at_end > k->limit)
        out->exhausted_ms = k->window_start_ms + capped((__int128)k->limit * over / used);
    return true;
}
