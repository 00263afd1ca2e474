/* models_page.c - see models_page.h. */
#include "dataplane/llm/models_page.h"

#include "common/http/percent.h"
#include "dataplane/llm/endpoint.h"

enum { LARGEST_PAGE = 1000 }; /* of both vendors */

struct names {
    const char *size, *after, *before; /* NULL: the API goes one way only */
    bool cuts_size;                    /* takes a larger one as the largest */
};

static const struct names *names_of(enum weir_dialect d)
{
    static const struct names anthropic = {"limit", "after_id", "before_id", false};
    static const struct names google = {"pageSize", "pageToken", NULL, true};

    return d == WEIR_DIALECT_ANTHROPIC_MESSAGES            ? &anthropic
           : weir_dialect_family(d) == WEIR_DIALECT_GEMINI ? &google
                                                           : NULL;
}

static int refuse(struct weir_arena *a, const char *name, const char *why, struct weir_err *err)
{
    *err = (struct weir_err){.rc = WEIR_EINVAL,
                             .http_status = 400,
                             .code = "invalid_query",
                             .detail = weir_arena_printf(a, "The query's '%s' %s.", name, why)};
    return WEIR_EINVAL;
}

/* Absent or, as Google has it, 0: all. */
static int read_size(struct weir_str raw, const struct names *names, struct weir_arena *a,
                     size_t *out, struct weir_err *err)
{
    size_t size = 0;

    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] < '0' || raw.p[i] > '9')
            return refuse(a, names->size, "is not a number", err);
        if (size <= LARGEST_PAGE)
            size = 10 * size + (size_t)(raw.p[i] - '0');
    }
    if (size > LARGEST_PAGE && names->cuts_size)
        size = LARGEST_PAGE;
    if (raw.n && (size > LARGEST_PAGE || (size == 0 && !names->cuts_size)))
        return refuse(a, names->size, "must be from 1 to 1000", err);
    if (size)
        *out = size;
    return WEIR_OK;
}

/* The place in the list of the model that a mark names. */
static int find_mark(struct weir_str raw, const char *name, const struct weir_llm_model *models,
                     size_t n, struct weir_arena *a, size_t *out, struct weir_err *err)
{
    struct weir_str id;

    if (weir_percent_decode(a, raw, true, &id) == WEIR_OK)
        for (size_t i = 0; i < n; i++)
            if (weir_str_eq(models[i].id, id)) {
                *out = i;
                return WEIR_OK;
            }
    return refuse(a, name, "names no model of this list; begin again without it", err);
}

int weir_llm_models_page(enum weir_dialect d, struct weir_str query,
                         const struct weir_llm_model *models, size_t n, struct weir_arena *a,
                         struct weir_llm_models_page *out, struct weir_err *err)
{
    const struct names *names = names_of(d);
    struct weir_str after, before = WEIR_STR_NULL;
    size_t first = 0, end = n, size = n, at;

    *out = (struct weir_llm_models_page){0, n, false};
    if (!names)
        return WEIR_OK;
    if (read_size(weir_llm_endpoint_param(query, names->size), names, a, &size, err))
        return WEIR_EINVAL;
    after = weir_llm_endpoint_param(query, names->after);
    if (names->before)
        before = weir_llm_endpoint_param(query, names->before);
    if (after.n) {
        if (find_mark(after, names->after, models, n, a, &at, err))
            return WEIR_EINVAL;
        first = at + 1;
    }
    if (before.n) {
        if (find_mark(before, names->before, models, n, a, &at, err))
            return WEIR_EINVAL;
        end = at > first ? at : first;
    }
    out->more = end - first > size;
    if (out->more && before.n && !after.n) /* backwards: the page that ends there */
        first = end - size;
    out->first = first;
    out->n = out->more ? size : end - first;
    return WEIR_OK;
}
