#include "data/json_internal.h"
#include "data/json_scan.h"

enum { BETWEEN, IN_KEY, IN_STRING, IN_SCALAR };

void weir_json_tap_init(struct weir_json_tap *t, struct weir_json_pick *picks, size_t count)
{
    WEIR_ASSERT(count <= WEIR_JSON_PICKS);
    memset(t, 0, sizeof(*t));
    t->picks = picks;
    t->count = count;
    t->active = -1;
    t->match[0] = (uint8_t)((1u << count) - 1);
    for (size_t i = 0; i < count; i++) {
        picks[i].n = 0;
        picks[i].total = 0;
        picks[i].whole = false;
    }
}

static void take(struct weir_json_tap *t, const char *p, size_t n)
{
    struct weir_json_pick *k = &t->picks[t->active];

    if (k->into && k->n < k->cap)
        memcpy(k->into + k->n, p, n < k->cap - k->n ? n : k->cap - k->n);
    k->n += n;
    k->total += n;
}

static bool name_matches(const struct weir_json_tap *t, const char *name)
{
    if (!(t->objects >> t->depth & 1))
        return strcmp(name, "*") == 0;
    return weir_json_is((struct weir_str){t->key, t->key_n}, name);
}

/* Which picks the value that begins here leads to; the one that is this value becomes active. */
static void value_begins(struct weir_json_tap *t)
{
    uint8_t open = t->depth <= WEIR_JSON_PATH ? t->match[t->depth] : 0;

    t->begun = true;
    t->value_match = t->depth == 0 ? open : 0;
    if (t->active >= 0 || !open || t->depth == 0)
        return;
    for (unsigned i = 0; i < t->count; i++) {
        const struct weir_json_pick *k = &t->picks[i];

        if (!(open >> i & 1) || !name_matches(t, k->path[t->depth - 1]))
            continue;
        if (t->depth < WEIR_JSON_PATH && k->path[t->depth]) {
            t->value_match |= (uint8_t)(1u << i);
        } else if (t->active < 0) {
            t->active = (int)i;
            t->active_depth = t->depth;
            t->picks[i].n = 0;
            t->picks[i].whole = false;
        }
    }
}

static void value_ends(struct weir_json_tap *t, const char *from, const char *p)
{
    if (t->active >= 0 && t->depth == t->active_depth) {
        take(t, from, (size_t)(p - from));
        t->picks[t->active].whole = true;
        t->active = -1;
    }
    if (t->depth == 0)
        t->done = true;
}

static void open_level(struct weir_json_tap *t, bool object)
{
    t->depth++;
    if (t->depth > WEIR_JSON_PATH)
        return;
    t->match[t->depth] = t->value_match;
    t->objects = (t->objects & ~(1ULL << t->depth)) | (uint64_t)object << t->depth;
    t->key_next = object;
}

/* One byte outside of strings and scalars. */
static const char *between(struct weir_json_tap *t, const char *p, const char **from)
{
    bool had = t->active >= 0;

    switch (*p) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case ':':
        return p + 1;
    case ',':
        t->key_next = t->depth <= WEIR_JSON_PATH && (t->objects >> t->depth & 1);
        return p + 1;
    case '}':
    case ']':
        t->key_next = false;
        if (t->depth > 0)
            t->depth--;
        value_ends(t, *from, p + 1);
        return p + 1;
    case '"':
        if (t->key_next && t->depth <= WEIR_JSON_PATH) {
            t->key_n = 0;
            t->key_next = false;
            t->state = IN_KEY;
            return p + 1;
        }
        value_begins(t);
        t->state = IN_STRING;
        break;
    case '{':
    case '[':
        value_begins(t);
        open_level(t, *p == '{');
        break;
    default:
        value_begins(t);
        t->state = IN_SCALAR;
        break;
    }
    if (!had && t->active >= 0)
        *from = p;
    return p + 1;
}

static void key_add(struct weir_json_tap *t, const char *p, size_t n)
{
    /* A key that is too long for any name stays longer than every name. */
    if (n > WEIR_JSON_KEY - t->key_n)
        n = WEIR_JSON_KEY - t->key_n;
    memcpy(t->key + t->key_n, p, n);
    t->key_n += n;
}

static const char *in_string(struct weir_json_tap *t, const char *p, const char *end,
                             const char *from)
{
    const char *q = t->escaped ? p + 1 : weir_json_quote(p, end);
    bool closes = !t->escaped && q < end && *q == '"';

    if (!t->escaped && q < end && *q == '\\') {
        q++;
        t->escaped = true;
    } else {
        t->escaped = false;
    }
    if (t->state == IN_KEY)
        key_add(t, p, (size_t)(q - p));
    if (!closes)
        return q;
    if (t->state == IN_STRING)
        value_ends(t, from, q + 1);
    t->state = BETWEEN;
    return q + 1;
}

static bool ends_scalar(char c)
{
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

void weir_json_tap_feed(struct weir_json_tap *t, const char *p, size_t n)
{
    const char *end = p + n, *from = p; /* from: first byte of the active value in this piece */

    while (p < end && !t->done) {
        if (t->state == IN_KEY || t->state == IN_STRING) {
            p = in_string(t, p, end, from);
        } else if (t->state == IN_SCALAR) {
            while (p < end && !ends_scalar(*p))
                p++;
            if (p < end) {
                value_ends(t, from, p);
                t->state = BETWEEN;
            }
        } else {
            p = between(t, p, &from);
        }
    }
    if (t->active >= 0)
        take(t, from, (size_t)(p - from));
}

bool weir_json_tap_done(const struct weir_json_tap *t)
{
    return t->done;
}
