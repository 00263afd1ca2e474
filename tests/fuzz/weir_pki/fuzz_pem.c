/* fuzz_pem.c - certificates, keys and the names in certificates, as files and peers give them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pki/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_name(struct weir_str uri)
{
    char text[WEIR_PKI_URI_BYTES];
    struct weir_str ns, node;

    if (weir_pki_parse_uri(uri, &ns, &node))
        return;
    WEIR_ASSERT(weir_pki_uri(ns, node, text) == WEIR_OK);
    WEIR_ASSERT(weir_str_is(uri, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = weir_zalloc(size + 1);
    int64_t from, to;

    memcpy(text, data, size);
    (void)!weir_pki_validity(text, &from, &to);
    WEIR_ASSERT(weir_pki_check(text, text, text) != WEIR_OK || size > 0);
    as_name((struct weir_str){text, size});
    free(text);
    return 0;
}
