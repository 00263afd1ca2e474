/* walk.c - is an export the chain that was written? */
#include <stdio.h>
#include <yyjson.h>

#include "base/hash.h"
#include "controlplane/audit/internal.h"

static const char hash_key[] = ",\"hash\":\"";

enum { TAIL = sizeof hash_key - 1 + WEIR_AUDIT_HASH + 2 };

struct parts {
    int64_t seq;
    char prev[WEIR_AUDIT_HASH + 1];
    struct weir_str hash;
};

static bool is_hash(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return s.n == WEIR_AUDIT_HASH;
}

static bool read_members(struct parts *p, yyjson_val *root)
{
    yyjson_val *seq = yyjson_obj_get(root, "seq"), *prev = yyjson_obj_get(root, "prev");
    struct weir_str hash = {yyjson_get_str(prev), yyjson_get_len(prev)};

    if (!yyjson_is_int(seq) || yyjson_get_sint(seq) <= 0 || !yyjson_is_str(prev) || !is_hash(hash))
        return false;
    p->seq = yyjson_get_sint(seq);
    memcpy(p->prev, hash.p, hash.n);
    p->prev[hash.n] = 0;
    return true;
}

/* The entry's text is what stands before its hash, and the brace. */
static bool split(struct weir_str line, struct parts *out, char real[WEIR_AUDIT_HASH + 1])
{
    struct weir_buf text;
    yyjson_doc *doc;
    bool good;

    if (line.n < TAIL || line.n > WEIR_AUDIT_MAX_LINE ||
        memcmp(line.p + line.n - TAIL, hash_key, sizeof hash_key - 1) != 0 ||
        memcmp(line.p + line.n - 2, "\"}", 2) != 0)
        return false;
    out->hash = (struct weir_str){line.p + line.n - WEIR_AUDIT_HASH - 2, WEIR_AUDIT_HASH};
    if (!is_hash(out->hash))
        return false;
    weir_buf_init(&text, WEIR_AUDIT_MAX_LINE);
    (void)weir_buf_add(&text, line.p, line.n - TAIL);
    (void)weir_buf_addz(&text, "}");
    weir__audit_hash(weir_buf_str(&text), real);
    doc = yyjson_read(text.p, text.n, 0);
    good = read_members(out, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    weir_buf_fini(&text);
    return good;
}

static int WEIR_PRINTF(2, 3) broken(struct weir_audit_walk *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(w->why, sizeof w->why, format, args);
    va_end(args);
    return WEIR_ECORRUPT;
}

static int check_place(struct weir_audit_walk *w, const struct parts *p)
{
    long long seq = p->seq, next = w->last + 1;

    if (w->last > 0 && seq < next)
        return broken(w, "entry %lld stands after entry %lld: the order was changed", seq,
                      (long long)w->last);
    if (w->last > 0 && seq == next + 1)
        return broken(w, "entry %lld is missing", next);
    if (w->last > 0 && seq > next)
        return broken(w, "entries %lld to %lld are missing", next, seq - 1);
    if (w->last > 0 && strcmp(p->prev, w->hash) != 0)
        return broken(w, "entry %lld is another than the one that entry %lld was chained to",
                      (long long)w->last, seq);
    if (seq == 1 && strspn(p->prev, "0") != WEIR_AUDIT_HASH)
        return broken(w, "entry 1 is chained to an entry before it");
    return WEIR_OK;
}

int weir_audit_walk(struct weir_audit_walk *w, struct weir_str line)
{
    struct parts p;
    char real[WEIR_AUDIT_HASH + 1];
    int rc;

    w->lines++;
    if (!split(line, &p, real))
        return broken(w, "line %lld, after entry %lld, is no entry of an audit export",
                      (long long)w->lines, (long long)w->last);
    if (memcmp(real, p.hash.p, WEIR_AUDIT_HASH) != 0)
        return broken(w, "entry %lld was changed: its hash does not fit it", (long long)p.seq);
    rc = check_place(w, &p);
    if (rc != WEIR_OK)
        return rc;
    if (!w->first)
        w->first = p.seq;
    w->last = p.seq;
    memcpy(w->hash, real, sizeof real);
    return WEIR_OK;
}
