/* stage_settle.c - holds become spend. Each counter gets what the attempts used that it covers; a
 * hold is given back whole only when nothing left the proxy. */
#include "dataplane/proxy/attempt.h"
#include "dataplane/proxy/exchange.h"
#include "dataplane/proxy/worker.h"

enum weir_verdict weir_stage_settle(struct weir_exchange *x)
{
    int64_t actual[WEIR_ADMIT_PARTS_MAX], now = weir_worker_now_ms(x->worker);

    weir_wheel_cancel(x->worker->wheel, &x->timer);
    if (x->drains)
        x->outcome = WEIR_OUTCOME_ABORTED; /* however well the rest went */
    weir_attempt_close(x, "cancelled", !x->unsent);
    if (!x->held)
        return WEIR_V_CONTINUE;
    for (size_t i = 0; i < x->charge_count; i++)
        x->charges[i].held = x->admission.holds[i].held;
    if (!x->sent) {
        weir_holder_release(x->worker->holder, now, &x->admission);
        return WEIR_V_CONTINUE;
    }
    for (size_t i = 0; i < x->charge_count; i++)
        actual[i] = x->charges[i].spent;
    weir_holder_settle(x->worker->holder, now, &x->admission, actual);
    return WEIR_V_CONTINUE;
}
