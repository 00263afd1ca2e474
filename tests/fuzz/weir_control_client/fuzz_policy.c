/* Transactions and last known good files of any content: staged, applied, written, read back. */
#include <stdint.h>
#include <stddef.h>

#include "base/hash.h"
#include "base/mem.h"
#include "dataplane/control/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_order(const struct weir__policy *p)
{
    const struct weir_policy_bytes *b = weir__policy_bytes(p);

    for (size_t i = 1; i < b->count; i++) {
        int order = strcmp(b->resources[i - 1].type, b->resources[i].type);

        if (order == 0)
            order = strcmp(b->resources[i - 1].name, b->resources[i].name);
        WEIR_ASSERT(order < 0); /* sorted, and each name once */
    }
}

static void round_trip(const struct weir__policy *p)
{
    struct weir_buf file;
    struct weir__policy *back = NULL;

    weir_buf_init(&file, 1 << 24);
    weir__lkg_encode(p, &file);
    WEIR_ASSERT(weir__lkg_decode(weir_buf_str(&file), &back) == WEIR_OK);
    WEIR_ASSERT(weir__policy_bytes(back)->count <= weir__policy_bytes(p)->count);
    weir__policy_free(back);
    weir_buf_fini(&file);
}

static void as_transactions(const uint8_t *data, size_t size)
{
    struct weir__policy *p = weir__policy_empty(), *next;
    size_t half = size / 2;

    for (int i = 0; i < 2; i++) {
        Weir__V1__ConfigTxn *txn =
            weir__v1__config_txn__unpack(NULL, i ? size - half : half, i ? data + half : data);
        struct weir__staging *s = weir__staging_create();

        if (txn && weir__staging_add(s, txn) == WEIR_OK &&
            weir__policy_after(p, s, &next) == WEIR_OK) {
            weir__policy_free(p);
            p = next;
            check_order(p);
        }
        weir__staging_free(s);
        if (txn)
            weir__v1__config_txn__free_unpacked(txn, NULL);
    }
    round_trip(p);
    weir__policy_free(p);
}

/* The checksum made right, so that what is behind it is reached. */
static void as_file(const uint8_t *data, size_t size)
{
    static const char magic[] = "weir last known good 1\n";
    struct weir__policy *p = NULL;
    struct weir_buf file;
    unsigned char digest[WEIR_SHA256_BYTES];

    WEIR_ASSERT(weir__lkg_decode((struct weir_str){(const char *)data, size}, &p) != WEIR_OK || p);
    weir__policy_free(p);
    p = NULL;
    weir_sha256((struct weir_str){(const char *)data, size}, digest);
    weir_buf_init(&file, 1 << 24);
    weir_buf_addz(&file, magic);
    weir_buf_add(&file, digest, sizeof digest);
    weir_buf_add(&file, data, size);
    if (weir__lkg_decode(weir_buf_str(&file), &p) == WEIR_OK)
        check_order(p);
    weir__policy_free(p);
    weir_buf_fini(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_file(data, size);
    as_transactions(data, size);
    return 0;
}
