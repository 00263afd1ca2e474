/* fuzz_traceparent.c - what is accepted can be written, and read again to the same ids. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/telemetry/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = weir_alloc(size ? size : 1), text[56];
    struct weir_traceparent t, again;

    memcpy(copy, data, size);
    if (weir_traceparent_parse((struct weir_str){copy, size}, &t) == WEIR_OK) {
        weir_traceparent_format(&t, text);
        WEIR_ASSERT(weir_traceparent_parse(weir_str_of(text), &again) == WEIR_OK);
        WEIR_ASSERT(strcmp(t.trace_id, again.trace_id) == 0);
        WEIR_ASSERT(strcmp(t.span_id, again.span_id) == 0 && t.flags == again.flags);
    }
    free(copy);
    return 0;
}
