/* The policy's budgets as the ledger keeps them: checked copies, found by id. */
#include "base/mem.h"
#include "controlplane/ledger/core_internal.h"

enum { ALERTS_MAX = 64 };

#define ROLLING_MAX_MS (INT64_C(400) * 86400000)

static int check_budget(const struct weir_ledger_budget *def)
{
    bool ok = def->id && def->id[0] && strlen(def->id) <= WEIR__LEDGER_NAME_MAX &&
              !strchr(def->id, '\n') && def->unit >= WEIR_UNIT_NANO_USD &&
              def->unit <= WEIR_UNIT_REQUESTS && def->mode >= WEIR_MODE_HARD &&
              def->mode <= WEIR_MODE_OBSERVE && def->window >= WEIR_WINDOW_MINUTE &&
              def->window <= WEIR_WINDOW_ROLLING && def->limit >= 0 &&
              def->limit <= WEIR_AMOUNT_MAX &&
              (def->window == WEIR_WINDOW_ROLLING) == (def->length_ms > 0) &&
              def->length_ms <= ROLLING_MAX_MS && def->max_counters >= 0 && def->carry_max >= 0 &&
              def->carry_max <= WEIR_AMOUNT_MAX && def->n_alerts <= ALERTS_MAX;

    for (size_t i = 0; ok && i < def->n_alerts; i++)
        ok = def->alerts[i].threshold > 0 && def->alerts[i].threshold <= 1000000;
    return ok ? WEIR_OK : WEIR_EINVAL;
}

int weir__budget_set_add(struct weir__budget_set *s, const struct weir_ledger_budget *def,
                         int64_t gone_ms)
{
    struct weir__budget *b = NULL;
    struct weir_zone *zone = NULL;

    if (check_budget(def) != WEIR_OK)
        return WEIR_EINVAL;
    HASH_FIND_STR(s->by_id, def->id, b);
    if (b || weir_zone_load(weir_str_of(def->timezone), &zone) != WEIR_OK)
        return WEIR_EINVAL;
    b = WEIR_NEW(struct weir__budget);
    b->id = weir_strdup(weir_str_of(def->id));
    b->timezone = def->timezone ? weir_strdup(weir_str_of(def->timezone)) : NULL;
    b->def = *def;
    b->def.id = b->id;
    b->def.timezone = b->timezone;
    b->def.alerts = NULL;
    if (def->n_alerts > 0) {
        b->alerts = weir_alloc(def->n_alerts * sizeof *b->alerts);
        memcpy(b->alerts, def->alerts, def->n_alerts * sizeof *b->alerts);
        b->def.alerts = b->alerts;
        s->has_alerts = true;
    }
    b->zone = zone;
    b->gone_ms = gone_ms;
    HASH_ADD_KEYPTR(hh, s->by_id, b->id, strlen(b->id), b);
    return WEIR_OK;
}

int weir__budget_set_make(const struct weir_ledger_budget budgets[], size_t n,
                          struct weir__budget_set **out)
{
    struct weir__budget_set *s = WEIR_NEW(struct weir__budget_set);

    for (size_t i = 0; i < n; i++)
        if (weir__budget_set_add(s, &budgets[i], 0) != WEIR_OK) {
            weir__budget_set_free(s);
            return WEIR_EINVAL;
        }
    *out = s;
    return WEIR_OK;
}

void weir__budget_free(struct weir__budget *b)
{
    weir_zone_free(b->zone);
    free(b->alerts);
    free(b->timezone);
    free(b->id);
    free(b);
}

void weir__budget_set_free(struct weir__budget_set *s)
{
    struct weir__budget *b, *next;

    if (!s)
        return;
    HASH_ITER (hh, s->by_id, b, next) {
        HASH_DEL(s->by_id, b);
        weir__budget_free(b);
    }
    free(s);
}
