/* A stream as one JSON array: whatever the events, however they are cut, the elements are the same;
 * of events that are JSON it is JSON. */
#include <stdlib.h>

#include "data/json_scan.h"
#include "dataplane/llm/gemini_array.h"

static void collect(void *arg, const char *p, size_t n)
{
    weir_buf_add(arg, p, n);
}

static void run(struct weir_str text, size_t step, struct weir_buf *out)
{
    struct weir_gemini_array g;
    int rc = WEIR_OK;

    weir_gemini_array_init(&g);
    for (size_t at = 0; rc == WEIR_OK && at < text.n; at += step)
        rc = weir_gemini_array_feed(
            &g, (struct weir_str){text.p + at, text.n - at < step ? text.n - at : step}, collect,
            out);
    WEIR_ASSERT(rc == WEIR_OK);
    weir_gemini_array_end(&g, collect, out);
    weir_gemini_array_fini(&g);
}

/* Is the data of each event JSON? */
static bool all_json(struct weir_str text)
{
    struct weir_sse_event e;
    struct weir_sse s;
    bool json = true;

    weir_sse_init(&s, 1 << 20);
    weir_sse_feed(&s, text.p, text.n);
    while (weir_sse_next(&s, &e) == WEIR_OK)
        json = json && (!e.data.p || weir_json_check(e.data, NULL) == WEIR_OK);
    weir_sse_fini(&s);
    return json;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct weir_str text = {(const char *)p, n};
    struct weir_buf whole, bytes;

    if (n > 1 << 16)
        return 0;
    weir_buf_init(&whole, 1 << 20);
    weir_buf_init(&bytes, 1 << 20);
    run(text, n ? n : 1, &whole);
    run(text, 1, &bytes);
    WEIR_ASSERT(weir_str_eq(weir_buf_str(&whole), weir_buf_str(&bytes)));
    if (all_json(text))
        WEIR_ASSERT(weir_json_check(weir_buf_str(&whole), NULL) == WEIR_OK);
    weir_buf_fini(&whole);
    weir_buf_fini(&bytes);
    return 0;
}
