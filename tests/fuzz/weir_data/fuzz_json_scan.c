/* The reader against yyjson: the same documents are valid. The tap: any split picks the same
 * values. */
#include <stdlib.h>

#include <yyjson.h>

#include "data/json_scan.h"

static bool has_surrogate(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i + 3 < n; i++)
        if (p[i] == '\\' && p[i + 1] == 'u' && (p[i + 2] | 0x20) == 'd' && p[i + 3] >= '8')
            return true;
    return false;
}

static void compare(const uint8_t *p, size_t n)
{
    struct weir_str s = {(const char *)p, n};
    struct weir_json j;
    yyjson_doc *doc;
    bool ours;

    weir_json_init(&j, s);
    weir_json_skip(&j, NULL);
    ours = weir_json_end(&j) == WEIR_OK;
    WEIR_ASSERT(j.fault_at <= n);
    doc = yyjson_read((const char *)p, n, YYJSON_READ_NUMBER_AS_RAW);
    /* Ours bounds the depth, and lets lone surrogate escapes be, which the grammar allows. */
    if (ours != (doc != NULL))
        WEIR_ASSERT((ours && has_surrogate(p, n)) ||
                    (!ours && strcmp(j.fault, "nested too deeply") == 0));
    yyjson_doc_free(doc);
}

static void walk(struct weir_json *j)
{
    struct weir_str key, raw;
    char out[64];

    if (weir_json_enter(j, WEIR_JSON_OBJECT)) {
        while (weir_json_member(j, &key)) {
            (void)weir_json_is(key, "model");
            walk(j);
        }
    } else if (weir_json_enter(j, WEIR_JSON_ARRAY)) {
        while (weir_json_element(j))
            walk(j);
    } else if (weir_json_string(j, &raw)) {
        if (raw.n <= sizeof(out))
            WEIR_ASSERT(weir_json_unescape(raw, out) == weir_json_text_bytes(raw));
    } else {
        weir_json_skip(j, NULL);
    }
}

struct run {
    char usage[32], reason[16];
    struct weir_json_pick picks[3];
    struct weir_json_tap tap;
};

static void start(struct run *r)
{
    struct weir_json_pick picks[] = {
        {.path = {"usage"}, .into = r->usage, .cap = sizeof(r->usage)},
        {.path = {"choices", "*", "finish_reason"}, .into = r->reason, .cap = sizeof(r->reason)},
        {.path = {"choices", "*", "message"}},
    };

    memcpy(r->picks, picks, sizeof(picks));
    weir_json_tap_init(&r->tap, r->picks, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct weir_json j;
    struct run whole, split;
    bool good;

    compare(p, n);
    weir_json_init(&j, (struct weir_str){(const char *)p, n});
    walk(&j);
    good = weir_json_end(&j) == WEIR_OK;
    WEIR_ASSERT(good == (weir_json_check((struct weir_str){(const char *)p, n}, NULL) == WEIR_OK));
    start(&whole);
    start(&split);
    weir_json_tap_feed(&whole.tap, (const char *)p, n);
    for (size_t i = 0; i < n; i++)
        weir_json_tap_feed(&split.tap, (const char *)p + i, 1);
    for (size_t i = 0; i < 3; i++) {
        WEIR_ASSERT(whole.picks[i].n == split.picks[i].n);
        WEIR_ASSERT(whole.picks[i].total == split.picks[i].total);
        WEIR_ASSERT(whole.picks[i].whole == split.picks[i].whole);
    }
    return 0;
}
