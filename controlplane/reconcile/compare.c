/* compare.c - see compare.h. */
#include "controlplane/reconcile/compare.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"

enum { DAY_MS = 86400000, CENT = 10000000, FEW_TOKENS = 10, LATE_DAYS = 3 };

struct key {
    int64_t day_ms;
    char model[WEIR_RECONCILE_MODEL]; /* the rest is zero */
};

struct entry {
    struct key key;
    struct weir_reconcile_item item;
    UT_hash_handle hh;
};

struct weir_reconcile {
    struct entry *entries;
    int64_t first_ms, last_ms;
    bool any;
    struct weir_reconcile_item **list;
};

struct weir_reconcile *weir_reconcile_create(void)
{
    return WEIR_NEW(struct weir_reconcile);
}

void weir_reconcile_destroy(struct weir_reconcile *r)
{
    struct entry *e, *next;

    if (!r)
        return;
    HASH_ITER (hh, r->entries, e, next) {
        HASH_DEL(r->entries, e);
        free(e);
    }
    free(r->list);
    free(r);
}

/* ---- names ---- */

static bool are_digits(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    return true;
}

/* "-2024-08-06", "-20241022", "@20241022" at the end. */
static size_t without_date(const char *p, size_t n)
{
    if (n > 11 && p[n - 11] == '-' && are_digits(p + n - 10, 4) && p[n - 6] == '-' &&
        are_digits(p + n - 5, 2) && p[n - 3] == '-' && are_digits(p + n - 2, 2))
        return n - 11;
    if (n > 9 && (p[n - 9] == '-' || p[n - 9] == '@') && are_digits(p + n - 8, 8) &&
        (p[n - 8] == '2' || p[n - 8] == '1'))
        return n - 9;
    return n;
}

void weir_reconcile_model(struct weir_str name, char out[WEIR_RECONCILE_MODEL])
{
    size_t n = name.n < WEIR_RECONCILE_MODEL ? name.n : WEIR_RECONCILE_MODEL - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32) : name.p[i];
    out[without_date(out, n)] = 0;
}

/* ---- both sides ---- */

static void add_to(int64_t *sum, int64_t v)
{
    if (__builtin_add_overflow(*sum, v, sum))
        *sum = v > 0 ? INT64_MAX : INT64_MIN;
}

static struct entry *entry_of(struct weir_reconcile *r, int64_t day_ms, struct weir_str model)
{
    struct key key;
    struct entry *e = NULL;

    memset(&key, 0, sizeof key);
    key.day_ms = day_ms;
    if (model.n)
        weir_reconcile_model(model, key.model);
    /* What follows the name must be the same, too. */
    memset(key.model + strlen(key.model), 0, sizeof key.model - strlen(key.model));
    HASH_FIND(hh, r->entries, &key, sizeof key, e);
    if (e || HASH_COUNT(r->entries) >= WEIR_RECONCILE_MAX_ITEMS)
        return e;
    e = WEIR_NEW(struct entry);
    e->key = key;
    e->item.day_ms = day_ms;
    memcpy(e->item.model, key.model, sizeof key.model);
    HASH_ADD(hh, r->entries, key, sizeof e->key, e);
    return e;
}

int weir_reconcile_bill(struct weir_reconcile *r, const struct weir_bill_row *row)
{
    struct entry *e = entry_of(r, row->day_ms, row->model);

    if (!e)
        return WEIR_ELIMIT;
    add_to(&e->item.vendor_nano, row->nano_usd);
    for (size_t k = 0; k < WEIR_BILL_KINDS; k++)
        add_to(&e->item.vendor_tokens[k], row->tokens[k]);
    e->item.billed = true;
    if (!r->any || row->day_ms < r->first_ms)
        r->first_ms = row->day_ms;
    if (!r->any || row->day_ms > r->last_ms)
        r->last_ms = row->day_ms;
    r->any = true;
    return WEIR_OK;
}

static void add_spent(struct weir_reconcile_spent *to, const struct weir_reconcile_spent *s)
{
    add_to(&to->nano_usd, s->nano_usd);
    add_to(&to->calls, s->calls);
    add_to(&to->unpriced, s->unpriced);
    add_to(&to->estimated, s->estimated);
    add_to(&to->unfinished, s->unfinished);
    for (size_t k = 0; k < WEIR_BILL_KINDS; k++)
        add_to(&to->tokens[k], s->tokens[k]);
}

int weir_reconcile_spend(struct weir_reconcile *r, int64_t day_ms, struct weir_str provider,
                         struct weir_str model, const struct weir_reconcile_spent *spent)
{
    struct entry *e = entry_of(r, day_ms, model);
    size_t n = provider.n < WEIR_RECONCILE_MODEL ? provider.n : WEIR_RECONCILE_MODEL - 1;

    if (!e)
        return WEIR_ELIMIT;
    if (!e->item.provider[0] && n) {
        memcpy(e->item.provider, provider.p, n);
        e->item.provider[n] = 0;
    }
    add_spent(&e->item.spent, spent);
    return WEIR_OK;
}

bool weir_reconcile_days(const struct weir_reconcile *r, int64_t *first_ms, int64_t *last_ms)
{
    *first_ms = r->first_ms;
    *last_ms = r->last_ms;
    return r->any;
}

/* ---- the result ---- */

