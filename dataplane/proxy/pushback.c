/* pushback.c - see pushback.h. */
#include "dataplane/proxy/pushback.h"

#include <time.h>

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
};

#define LONGEST_MS (366LL * 24 * HOUR_MS)

/* Numbers from here on are dates (2001-09-09), in seconds or in milliseconds. */
#define FIRST_DATE_S 1000000000LL
#define FIRST_DATE_MS (FIRST_DATE_S * SECOND_MS)

static int64_t bounded(int64_t ms)
{
    return ms < 0 ? 0 : ms > LONGEST_MS ? LONGEST_MS : ms;
}

/* Exactly n digits at p. */
static bool digits(const char *p, size_t n, int *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        *out = *out * 10 + (p[i] - '0');
    }
    return true;
}

static bool to_ms(struct tm *t, int64_t *out)
{
    if (t->tm_mon < 0 || t->tm_mon > 11 || t->tm_mday < 1 || t->tm_mday > 31 || t->tm_hour > 23 ||
        t->tm_min > 59 || t->tm_sec > 60)
        return false;
    *out = (int64_t)timegm(t) * SECOND_MS;
    return true;
}

static int month_of(const char *p)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++)
        if (memcmp(names + (ptrdiff_t)3 * i, p, 3) == 0)
            return i;
    return -1;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT": the one form that RFC 9110, 5.6.7 lets senders use. */
static bool read_http_date(struct weir_str s, int64_t *out)
{
    struct tm t = {0};
    const char *p = s.p;

    if (s.n != 29 || p[3] != ',' || p[19] != ':' || p[22] != ':' ||
        !weir_str_ends(s, WEIR_STR(" GMT")) || !digits(p + 5, 2, &t.tm_mday) ||
        !digits(p + 12, 4, &t.tm_year) || !digits(p + 17, 2, &t.tm_hour) ||
        !digits(p + 20, 2, &t.tm_min) || !digits(p + 23, 2, &t.tm_sec))
        return false;
    t.tm_mon = month_of(p + 8);
    t.tm_year -= 1900;
    return to_ms(&t, out);
}

/* "+02:00" as minutes; "Z" as none. */
static bool read_offset(struct weir_str s, int *minutes)
{
    int h, m;

    *minutes = 0;
    if (s.n == 1 && (s.p[0] == 'Z' || s.p[0] == 'z'))
        return true;
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' || !digits(s.p + 1, 2, &h) ||
        !digits(s.p + 4, 2, &m))
        return false;
    *minutes = (s.p[0] == '-' ? -1 : 1) * (h * 60 + m);
    return true;
}

/* "2026-11-23T12:00:00Z" (RFC 3339, 5.6); a fraction of a second is passed over. */
static bool read_timestamp(struct weir_str s, int64_t *out)
{
    struct tm t = {0};
    const char *p = s.p;
    size_t at = 19;
    int offset;

    if (s.n < 20 || p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != 't') || p[13] != ':' ||
        p[16] != ':' || !digits(p, 4, &t.tm_year) || !digits(p + 5, 2, &t.tm_mon) ||
        !digits(p + 8, 2, &t.tm_mday) || !digits(p + 11, 2, &t.tm_hour) ||
        !digits(p + 14, 2, &t.tm_min) || !digits(p + 17, 2, &t.tm_sec))
        return false;
    if (p[at] == '.')
        for (at++; at < s.n && p[at] >= '0' && p[at] <= '9';)
            at++;
    if (!read_offset((struct weir_str){p + at, s.n - at}, &offset))
        return false;
    t.tm_mon--;
    t.tm_year -= 1900;
    if (!to_ms(&t, out))
        return false;
    *out -= (int64_t)offset * MINUTE_MS;
    return true;
}

static int64_t unit_ms(struct weir_str unit)
{
    return weir_str_is(unit, "h")   ? HOUR_MS
           : weir_str_is(unit, "m") ? MINUTE_MS
           : weir_str_is(unit, "s") ? SECOND_MS
                                    : 1; /* ms, and what is smaller */
}

static bool is_unit(char c)
{
    return c == 'h' || c == 'm' || c == 's' || c == 'u' || c == 'n';
}

/* "6m0s", "1h2m3.5s", "20ms", as Go writes durations. */
static bool read_duration(struct weir_str s, int64_t *out)
{
    __int128 sum = 0;
    int64_t micros;

    while (s.n) {
        size_t number = 0, end;

        while (number < s.n && ((s.p[number] >= '0' && s.p[number] <= '9') || s.p[number] == '.'))
            number++;
        end = number;
        while (end < s.n && is_unit(s.p[end]))
            end++;
        if (end == number || weir_str_decimal((struct weir_str){s.p, number}, 6, &micros))
            return false;
        sum += (__int128)micros * unit_ms((struct weir_str){s.p + number, end - number}) / 1000000;
        if (sum > LONGEST_MS)
            sum = LONGEST_MS;
        s = (struct weir_str){s.p + end, s.n - end};
    }
    *out = (int64_t)sum;
    return true;
}

