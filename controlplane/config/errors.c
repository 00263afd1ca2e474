/* errors.c - the shared list of what is wrong with the policy; see source.h. */
#include "controlplane/config/errors.h"

#include "base/mem.h"

struct weir_policy_errors *weir__policy_errors_create(void)
{
    struct weir_policy_errors *e = WEIR_NEW(struct weir_policy_errors);

    atomic_init(&e->refs, 1);
    e->list.arena = weir_arena_create(NULL);
    return e;
}

void weir__policy_errors_append(struct weir_policy_errors *to, const struct weir_data_errors *from)
{
    for (size_t i = 0; i < from->count; i++)
        weir_data_error_add(&to->list, &from->list[i], "%s", from->list[i].what);
    to->list.dropped += from->dropped;
}

bool weir__policy_errors_equal(const struct weir_policy_errors *a,
                               const struct weir_policy_errors *b)
{
    if (a->list.count != b->list.count || a->list.dropped != b->list.dropped)
        return false;
    for (size_t i = 0; i < a->list.count; i++) {
        const struct weir_data_error *x = &a->list.list[i], *y = &b->list.list[i];

        if (x->line != y->line || strcmp(x->file, y->file) != 0 || strcmp(x->path, y->path) != 0 ||
            strcmp(x->kind, y->kind) != 0 || strcmp(x->name, y->name) != 0 ||
            strcmp(x->what, y->what) != 0)
            return false;
    }
    return true;
}

struct weir_policy_errors *weir_policy_errors_ref(struct weir_policy_errors *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void weir_policy_errors_unref(struct weir_policy_errors *e)
{
    if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
        return;
    weir_arena_destroy(e->list.arena);
    free(e);
}

size_t weir_policy_errors_count(const struct weir_policy_errors *e)
{
    return e->list.count;
}

const struct weir_data_error *weir_policy_errors_at(const struct weir_policy_errors *e, size_t i)
{
    return i < e->list.count ? &e->list.list[i] : NULL;
}

size_t weir_policy_errors_dropped(const struct weir_policy_errors *e)
{
    return e->list.dropped;
}
