/* Any headers of a provider's answer: what they ask for is bounded. Lines of "name: value". */
#include "dataplane/proxy/pushback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t year = 366LL * 24 * 3600 * 1000;
    struct weir_http_header h[16];
    struct weir_str rest = {(const char *)data, size};
    struct weir_pushback said;
    size_t n = 0;

    while (rest.n && n < sizeof h / sizeof *h) {
        struct weir_str line = weir_str_cut(rest, '\n', &rest), value;
        struct weir_str name = weir_str_cut(line, ':', &value);

        if (name.n) /* as the HTTP client ensures */
            h[n++] = (struct weir_http_header){name, value};
    }
    said = weir_pushback_read(h, n, 1795435200000LL);
    WEIR_ASSERT(said.retry_ms >= -1 && said.retry_ms <= year);
    WEIR_ASSERT(said.spent_ms >= -1 && said.spent_ms <= year);
    return 0;
}
