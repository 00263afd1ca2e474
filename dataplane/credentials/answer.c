/* answer.c - what token endpoints say: a token and its end, or why there is none. */
#include <stdio.h>
#include <time.h>

#include "base/arena.h"
#include "data/json_scan.h"
#include "dataplane/credentials/source_internal.h"

enum { MAX_LIFE_S = 7 * 86400 }; /* no endpoint grants more; a larger number is a slip */

/* Texts of an answer, all absent at first. */
struct said {
    struct weir_str access_token, expires_in, error;
    struct weir_sigv4_keys keys;
    struct weir_str expiration, code;
};

static bool is_line(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return s.n > 0;
}

/* An endpoint's own word for what went wrong, if it is one: nothing that could hold a secret. */
static bool is_word(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= 'A' && s.p[i] <= 'Z') && s.p[i] != '_')
            return false;
    return s.n > 0 && s.n <= 48;
}

static bool read_json(struct weir_str body, struct weir_arena *a, struct said *out)
{
    const struct {
        const char *name;
        struct weir_str *to;
    } names[] = {{"access_token", &out->access_token},
                 {"expires_in", &out->expires_in},
                 {"error", &out->error},
                 {"AccessKeyId", &out->keys.id},
                 {"SecretAccessKey", &out->keys.secret},
                 {"Token", &out->keys.token},
                 {"Expiration", &out->expiration},
                 {"Code", &out->code}};
    struct weir_str key, raw;
    struct weir_json j;

    if (weir_json_check(body, NULL))
        return false;
    weir_json_init(&j, body);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return false;
    while (weir_json_member(&j, &key)) {
        enum weir_json_type type = weir_json_peek(&j);
        char *text;

        if (type == WEIR_JSON_STRING)
            weir_json_string(&j, &raw);
        else
            weir_json_skip(&j, &raw);
        if (type != WEIR_JSON_STRING && type != WEIR_JSON_NUMBER)
            continue;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (weir_json_is(key, names[i].name)) {
                text = weir_arena_alloc(a, raw.n + 1);
                *names[i].to = (struct weir_str){text, weir_json_unescape(raw, text)};
            }
    }
    return true;
}

/* The text of the first element of this name: STS's answers have neither attributes nor nested
 * elements there. */
static struct weir_str element(struct weir_str xml, const char *name)
{
    char open[40], close[40];
    const char *from, *to;
    size_t n = (size_t)snprintf(open, sizeof open, "<%s>", name);

    (void)snprintf(close, sizeof close, "</%s>", name);
    from = memmem(xml.p, xml.n, open, n);
    if (!from)
        return WEIR_STR_NULL;
    from += n;
    to = memmem(from, (size_t)(xml.p + xml.n - from), close, n + 1);
    return to ? weir_str_trim((struct weir_str){from, (size_t)(to - from)}) : WEIR_STR_NULL;
}

static void read_xml(struct weir_str body, struct said *out)
{
    out->keys = (struct weir_sigv4_keys){.id = element(body, "AccessKeyId"),
                                         .secret = element(body, "SecretAccessKey"),
                                         .token = element(body, "SessionToken")};
    out->expiration = element(body, "Expiration");
    out->error = element(body, "Code");
}

/* "2026-11-24T01:02:03Z", perhaps with a fraction. -1: no such time. */
static int64_t read_time(struct weir_str s)
{
    static const struct {
        uint8_t at, n;
    } parts[] = {{0, 4}, {5, 2}, {8, 2}, {11, 2}, {14, 2}, {17, 2}};

    int64_t v[6];
    struct tm tm = {0};

    if (s.n < 20 || s.p[10] != 'T' || s.p[s.n - 1] != 'Z')
        return -1;
    for (size_t i = 0; i < 6; i++)
        if (weir_str_i64((struct weir_str){s.p + parts[i].at, parts[i].n}, &v[i]) || v[i] < 0)
            return -1;
    tm.tm_year = (int)v[0] - 1900;
    tm.tm_mon = (int)v[1] - 1;
    tm.tm_mday = (int)v[2];
    tm.tm_hour = (int)v[3];
    tm.tm_min = (int)v[4];
    tm.tm_sec = (int)v[5];
    return (int64_t)timegm(&tm) * 1000;
}

