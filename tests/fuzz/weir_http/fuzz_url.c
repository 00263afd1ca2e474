/* fuzz_url.c - what is accepted consists of parts of the text and can be written and read again. */
#include <stdint.h>
#include <string.h>

#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_str text = {(const char *)data, size};
    struct weir_url u, again;
    const char *why = NULL;
    struct weir_buf b;

    if (weir_url_parse(text, &u, &why)) {
        WEIR_ASSERT(why && *why);
        return 0;
    }
    WEIR_ASSERT(u.port && u.host.n && u.host.n <= WEIR_URL_MAX_HOST);
    WEIR_ASSERT(u.path.n == 0 || u.path.p[0] == '/');
    weir_buf_init(&b, 65536);
    weir_buf_addz(&b, u.tls ? "https://" : "http://");
    WEIR_ASSERT(weir_url_authority(&u, &b) == WEIR_OK);
    WEIR_ASSERT(weir_url_join(&u, WEIR_STR(""), &b) == WEIR_OK);
    WEIR_ASSERT(weir_url_parse(weir_buf_str(&b), &again, NULL) == WEIR_OK);
    WEIR_ASSERT(again.tls == u.tls && again.port == u.port && again.ipv6 == u.ipv6);
    WEIR_ASSERT(weir_str_eq(again.host, u.host) && weir_str_eq(again.query, u.query));
    weir_buf_fini(&b);
    return 0;
}
