/* alerts.c - joins the ledger's crossings, the policy's alerts and those who deliver them. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "controlplane/main/control_internal.h"
#include "weir/v1/config.pb-c.h"

enum { MAX_TARGETS = 100000 };

static void on_done(void *arg, int64_t id)
{
    struct weir_control *c = arg;

    weir_ledger_crossing_done(c->ledger, id);
}

int weir_control_open_alerts(struct weir_control *c)
{
    struct weir_alerts_options o = {
        .commands = c->options->alert_commands, .done = on_done, .arg = c};
    char error[256] = "";
    int rc = weir_alerts_create(&o, error, sizeof error, &c->alerts);

    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "control", "%s", error);
    return rc;
}

struct weir_ledger_alert weir_control_alert_of(const struct Weir__V1__Alert *m)
{
    struct weir_ledger_alert a = {.kind = m->burnrate ? WEIR_ALERT_BURN : WEIR_ALERT_PERCENT,
                                  .threshold = m->has_percent ? m->percent : 0};

    if (m->asked)
        return (struct weir_ledger_alert){.kind = WEIR_ALERT_ASKED, .threshold = 1};
    if (m->burnrate && weir_config_burn_rate(m->burnrate, &a.threshold))
        a.threshold = 0;
    return a;
}

static void add_target(struct weir_control *c, const char *budget, const Weir__V1__Alert *m,
                       struct weir_alert_target *out)
{
    struct weir_ledger_alert a = weir_control_alert_of(m);

    *out = (struct weir_alert_target){.budget = budget,
                                      .kind = a.kind,
                                      .threshold = a.threshold,
                                      .webhook = m->webhook,
                                      .secret_file = m->secretfile,
                                      .command = m->command,
                                      .slack = m->has_format &&
                                               m->format == WEIR__V1__ALERT_FORMAT__slack};
    if (m->command && !weir_alerts_knows(c->alerts, m->command))
        WEIR_LOG(
            WEIR_LOG_ERROR, "alerts",
            "budget %s names the command \"%s\", which --alert-commands doesn't: it is not run",
            budget, m->command);
}

static const Weir__V1__BudgetSpec *budget_spec(const struct weir_policy_object *o)
{
    return strcmp(o->type, "Budget") == 0 ? ((const Weir__V1__Budget *)o->message)->spec : NULL;
}

void weir_control_publish_alerts(struct weir_control *c)
{
    size_t count = weir_policy_set_count(c->set), n = 0, room = 0;
    struct weir_alert_target *list;

    for (size_t i = 0; i < count; i++) {
        const Weir__V1__BudgetSpec *spec = budget_spec(weir_policy_set_at(c->set, i));

        room += spec ? spec->n_alerts : 0;
    }
    room = room < MAX_TARGETS ? room : MAX_TARGETS;
    list = weir_zalloc((room + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        const struct weir_policy_object *o = weir_policy_set_at(c->set, i);
        const Weir__V1__BudgetSpec *spec = budget_spec(o);

        for (size_t k = 0; spec && k < spec->n_alerts && n < room; k++)
            add_target(c, o->full_name, spec->alerts[k], &list[n++]);
    }
    weir_alerts_set_targets(c->alerts, list, n);
    free(list);
}
