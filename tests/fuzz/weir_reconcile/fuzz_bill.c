/* Exports of any content, of a vendor that the first byte chooses: rows with a day and money, or a
 * refusal with a line and a reason. */
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"
#include "controlplane/reconcile/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_row(void *arg, const struct weir_bill_row *row)
{
    WEIR_ASSERT(row->day_ms >= 0 && row->day_ms % 86400000 == 0);
    return weir_reconcile_bill(arg, row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_reconcile *r;
    struct weir_reconcile_item *const *items;
    struct weir_bill_error e;
    int64_t left_out;
    size_t n;
    FILE *f;
    int rc;

    if (size < 2)
        return 0;
    f = fmemopen((void *)(uintptr_t)(data + 1), size - 1, "r");
    if (!f)
        return 0;
    r = weir_reconcile_create();
    rc = weir_bill_read(f, (enum weir_bill_vendor)(data[0] % 3), data[0] & 0x80, on_row, r,
                        &left_out, &e);
    WEIR_ASSERT(rc == WEIR_OK || rc == WEIR_ELIMIT || (e.line > 0 && e.text[0]));
    n = weir_reconcile_items(r, &items);
    for (size_t i = 0; i < n; i++)
        (void)weir_reconcile_differs(items[i], 5);
    weir_reconcile_destroy(r);
    (void)fclose(f);
    return 0;
}
