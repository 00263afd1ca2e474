#include "dataplane/proxy/caller.h"

#include <ctype.h>
#include <string.h>

#include "base/hash.h"
#include "dataplane/proxy/exchange.h"

enum { NAME_MAX_BYTES = 128, TOLD_BYTES = 16 };

static struct weir_str first_header(const struct weir_exchange *x, const char *const names[])
{
    for (size_t i = 0; names[i]; i++) {
        struct weir_str v = weir_str_trim(weir_http_req_header(x->req, weir_str_of(names[i])));

        if (v.n)
            return v;
    }
    return WEIR_STR_NULL;
}

struct weir_str weir_caller_session(const struct weir_exchange *x)
{
    static const char *const names[] = {
        "x-weir-session", "x-claude-code-session-id", "session-id", "session_id",
        "x-session-id",   "x-session-affinity",       NULL};
    struct weir_str v = first_header(x, names);

    return v.n ? v : x->call.session;
}

static struct weir_str run_of(const struct weir_exchange *x)
{
    static const char *const names[] = {"x-weir-run", NULL};
    struct weir_str v = first_header(x, names);

    return v.n ? v : weir_caller_session(x);
}

/* A harness puts its session into Anthropic's user id: who it is lies around it. */
static struct weir_str without_session(struct weir_exchange *x, struct weir_str user)
{
    struct weir_str s = x->call.session;
    const char *hit = s.n && s.n < user.n && x->call.dialect == WEIR_DIALECT_ANTHROPIC_MESSAGES
                          ? memmem(user.p, user.n, s.p, s.n)
                          : NULL;

    if (!hit)
        return user;
    return weir_str_of(weir_arena_printf(x->arena, "%.*s%.*s", (int)(hit - user.p), user.p,
                                         (int)(user.p + user.n - hit - s.n), hit + s.n));
}

static struct weir_str user_of(struct weir_exchange *x)
{
    static const char *const names[] = {"x-weir-user", NULL};
    struct weir_str v = first_header(x, names);

    return v.n ? v : without_session(x, x->call.user);
}

/* '|' stands between the parts of a scope. */
static bool is_name(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && (s.p[i] == '\0' || !strchr("._:@/+=~-", s.p[i])))
            return false;
    return s.n <= NAME_MAX_BYTES;
}

static struct weir_str told(struct weir_exchange *x, struct weir_str s)
{
    unsigned char digest[WEIR_SHA256_BYTES];
    char hex[2 * TOLD_BYTES + 1];

    if (is_name(s))
        return s;
    weir_sha256(s, digest);
    weir_hex(digest, TOLD_BYTES, hex);
    return weir_str_of(weir_arena_printf(x->arena, "sha256:%s", hex));
}

void weir_caller_read(struct weir_exchange *x)
{
    x->caller = (struct weir_caller){.session = told(x, weir_caller_session(x)),
                                     .run = told(x, run_of(x)),
                                     .user = told(x, user_of(x))};
}
