/* sigv4.c - see sigv4.h. */
#include "http/sigv4.h"

#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/percent.h"

enum { CANONICAL_MAX = 1 << 20 };

void weir_sigv4_date(int64_t unix_s, char out[WEIR_SIGV4_DATE_BYTES])
{
    time_t when = (time_t)unix_s;
    struct tm tm = {0};

    gmtime_r(&when, &tm);
    if (!strftime(out, WEIR_SIGV4_DATE_BYTES, "%Y%m%dT%H%M%SZ", &tm))
        out[0] = 0; /* a year of five digits */
}

/* ---- the canonical request ---- */

/* Empty and "." parts go, ".." takes the part before it with it (RFC 3986, 5.2.4). */
static void add_path(struct weir_arena *a, struct weir_str path, struct weir_buf *out)
{
    struct weir_str part, rest = path;
    size_t start = out->n;

    while (rest.p) {
        part = weir_str_cut(rest, '/', &rest);
        if (part.n == 0 || weir_str_is(part, "."))
            continue;
        if (weir_str_is(part, "..")) {
            while (out->n > start && out->p[--out->n] != '/')
                continue;
            continue;
        }
        weir_buf_addz(out, "/");
        weir_buf_adds(out, weir_percent_encode(a, part));
    }
    if (out->n == start || weir_str_ends(path, WEIR_STR("/")))
        weir_buf_addz(out, "/");
}

struct parameter {
    struct weir_str name, value;
};

static int compare(struct weir_str x, struct weir_str y)
{
    int order = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);

    return order ? order : (x.n > y.n) - (x.n < y.n);
}

static int by_parameter(const void *x, const void *y)
{
    const struct parameter *p = x, *q = y;
    int order = compare(p->name, q->name);

    return order ? order : compare(p->value, q->value);
}

/* Encoded anew, so that all ways of writing one text are the same. */
static struct weir_str encode_again(struct weir_arena *a, struct weir_str s)
{
    struct weir_str plain = s;

    if (!s.n)
        return WEIR_STR("");
    if (weir_percent_decode(a, s, false, &plain))
        plain = s;
    return weir_percent_encode(a, plain);
}

static int add_query(struct weir_arena *a, struct weir_str query, struct weir_buf *out)
{
    struct parameter list[WEIR_SIGV4_QUERY];
    struct weir_str one, value;
    size_t n = 0;

    while (query.n) {
        one = weir_str_cut(query, '&', &query);
        if (!one.n)
            continue;
        if (n == WEIR_SIGV4_QUERY)
            return WEIR_ELIMIT;
        one = weir_str_cut(one, '=', &value);
        list[n++] = (struct parameter){encode_again(a, one), encode_again(a, value)};
    }
    qsort(list, n, sizeof *list, by_parameter);
    for (size_t i = 0; i < n; i++)
        weir_buf_addf(out, "%s%.*s=%.*s", i ? "&" : "", WEIR_STR_ARG(list[i].name),
                      WEIR_STR_ARG(list[i].value));
    return WEIR_OK;
}

static struct weir_str lower(struct weir_arena *a, struct weir_str s)
{
    char *p = weir_arena_strdup(a, s);

    for (size_t i = 0; i < s.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + 'a' - 'A');
    return (struct weir_str){p, s.n};
}

/* Runs of blanks are one, and none at the ends. */
static void add_value(struct weir_str value, struct weir_buf *out)
{
    bool blank = false;

    value = weir_str_trim(value);
    for (size_t i = 0; i < value.n; i++) {
        bool is_blank = value.p[i] == ' ' || value.p[i] == '\t';

        if (!is_blank || !blank)
            weir_buf_add(out, is_blank ? " " : value.p + i, 1);
        blank = is_blank;
    }
}

/* The header that comes next behind `after` in the order of names; SIZE_MAX: none. */
static size_t next_header(const struct weir_str *names, size_t n, struct weir_str after)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < n; i++)
        if (compare(names[i], after) > 0 &&
            (best == SIZE_MAX || compare(names[i], names[best]) < 0))
            best = i;
    return best;
}

static void add_headers(struct weir_arena *a, const struct weir_sigv4_request *r,
                        struct weir_buf *out, struct weir_buf *signed_names)
{
    struct weir_str names[WEIR_SIGV4_HEADERS], now = WEIR_STR("");

    for (size_t i = 0; i < r->header_count; i++)
        names[i] = lower(a, r->headers[i].name);
    for (size_t at; (at = next_header(names, r->header_count, now)) != SIZE_MAX;) {
        bool first = true;

        now = names[at];
        weir_buf_addf(signed_names, "%s%.*s", signed_names->n ? ";" : "", WEIR_STR_ARG(now));
        weir_buf_adds(out, now);
        weir_buf_addz(out, ":");
        for (size_t i = 0; i < r->header_count; i++) {
            if (!weir_str_eq(names[i], now))
                continue;
            weir_buf_addz(out, first ? "" : ",");
            add_value(r->headers[i].value, out);
            first = false;
        }
        weir_buf_addz(out, "\n");
    }
}