static int by_day_and_model(const void *a, const void *b)
{
    const struct weir_reconcile_item *x = *(struct weir_reconcile_item *const *)a;
    const struct weir_reconcile_item *y = *(struct weir_reconcile_item *const *)b;

    if (x->day_ms != y->day_ms)
        return x->day_ms < y->day_ms ? -1 : 1;
    return strcmp(x->model, y->model);
}

static void fold(struct weir_reconcile_item *whole, const struct weir_reconcile_item *part)
{
    add_to(&whole->vendor_nano, part->vendor_nano);
    for (size_t k = 0; k < WEIR_BILL_KINDS; k++)
        add_to(&whole->vendor_tokens[k], part->vendor_tokens[k]);
    add_spent(&whole->spent, &part->spent);
    if (!whole->provider[0])
        memcpy(whole->provider, part->provider, sizeof whole->provider);
}

/* The vendor's unnamed part of a day comes first: then the day's other items go into it. */
size_t weir_reconcile_items(struct weir_reconcile *r, struct weir_reconcile_item *const **out)
{
    struct weir_reconcile_item *whole = NULL;
    struct entry *e;
    size_t n = 0, kept = 0;

    r->list = weir_zalloc((HASH_COUNT(r->entries) + 1) * sizeof(struct weir_reconcile_item *));
    for (e = r->entries; e; e = e->hh.next)
        r->list[n++] = &e->item;
    qsort(r->list, n, sizeof(struct weir_reconcile_item *), by_day_and_model);
    for (size_t i = 0; i < n; i++) {
        struct weir_reconcile_item *item = r->list[i];

        if (whole && whole->day_ms == item->day_ms) {
            fold(whole, item);
            continue;
        }
        whole = item->billed && !item->model[0] ? item : NULL;
        r->list[kept++] = item;
    }
    *out = r->list;
    return kept;
}

static bool differ(int64_t a, int64_t b, int64_t few, int64_t tolerance)
{
    int64_t most, difference;

    if (__builtin_sub_overflow(a, b, &difference) || difference == INT64_MIN)
        return true;
    difference = difference < 0 ? -difference : difference;
    a = a < 0 ? -(a + 1) : a;
    b = b < 0 ? -(b + 1) : b;
    most = a > b ? a : b;
    return difference > few && difference > most / 1000 * tolerance;
}

bool weir_reconcile_differs(const struct weir_reconcile_item *i, int64_t tolerance)
{
    return differ(i->vendor_nano, i->spent.nano_usd, CENT, tolerance);
}

bool weir_reconcile_tokens_differ(const struct weir_reconcile_item *i, enum weir_bill_kind kind,
                                  int64_t tolerance)
{
    return differ(i->vendor_tokens[kind], i->spent.tokens[kind], FEW_TOKENS, tolerance);
}

static const char *say(char *text, size_t size, int64_t calls, const char *what)
{
    (void)snprintf(text, size, "%lld %s %s", (long long)calls,
                   calls == 1 ? "call was" : "calls were", what);
    return text;
}

/* What applies to money and tokens; NULL: something else. */
static const char *more_of_both(const struct weir_reconcile_item *i, char *text, size_t size)
{
    if (i->spent.calls == 0)
        return "calls that did not go through Weir, or another name for the model or provider";
    if (i->spent.unfinished)
        return say(text, size, i->spent.unfinished, "cut or aborted: what was under way is billed");
    if (i->spent.estimated)
        return say(text, size, i->spent.estimated, "estimated: the provider told no usage");
    return NULL;
}

static const char *billed_more(const struct weir_reconcile_item *i, char *text, size_t size)
{
    const char *both;

    if (i->spent.calls && i->spent.unpriced)
        return say(text, size, i->spent.unpriced, "without a price here");
    both = more_of_both(i, text, size);
    return both ? both
                : "higher rates than in the price list, or calls that did not go through Weir";
}

/* NULL: something else. */
static const char *less_of_both(const struct weir_reconcile_item *i, int64_t last_ms,
                                int64_t today_ms, char *text, size_t size)
{
    if (i->day_ms >= today_ms - (int64_t)LATE_DAYS * DAY_MS || i->day_ms >= last_ms)
        return "not all billed yet: vendors' numbers come late";
    if (!i->billed)
        return "free, billed to another account, or another name for the model";
    if (i->spent.estimated)
        return say(text, size, i->spent.estimated, "estimated: the provider told no usage");
    return NULL;
}

const char *weir_reconcile_reason(const struct weir_reconcile_item *i, int64_t last_ms,
                                  int64_t today_ms, char *text, size_t size)
{
    const char *both;

    if (i->day_ms >= today_ms)
        return "the day is not over";
    if (i->vendor_nano > i->spent.nano_usd)
        return billed_more(i, text, size);
    both = less_of_both(i, last_ms, today_ms, text, size);
    return both ? both
                : "a discount, a cheaper service tier, or lower rates than in the price list";
}

const char *weir_reconcile_tokens_reason(const struct weir_reconcile_item *i, bool more,
                                         int64_t last_ms, int64_t today_ms, char *text, size_t size)
{
    const char *both;

    if (i->day_ms >= today_ms)
        return "the day is not over";
    both = more ? more_of_both(i, text, size) : less_of_both(i, last_ms, today_ms, text, size);
    if (both)
        return both;
    return more ? "calls that did not go through Weir" : "calls billed to another account";
}
