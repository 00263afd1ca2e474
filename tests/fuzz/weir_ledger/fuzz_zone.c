/* Zone files of any content: refused, or windows that hold the moment they were asked for. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "controlplane/ledger/calendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct weir_zone *z, int64_t now_ms)
{
    static const enum weir_window_kind kinds[] = {
        WEIR_WINDOW_MINUTE, WEIR_WINDOW_HOUR, WEIR_WINDOW_DAY, WEIR_WINDOW_WEEK, WEIR_WINDOW_MONTH};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int64_t start, end;

        weir_window_bounds(z, kinds[i], now_ms, &start, &end);
        WEIR_ASSERT(start <= now_ms && now_ms < end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly this size, so that a read past it is seen. */
    char *copy = weir_alloc(size ? size : 1);
    struct weir_zone *z;

    memcpy(copy, data, size);
    if (weir_zone_parse((struct weir_str){copy, size}, &z) == WEIR_OK) {
        /* 2025-06-15; 2025-03-30 and 2025-10-26, where Europe's clocks change; 2040, 1970. */
        look(z, 1750000059000);
        look(z, 1743298200000);
        look(z, 1761442200000);
        look(z, 2224569600000);
        look(z, 0);
        weir_zone_free(z);
    }
    free(copy);
    return 0;
}