static int refused(int status, struct weir_str word, struct weir_arena *a, const char **why)
{
    *why = is_word(word) ? weir_arena_printf(a, "it answered %d, %.*s", status, WEIR_STR_ARG(word))
                         : weir_arena_printf(a, "it answered %d", status);
    return WEIR_EAUTH;
}

static int bearer(const struct said *said, int64_t now_ms, struct weir_cred_token **out,
                  const char **why)
{
    int64_t life_s = WEIR__CRED_UNTOLD_MS / 1000;

    if (!is_line(said->access_token)) {
        *why = "its answer has no access_token";
        return WEIR_EAUTH;
    }
    if (said->expires_in.p && (weir_str_i64(said->expires_in, &life_s) || life_s <= 0)) {
        *why = "its answer's expires_in is no number of seconds to come";
        return WEIR_EAUTH;
    }
    if (life_s > MAX_LIFE_S)
        life_s = MAX_LIFE_S;
    *out = weir__cred_token_bearer(said->access_token, now_ms + life_s * 1000);
    return WEIR_OK;
}

static int access_key(const struct said *said, int64_t now_ms, struct weir_cred_token **out,
                      const char **why)
{
    int64_t expires_ms =
        said->expiration.p ? read_time(said->expiration) : now_ms + WEIR__CRED_UNTOLD_MS;

    if (!is_line(said->keys.id) || !is_line(said->keys.secret) ||
        (said->keys.token.p && !is_line(said->keys.token)))
        *why = "its answer has no access key";
    else if (expires_ms <= now_ms)
        *why = "its answer's Expiration is no time to come; is this machine's clock right?";
    else
        *out = weir__cred_token_aws(&said->keys, expires_ms);
    return *out ? WEIR_OK : WEIR_EAUTH;
}

/* What a step before the last one says is carried to the next. */
static int carry(struct weir_cred_steps *steps, struct weir_str body, const char **why)
{
    char *to = steps->done == 0 ? steps->session : steps->role;

    body = weir_str_trim(body);
    if (steps->done == 1) {
        struct weir_str rest;

        body = weir_str_trim(weir_str_cut(body, '\n', &rest));
    }
    if (!is_line(body) || body.n >= WEIR_CRED_CARRY_BYTES ||
        (steps->done == 1 && memchr(body.p, '/', body.n))) {
        *why = steps->done == 0 ? "its session token is not one line"
                                : "it names no role; does this machine have one?";
        return WEIR_EAUTH;
    }
    memcpy(to, body.p, body.n);
    to[body.n] = '\0';
    steps->done++;
    return WEIR_EWAIT;
}

int weir_cred_answer(const struct weir_cred_source *s, struct weir_cred_steps *steps, int status,
                     struct weir_str body, int64_t now_ms, struct weir_arena *a,
                     struct weir_cred_token **out, const char **why)
{
    enum weir_cred_kind kind = weir_cred_source_conf(s)->kind;
    struct said said = {0};

    *out = NULL;
    if (kind == WEIR_CRED_AWS_INSTANCE && steps->done < 2)
        return status == 200 ? carry(steps, body, why) : refused(status, WEIR_STR_NULL, a, why);
    if (kind == WEIR_CRED_AWS_WEB_IDENTITY)
        read_xml(body, &said);
    else if (!read_json(body, a, &said) && status == 200) {
        *why = "its answer is no JSON object";
        return WEIR_EAUTH;
    }
    if (status != 200)
        return refused(status, said.error.p ? said.error : said.code, a, why);
    return kind <= WEIR_CRED_GOOGLE_METADATA ? bearer(&said, now_ms, out, why)
                                             : access_key(&said, now_ms, out, why);
}
