/* fuzz_address.c - an address is one of its forms, terminated, and holds no more than was given. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = weir_alloc(size ? size : 1);
    struct weir_address a;

    memcpy(copy, data, size);
    if (weir_address_parse((struct weir_str){copy, size}, &a) == WEIR_OK) {
        WEIR_ASSERT(a.port <= 65535);
        WEIR_ASSERT(strlen(a.host) <= size && strlen(a.unix_path) <= size);
        WEIR_ASSERT(!a.unix_path[0] || (!a.host[0] && !a.port));
    }
    free(copy);
    return 0;
}
