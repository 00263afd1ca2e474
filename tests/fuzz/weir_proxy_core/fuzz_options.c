/* fuzz_options.c - command lines of weir-proxy: refused with a reason, or within the bounds. A line
 * of the input is an argument. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/proxy/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_WORDS = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = weir_zalloc(size + 1), *save = NULL, prog[] = "weir-proxy", error[256] = "";
    char *argv[MAX_WORDS + 2] = {prog};
    struct weir_proxy_options o;
    int argc = 1;

    memcpy(text, data, size);
    for (char *w = strtok_r(text, "\n", &save); w && argc <= MAX_WORDS;
         w = strtok_r(NULL, "\n", &save))
        argv[argc++] = w;
    if (weir_proxy_options_parse(argc, argv, &o, error, sizeof error)) {
        WEIR_ASSERT(error[0]);
    } else {
        WEIR_ASSERT(o.state || o.help || o.version);
        WEIR_ASSERT(o.workers >= 1 && o.workers <= 64);
        WEIR_ASSERT(o.max_body_memory > o.max_body_bytes);
    }
    free(text);
    return 0;
}
