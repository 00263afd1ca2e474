/* Slots of a journal with any content: never a crash, never a lease with impossible numbers. The
 * first byte chooses the slots whose checksums are made right, so that their content is reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "dataplane/budget/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STATE_BYTES = 48, STATE_CRC_AT = 40 };

static void on_found(void *arg, const char *lease, const struct weir_lease_held *l, int slot)
{
    struct weir_lease_held crashed = *l;

    (void)arg;
    WEIR_ASSERT(slot >= 0 && slot < WEIR_JOURNAL_SLOTS_MAX);
    WEIR_ASSERT(strlen(lease) > 0 && strlen(lease) < WEIR_JOURNAL_LEASE_MAX);
    WEIR_ASSERT(l->returned >= 0 && l->returned <= l->granted && l->settled >= 0 && l->held >= 0);
    weir_lease_finalise_crashed(&crashed);
    WEIR_ASSERT(crashed.settled >= l->settled);
}

static void mend(uint8_t *slot)
{
    uint32_t crc;

    slot[WEIR_JOURNAL_LEASE_MAX - 1] = 0;
    crc = weir_crc32c(slot, WEIR_JOURNAL_LEASE_MAX) ^ 0x5eed1ea5u;
    memcpy(slot + WEIR_JOURNAL_LEASE_MAX, &crc, sizeof crc);
    for (int i = 0; i < 2; i++) {
        uint8_t *state = slot + WEIR_JOURNAL_LEASE_MAX + 8 + i * STATE_BYTES;

        crc = weir_crc32c(state, STATE_CRC_AT) ^ 0x5eed1ea5u;
        memcpy(state + STATE_CRC_AT, &crc, sizeof crc);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t slot = weir_journal_slot_bytes();
    uint8_t *copy;

    if (size < 1)
        return 0;
    copy = malloc(size);
    if (!copy)
        return 0;
    memcpy(copy, data + 1, size - 1);
    for (size_t i = 0; (i + 1) * slot <= size - 1; i++)
        if (data[0] >> (i % 8) & 1)
            mend(copy + i * slot);
    (void)weir_journal_scan(copy, size - 1, on_found, NULL);
    free(copy);
    return 0;
}