static void hash_body(const struct weir_sigv4_request *r, char *hex)
{
    unsigned char digest[WEIR_SHA256_BYTES];
    struct weir_sha256 s;

    weir_sha256_init(&s);
    for (size_t i = 0; i < r->body_count; i++)
        weir_sha256_add(&s, r->body[i].p, r->body[i].n);
    weir_sha256_end(&s, digest);
    weir_hex(digest, sizeof digest, hex);
}

static int add_request(struct weir_arena *a, const struct weir_sigv4_request *r,
                       struct weir_buf *out, struct weir_buf *signed_names)
{
    struct weir_str query, path = weir_str_cut(r->target, '?', &query);
    char hex[2 * WEIR_SHA256_BYTES + 1];
    int rc;

    weir_buf_adds(out, r->method);
    weir_buf_addz(out, "\n");
    add_path(a, path, out);
    weir_buf_addz(out, "\n");
    rc = add_query(a, query, out);
    weir_buf_addz(out, "\n");
    add_headers(a, r, out, signed_names);
    hash_body(r, hex);
    weir_buf_addf(out, "\n%.*s\n%s", WEIR_STR_ARG(weir_buf_str(signed_names)), hex);
    return rc ? rc : out->full || signed_names->full ? WEIR_ELIMIT : WEIR_OK;
}

/* ---- the signature ---- */

static void derive_key(const struct weir_sigv4_keys *k, struct weir_str day, struct weir_arena *a,
                       unsigned char out[WEIR_SHA256_BYTES])
{
    const struct weir_str steps[] = {day, k->region, k->service, WEIR_STR("aws4_request")};
    size_t n = k->secret.n + 4;
    char *first = weir_arena_alloc(a, n);
    struct weir_str key = {first, n};

    memcpy(first, "AWS4", 4);
    memcpy(first + 4, k->secret.p, k->secret.n);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        weir_hmac_sha256(key, steps[i], out);
        key = (struct weir_str){(char *)out, WEIR_SHA256_BYTES};
    }
    weir_wipe(first, n);
}

static struct weir_str make_signature(const struct weir_sigv4_keys *k, struct weir_str canonical,
                                      const char *date, struct weir_str scope, struct weir_arena *a)
{
    unsigned char key[WEIR_SHA256_BYTES], digest[WEIR_SHA256_BYTES];
    char hex[2 * WEIR_SHA256_BYTES + 1];
    const char *text;

    weir_sha256(canonical, digest);
    weir_hex(digest, sizeof digest, hex);
    text = weir_arena_printf(a, "AWS4-HMAC-SHA256\n%s\n%.*s\n%s", date, WEIR_STR_ARG(scope), hex);
    derive_key(k, (struct weir_str){date, 8}, a, key);
    weir_hmac_sha256((struct weir_str){(char *)key, sizeof key}, weir_str_of(text), digest);
    weir_wipe(key, sizeof key);
    weir_hex(digest, sizeof digest, hex);
    return weir_arena_copy(a, weir_str_of(hex));
}

int weir_sigv4_sign(const struct weir_sigv4_keys *keys, const struct weir_sigv4_request *request,
                    const char *date, struct weir_arena *a, struct weir_str *out)
{
    struct weir_buf canonical, names;
    struct weir_str scope, signature;
    int rc;

    if (request->header_count > WEIR_SIGV4_HEADERS || strlen(date) < 8)
        return WEIR_ELIMIT;
    weir_buf_init(&canonical, CANONICAL_MAX);
    weir_buf_init(&names, 4096);
    rc = add_request(a, request, &canonical, &names);
    if (rc == WEIR_OK) {
        scope =
            weir_str_of(weir_arena_printf(a, "%.8s/%.*s/%.*s/aws4_request", date,
                                          WEIR_STR_ARG(keys->region), WEIR_STR_ARG(keys->service)));
        signature = make_signature(keys, weir_buf_str(&canonical), date, scope, a);
        *out = weir_str_of(weir_arena_printf(
            a, "AWS4-HMAC-SHA256 Credential=%.*s/%.*s, SignedHeaders=%.*s, Signature=%.*s",
            WEIR_STR_ARG(keys->id), WEIR_STR_ARG(scope), WEIR_STR_ARG(weir_buf_str(&names)),
            WEIR_STR_ARG(signature)));
    }
    weir_buf_fini(&canonical);
    weir_buf_fini(&names);
    return rc;
}
