/* Exports of any content: refused with a reason, or entries in an unbroken row. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "controlplane/audit/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly this size, so that a read past it is seen. */
    char *copy = weir_alloc(size ? size : 1);
    struct weir_str line, rest = {copy, size};
    struct weir_audit_walk w = {.lines = 0};
    int rc = WEIR_OK;

    memcpy(copy, data, size);
    while (rc == WEIR_OK && rest.n) {
        line = weir_str_cut(rest, '\n', &rest);
        rc = weir_audit_walk(&w, line);
        WEIR_ASSERT(rc == WEIR_OK ? w.last >= w.first && w.first > 0 : w.why[0] != 0);
    }
    free(copy);
    return 0;
}
