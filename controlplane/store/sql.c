/* From the SQL that both engines share to that of one. */
#include "controlplane/store/engine.h"

#include "base/log.h"

static const char *own_word(const struct weir__engine *e, struct weir_str name)
{
    for (const struct weir__word *w = e->words; w->portable; w++)
        if (weir_str_is(name, w->portable))
            return w->sql;
    return NULL;
}

/* Replaces the word in braces at p; the bytes that it took, or 0. */
static size_t word(const struct weir__engine *e, const char *p, struct weir_buf *out)
{
    const char *end = strchr(p, '}');
    const char *sql = end ? own_word(e, (struct weir_str){p + 1, (size_t)(end - p - 1)}) : NULL;

    if (!sql)
        return 0;
    (void)weir_buf_addz(out, sql);
    return (size_t)(end - p) + 1;
}

int weir__sql(const struct weir__engine *e, const char *portable, struct weir_buf *out)
{
    bool quoted = false; /* in '...' */

    weir_buf_init(out, WEIR__SQL_MAX);
    for (const char *p = portable; *p;) {
        size_t n = 1;

        if (*p == '\'')
            quoted = !quoted;
        if (!quoted && *p == '{') {
            n = word(e, p, out);
            if (n == 0) {
                WEIR_LOG(WEIR_LOG_ERROR, "store", "unknown word in: %s", portable);
                return WEIR_EINVAL;
            }
        } else if (!quoted && *p == '?' && e->dollars) {
            (void)weir_buf_add(out, "$", 1);
        } else {
            (void)weir_buf_add(out, p, 1);
        }
        p += n;
    }
    (void)weir_buf_add(out, "", 1);
    return out->full ? WEIR_EINVAL : WEIR_OK;
}
