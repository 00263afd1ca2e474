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

/* GLOB's own characters mean themselves as a set of one, LIKE's after a backslash. */
static const char *own_char(const struct weir__engine *e, char c, char own[4])
{
    const char *special = e->like ? "%_\\" : "?[";

    if (c == '*')
        return e->like ? "%" : "*";
    (void)memcpy(own, (char[4]){c}, 4);
    if (strchr(special, c))
        (void)memcpy(own, e->like ? (char[4]){'\\', c} : (char[4]){'[', c, ']'}, 4);
    return own;
}

int weir_store_pattern(const struct weir_store *s, struct weir_str with_stars, char *out,
                       size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < with_stars.n; i++) {
        char own[4];
        const char *c = own_char(s->engine, with_stars.p[i], own);

        if (with_stars.p[i] == '\0' || n + strlen(c) >= size)
            return WEIR_EINVAL;
        memcpy(out + n, c, strlen(c));
        n += strlen(c);
    }
    out[n] = '\0';
    return WEIR_OK;
}
