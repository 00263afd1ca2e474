/* decode_format.c - the formats of strings: what each admits and the sentence when it doesn't. */
#include "data/decode_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { MAX_NAME = 63, MAX_GLOB = 256, MAX_URL = 2048 };

static bool lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool weir_data_is_name(struct weir_str s)
{
    if (s.n == 0 || s.n > MAX_NAME || !lower_alnum(s.p[0]) || !lower_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!lower_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
            return false;
    return true;
}

/* RFC 9110 section 5.6.2: token. */
static bool is_token(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !strchr("!#$%&'*+-.^_`|~", s.p[i]))
            return false;
    return s.n > 0 && s.n <= 256;
}

static bool is_printable(struct weir_str s, bool blanks)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f || (!blanks && s.p[i] == ' '))
            return false;
    return true;
}

static const char *url_fault(struct weir_str s)
{
    struct weir_str rest, host, port;

    if (weir_str_starts(s, WEIR_STR("https://")))
        rest = (struct weir_str){s.p + 8, s.n - 8};
    else if (weir_str_starts(s, WEIR_STR("http://")))
        rest = (struct weir_str){s.p + 7, s.n - 7};
    else
        return "must be a URL that begins with https:// or http://";
    if (s.n > MAX_URL || !is_printable(s, false))
        return "must be a URL without blanks, at most 2048 bytes long";
    if (memchr(rest.p, '?', rest.n) || memchr(rest.p, '#', rest.n))
        return "must be a base URL: remove what begins with '?' or '#'";
    host = weir_str_cut(rest, '/', &rest);
    if (memchr(host.p, '@', host.n))
        return "must not hold a user or a password: use `credential`";
    if (host.n > 0 && host.p[0] == '[') {
        host = weir_str_cut(host, ']', &port);
        if (!port.p || (port.n > 0 && port.p[0] != ':'))
            return "the IPv6 address must end with ']'";
        port = port.n ? (struct weir_str){port.p + 1, port.n - 1} : WEIR_STR_NULL;
    } else {
        host = weir_str_cut(host, ':', &port);
    }
    if (host.n == 0)
        return "must name a host after the //";
    if (port.p) {
        int64_t number;

        if (weir_str_i64(port, &number) || number < 1 || number > 65535)
            return "the port must be a number from 1 to 65535";
    }
    return NULL;
}

static bool is_zone(struct weir_str s)
{
    static const char folder[] = "/usr/share/zoneinfo";
    char path[128];

    if (weir_str_is(s, "UTC"))
        return true;
    if (s.n == 0 || s.n > 64 || !isalpha((unsigned char)s.p[0]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !strchr("/_+-", s.p[i]))
            return false;
    /* A machine without zone files can't tell; the ledger says so when it needs one. */
    if (access(folder, F_OK) != 0)
        return true;
    (void)snprintf(path, sizeof path, "%s/%.*s", folder, WEIR_STR_ARG(s));
    return s.p[s.n - 1] != '/' && access(path, R_OK) == 0;
}

static bool is_date(struct weir_str s)
{
    char text[sizeof "2026-01-01"];
    struct tm tm = {0}, given;
    const char *end;

    if (s.n != sizeof text - 1)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    end = strptime(text, "%Y-%m-%d", &tm);
    given = tm;
    /* A 31st of June would quietly be a 1st of July. */
    return end && !*end && timegm(&tm) != -1 && tm.tm_mday == given.tm_mday;
}

const char *weir__format_fault(enum weir_schema_format format, struct weir_str s)
{
    unsigned char digest[32];

    switch (format) {
    case WEIR_FORMAT_URL:
        return url_fault(s);
    case WEIR_FORMAT_NAME:
        return weir_data_is_name(s) ? NULL
                                    : "must be a name: at most 63 of a-z, 0-9, '-' and '.', with a "
                                      "letter or digit at both ends";
    case WEIR_FORMAT_GLOB:
        return s.n > 0 && s.n <= MAX_GLOB && is_printable(s, true)
                   ? NULL
                   : "must be a name or a pattern with '*', 1 to 256 bytes long";
    case WEIR_FORMAT_SHA256:
        return weir_unhex(s, digest, sizeof digest) == WEIR_OK
                   ? NULL
                   : "must be a SHA-256: 64 hex digits (printf %s KEY | sha256sum)";
    case WEIR_FORMAT_HEADER:
        return is_token(s) ? NULL : "must be a header name: letters, digits and '-'";
    case WEIR_FORMAT_TIMEZONE:
        return is_zone(s) ? NULL
                          : "must be UTC or a time zone of this system, such as Europe/Berlin";
    case WEIR_FORMAT_DATE:
        return is_date(s) ? NULL : "must be a day, such as 2026-01-31";
    default:
        return NULL;
    }
}

const char *weir__added_header_fault(struct weir_str name, struct weir_str value)
{
    /* Framing and routing belong to the proxy (RFC 9110 section 7.6.1). */
    static const char *const own[] = {"host",
                                      "content-length",
                                      "transfer-encoding",
                                      "te",
                                      "trailer",
                                      "connection",
                                      "upgrade",
                                      "keep-alive",
                                      "proxy-connection",
                                      "expect",
                                      "proxy-authorization"};

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (weir_str_ieq(name, weir_str_of(own[i])))
            return "is set by the proxy itself: remove it";
    return is_printable(value, true) ? NULL : "must be one line without control characters";
}

bool weir__plain_needs_quotes(struct weir_str s)
{
    size_t digits = 0, i = 0;

    if (weir_str_is(s, "true") || weir_str_is(s, "false"))
        return true;
    for (; i < s.n; i++) {
        if (isdigit((unsigned char)s.p[i]))
            digits++;
        else if (!(i == 0 && strchr("+-", s.p[i])) && s.p[i] != '.' &&
                 !(digits && (s.p[i] == 'e' || s.p[i] == 'E')))
            break;
    }
    /* "1.2.3" is text to every reader. */
    return digits > 0 && i == s.n &&
           (!memchr(s.p, '.', s.n) || memchr(s.p, '.', s.n) == memrchr(s.p, '.', s.n));
}

int weir_data_duration(struct weir_str s, int64_t *out_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

    int64_t sum = 0, last = INT64_MAX;

    if (weir_str_is(s, "0")) {
        *out_ms = 0;
        return WEIR_OK;
    }
    while (s.n > 0) {
        size_t digits = 0, letters = 0, u = 0;
        int64_t v;

        while (digits < s.n && isdigit((unsigned char)s.p[digits]))
            digits++;
        while (digits + letters < s.n && isalpha((unsigned char)s.p[digits + letters]))
            letters++;
        while (u < 5 && !weir_str_is((struct weir_str){s.p + digits, letters}, units[u].unit))
            u++;
        if (digits == 0 || u == 5 || units[u].ms >= last ||
            weir_str_i64((struct weir_str){s.p, digits}, &v) ||
            __builtin_mul_overflow(v, units[u].ms, &v) || __builtin_add_overflow(sum, v, &sum))
            return WEIR_EINVAL;
        last = units[u].ms;
        s.p += digits + letters;
        s.n -= digits + letters;
    }
    if (last == INT64_MAX)
        return WEIR_EINVAL;
    *out_ms = sum;
    return WEIR_OK;
}

int weir_data_usd(struct weir_str s, int64_t *out_nano_usd)
{
    return weir_str_decimal(s, 9, out_nano_usd);
}