/* A plain number: seconds from now, or a date in seconds or milliseconds since 1970. */
static bool read_number(struct weir_str s, int64_t wall_ms, int64_t *out)
{
    int64_t micros, ms;
    size_t dot = 0;

    while (dot < s.n && s.p[dot] != '.')
        dot++;
    if (s.n - dot > 7)
        s.n = dot + 7; /* more decimals than anybody needs */
    if (weir_str_decimal(s, 6, &micros) || micros < 0)
        return false;
    ms = micros / 1000;
    if (ms >= FIRST_DATE_MS * SECOND_MS)
        ms = ms / SECOND_MS - wall_ms;
    else if (ms >= FIRST_DATE_MS)
        ms -= wall_ms;
    *out = ms;
    return true;
}

/* How long until then, however it is written. */
static bool read_when(struct weir_str s, int64_t wall_ms, int64_t *out)
{
    int64_t ms;

    s = weir_str_trim(s);
    if (s.n == 0 || s.n > 64)
        return false;
    if (read_number(s, wall_ms, &ms) || read_duration(s, &ms)) {
        *out = bounded(ms);
        return true;
    }
    if (read_http_date(s, &ms) || read_timestamp(s, &ms)) {
        *out = bounded(ms - wall_ms);
        return true;
    }
    return false;
}

static bool after_prefix(struct weir_str name, struct weir_str prefix, struct weir_str *rest)
{
    if (name.n < prefix.n || !weir_str_ieq((struct weir_str){name.p, prefix.n}, prefix))
        return false;
    *rest = (struct weir_str){name.p + prefix.n, name.n - prefix.n};
    return true;
}

/* Of "x-ratelimit-remaining-tokens" the word is "remaining" and the allowance "tokens"; of
 * "anthropic-ratelimit-tokens-remaining" they stand the other way round. */
static bool is_about(struct weir_str name, struct weir_str word, struct weir_str *allowance)
{
    struct weir_str rest;

    if (after_prefix(name, WEIR_STR("x-ratelimit-"), &rest)) {
        if (!after_prefix(rest, word, allowance))
            return false;
        return allowance->n == 0 || allowance->p[0] == '-';
    }
    if (!after_prefix(name, WEIR_STR("anthropic-ratelimit-"), &rest) || rest.n <= word.n ||
        !weir_str_ieq((struct weir_str){rest.p + rest.n - word.n, word.n}, word))
        return false;
    *allowance = (struct weir_str){rest.p, rest.n - word.n};
    return true;
}

/* When the allowance comes back whose remainder stands in the header `of`. */
static int64_t reset_of(const struct weir_http_header *h, size_t n, struct weir_str of,
                        struct weir_str allowance, int64_t wall_ms)
{
    struct weir_str other;
    int64_t ms;

    for (size_t i = 0; i < n; i++)
        if (is_about(h[i].name, WEIR_STR("reset"), &other) && weir_str_ieq(other, allowance) &&
            h[i].name.p[0] == of.p[0] && read_when(h[i].value, wall_ms, &ms))
            return ms;
    return 0;
}

static bool is_nothing(struct weir_str value)
{
    int64_t left;

    return weir_str_i64(weir_str_trim(value), &left) == WEIR_OK && left <= 0;
}

struct weir_pushback weir_pushback_read(const struct weir_http_header *h, size_t n, int64_t wall_ms)
{
    struct weir_pushback out = {.retry_ms = -1, .spent_ms = -1};
    bool in_ms = false;

    for (size_t i = 0; i < n; i++) {
        struct weir_str allowance;
        int64_t ms;

        if (weir_str_ieq(h[i].name, WEIR_STR("retry-after-ms"))) {
            /* In milliseconds: as seconds it is a thousand times too long, and never a date. */
            if (weir_str_decimal(weir_str_trim(h[i].value), 3, &ms) == WEIR_OK && ms >= 0) {
                out.retry_ms = bounded(ms / 1000);
                in_ms = true;
            }
        } else if (weir_str_ieq(h[i].name, WEIR_STR("retry-after"))) {
            if (!in_ms && read_when(h[i].value, wall_ms, &ms))
                out.retry_ms = ms;
        } else if (is_about(h[i].name, WEIR_STR("remaining"), &allowance)) {
            ms = is_nothing(h[i].value) ? reset_of(h, n, h[i].name, allowance, wall_ms) : 0;
            if (ms > out.spent_ms)
                out.spent_ms = ms;
        }
    }
    return out;
}
