#include "controlplane/telemetry/query.h"

#include "base/mem.h"
#include "controlplane/telemetry/query_internal.h"

int weir_query_open(const char *path, struct weir_query **out)
{
    struct weir_query *q = WEIR_NEW(struct weir_query);
    int rc = weir_store_open(path, WEIR_STORE_READ_ONLY, &q->store);

    if (rc != WEIR_OK) {
        free(q);
        return rc;
    }
    *out = q;
    return WEIR_OK;
}

void weir_query_close(struct weir_query *q)
{
    if (!q)
        return;
    weir_store_close(q->store);
    free(q);
}

int weir__filter_bind(const struct weir_query *q, struct weir_stmt *st, int first,
                      const struct weir_query_filter *f, struct weir__patterns *p)
{
    const struct weir_str all[WEIR__FILTERS] = {f->ns,    f->agent,    f->project, f->team,
                                                f->model, f->provider, f->key};

    for (int i = 0; i < WEIR__FILTERS; i++) {
        if (!all[i].p) {
            weir_stmt_bind_null(st, first + i);
            continue;
        }
        if (weir_store_pattern(q->store, all[i], p->text[i], sizeof p->text[i]) != WEIR_OK)
            return WEIR_EINVAL;
        weir_stmt_bind_str(st, first + i, weir_str_of(p->text[i]));
    }
    return WEIR_OK;
}
