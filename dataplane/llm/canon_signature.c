/* canon_signature.c - what a model has signed, where a dialect has bytes for it, and so base64: a
 * foreign signature must look like that, too. */
#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/canon_out.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct weir_str encode(struct weir_arena *a, struct weir_str s)
{
    char *out = weir_arena_alloc(a, s.n / 3 * 4 + 4), *p = out;

    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16;

        if (left > 1)
            v |= (uint32_t)(unsigned char)s.p[i + 1] << 8;
        if (left > 2)
            v |= (unsigned char)s.p[i + 2];
        *p++ = digits[v >> 18];
        *p++ = digits[v >> 12 & 63];
        *p++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *p++ = left > 2 ? digits[v & 63] : '=';
    }
    return (struct weir_str){out, (size_t)(p - out)};
}

/* Both alphabets; '=' and whatever else ends it. */
struct weir_str weir_canon_decode_base64(struct weir_arena *a, struct weir_str s)
{
    char *out = weir_arena_alloc(a, s.n / 4 * 3 + 4), *p = out;
    uint32_t v = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i] == '-' ? '+' : s.p[i] == '_' ? '/' : s.p[i];
        const char *at = memchr(digits, c, 64);

        if (!at)
            break;
        v = v << 6 | (uint32_t)(at - digits);
        bits += 6;
        if (bits >= 8)
            *p++ = (char)(v >> (bits -= 8) & 0xff);
    }
    return (struct weir_str){out, (size_t)(p - out)};
}

void weir_canon_put_coded(struct weir_jw *w, struct weir_arena *a, const char *key,
                          struct weir_str signature, enum weir_dialect signer, enum weir_dialect to)
{
    const char *name = weir_dialect_name(signer);

    if (signer != to)
        signature = encode(
            a, weir_str_of(weir_arena_printf(a, "weir.%s.%.*s", name, WEIR_STR_ARG(signature))));
    weir_canon_put(w, key, signature);
}

/* What was wrapped stands inside of a JSON string again: nothing that would have to be escaped. */
static bool is_plain(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '"' ||
            s.p[i] == '\\')
            return false;
    return true;
}

void weir_canon_unwrap_coded(struct weir_arena *a, struct weir_str text, enum weir_dialect own,
                             struct weir_str *signature, enum weir_dialect *signer)
{
    static const struct weir_str mark = WEIR_STR_INIT("d2Vpci"); /* of "weir" */
    struct weir_str plain;

    *signature = text;
    *signer = own;
    if (!weir_str_starts(text, mark))
        return;
    plain = weir_canon_decode_base64(a, text);
    weir_canon_unwrap(plain, own, signature, signer);
    if (*signer == own || !is_plain(plain))
        *signature = text, *signer = own;
}
