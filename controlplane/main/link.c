/* link.c - joins a proxy's streams to the ledger and the ingest. The callbacks run on the stream's,
 * the ledger's and the ingest's threads; none of them blocks. */
#include <stdio.h>

#include "base/mem.h"
#include "controlplane/main/control_internal.h"
#include "weir/v1/telemetry.pb-c.h"

/* A Budget stream and its session in the ledger. */
struct budget_link {
    struct weir_control *control;
    struct weir_ledger_session *session;
    uint64_t link;
};

static void on_budget_down(void *arg, const struct Weir__V1__BudgetDown *down)
{
    struct budget_link *b = arg;

    weir_stream_send_budget(b->control->stream, b->link, down);
}

static void *on_budget_open(void *arg, const struct weir_stream_identity *id, uint64_t link)
{
    struct budget_link *b = WEIR_NEW(struct budget_link);
    char node[512];

    b->control = arg;
    b->link = link;
    snprintf(node, sizeof node, "%s/%s", id->ns, id->node);
    b->session = weir_ledger_attach(b->control->ledger, node, on_budget_down, b);
    return b;
}

static int on_budget_up(void *session, const struct Weir__V1__BudgetUp *up)
{
    struct budget_link *b = session;

    return weir_ledger_receive(b->session, up);
}

static void on_budget_close(void *session)
{
    struct budget_link *b = session;

    weir_ledger_detach(b->session);
    free(b);
}

struct telemetry_link {
    struct weir_control *control;
    uint64_t link;
};

static void on_stored(void *arg, int rc, const char *incarnation, uint64_t sequence)
{
    struct telemetry_link *t = arg;

    if (rc == WEIR_OK)
        weir_stream_ack_telemetry(t->control->stream, t->link, incarnation, sequence);
    else
        weir_stream_drop(t->control->stream, t->link);
    free(t);
}

static int on_telemetry_batch(void *arg, const struct weir_stream_identity *id, uint64_t link,
                              const struct Weir__V1__TelemetryBatch *batch)
{
    struct telemetry_link *t = WEIR_NEW(struct telemetry_link);
    struct weir_ingest_identity from = {.node = id->node, .ns = id->ns};
    int rc;

    t->control = arg;
    t->link = link;
    rc = weir_ingest_submit(t->control->ingest, &from, batch, on_stored, t);
    if (rc)
        free(t);
    return rc;
}

static void on_enrolled(void *arg, const struct weir_stream_identity *id, const char *address)
{
    struct weir_control *c = arg;
    char name[1024];

    (void)snprintf(name, sizeof name, "%s/%s", id->ns, id->node);
    (void)weir_audit_post(c->audit, &(struct weir_audit_entry){.actor = "join token",
                                                               .from = address,
                                                               .action = "proxy.enrol",
                                                               .object = name,
                                                               .outcome = "done"});
}

struct weir_stream_hooks weir_control_hooks(struct weir_control *c)
{
    return (struct weir_stream_hooks){.arg = c,
                                      .budget_open = on_budget_open,
                                      .budget_up = on_budget_up,
                                      .budget_close = on_budget_close,
                                      .telemetry_batch = on_telemetry_batch,
                                      .enrolled = on_enrolled};
}
