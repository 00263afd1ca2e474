/* compare.h - a vendor's costs and the ledger's, by day and model. One thread. */
#ifndef WEIR_RECONCILE_COMPARE_H
#define WEIR_RECONCILE_COMPARE_H

#include "controlplane/reconcile/bill.h"

struct weir_reconcile; /* opaque */

enum { WEIR_RECONCILE_MAX_ITEMS = 100000, WEIR_RECONCILE_MODEL = 128 };

/* What the ledger says of one model on one day. */
struct weir_reconcile_spent {
    int64_t nano_usd, calls;
    int64_t unpriced, estimated, unfinished; /* calls; unfinished: cut or aborted */
    int64_t tokens[WEIR_BILL_KINDS];
};

struct weir_reconcile_item {
    int64_t day_ms;
    char model[WEIR_RECONCILE_MODEL];    /* without its date; "": the whole day */
    char provider[WEIR_RECONCILE_MODEL]; /* the ledger's; "": it has none */
    int64_t vendor_nano;
    int64_t vendor_tokens[WEIR_BILL_KINDS];
    bool billed; /* the vendor names it */
    struct weir_reconcile_spent spent;
};

struct weir_reconcile *weir_reconcile_create(void);
void weir_reconcile_destroy(struct weir_reconcile *r); /* NULL is fine */

/* WEIR_ELIMIT: too many days and models. */
WEIR_NODISCARD int weir_reconcile_bill(struct weir_reconcile *r, const struct weir_bill_row *row);
WEIR_NODISCARD int weir_reconcile_spend(struct weir_reconcile *r, int64_t day_ms,
                                        struct weir_str provider, struct weir_str model,
                                        const struct weir_reconcile_spent *spent);

/* The vendor's first and last day. False: there is none. */
bool weir_reconcile_days(const struct weir_reconcile *r, int64_t *first_ms, int64_t *last_ms);

/* All items, by day and model; they live as long as r. Call it once, at the end. */
size_t weir_reconcile_items(struct weir_reconcile *r, struct weir_reconcile_item *const **out);

/* More than the tolerance (thousandths of the larger side) and a cent? */
bool weir_reconcile_differs(const struct weir_reconcile_item *i, int64_t tolerance);
/* The same of one kind of tokens: more than the tolerance and ten of them. */
bool weir_reconcile_tokens_differ(const struct weir_reconcile_item *i, enum weir_bill_kind kind,
                                  int64_t tolerance);
/* Why, most likely. last_ms: the export's last day; today_ms: the present one. */
const char *weir_reconcile_reason(const struct weir_reconcile_item *i, int64_t last_ms,
                                  int64_t today_ms, char *text, size_t size);
/* The same for tokens, of which the vendor says more, or less. */
const char *weir_reconcile_tokens_reason(const struct weir_reconcile_item *i, bool more,
                                         int64_t last_ms, int64_t today_ms, char *text,
                                         size_t size);

/* Lower case, without a date at the end: "gpt-4o-2024-08-06" is "gpt-4o". */
void weir_reconcile_model(struct weir_str name, char out[WEIR_RECONCILE_MODEL]);

#endif
