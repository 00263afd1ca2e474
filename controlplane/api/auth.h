/* auth.h - who may use the API: two tokens (admin, viewer), browser sessions, login codes that work
 * once, and the checks that keep other web pages out. One loop only. */
#ifndef WEIR_API_AUTH_H
#define WEIR_API_AUTH_H

#include "base/arena.h"
#include "base/str.h"

struct weir_auth;

enum weir_role { WEIR_ROLE_NONE, WEIR_ROLE_VIEWER, WEIR_ROLE_ADMIN };

const char *weir_role_name(enum weir_role role);

struct weir_auth_options {
    struct weir_str admin_token, viewer_token; /* copied; viewer absent: no such role */
    /* Further names that the Host header may carry, besides localhost and numeric addresses. */
    const char *const *hosts;
    size_t host_count;
    unsigned port; /* names the cookie, since cookies don't tell ports apart */
};

/* The parts of a request that say who asks; borrowed. */
struct weir_auth_request {
    struct weir_str peer; /* address */
    struct weir_str host, origin, authorization, cookie;
    bool marked;  /* it carries x-weir-request, which no foreign page can send unasked */
    bool changes; /* any method but GET and HEAD */
};

struct weir_auth *weir_auth_create(const struct weir_auth_options *o);
void weir_auth_destroy(struct weir_auth *a); /* wipes the tokens; NULL is fine */

/* Against DNS rebinding and foreign pages: Host must be ours, Origin (if sent) must be Host's.
 * WEIR_EAUTH: refuse with 403. */
WEIR_NODISCARD int weir_auth_check_origin(const struct weir_auth *a,
                                          const struct weir_auth_request *r);

/* The role of a request without valid credentials is WEIR_ROLE_NONE.
 * WEIR_ELIMIT: too many failures from this peer; nothing was compared. */
WEIR_NODISCARD int weir_auth_role(struct weir_auth *a, const struct weir_auth_request *r,
                                  int64_t now_ms, enum weir_role *out);

/* A token or a login code becomes a session: the Set-Cookie value, in the arena.
 * WEIR_EAUTH: wrong. WEIR_ELIMIT: too many failures. */
WEIR_NODISCARD int weir_auth_sign_in(struct weir_auth *a, struct weir_arena *arena,
                                     struct weir_str peer, struct weir_str token,
                                     struct weir_str login, int64_t now_ms, enum weir_role *out,
                                     const char **out_cookie);
/* Ends the session of this request; the Set-Cookie value that removes the cookie. */
const char *weir_auth_sign_out(struct weir_auth *a, struct weir_arena *arena,
                               const struct weir_auth_request *r);

enum { WEIR_AUTH_LOGIN_MS = 5 * 60 * 1000, WEIR_AUTH_SESSION_MS = 12 * 3600 * 1000 };

/* A code for one sign-in with that role, within WEIR_AUTH_LOGIN_MS. In the arena. */
const char *weir_auth_login_code(struct weir_auth *a, struct weir_arena *arena, enum weir_role role,
                                 int64_t now_ms);

/* Reads the token in path, or makes one of 256 random bits there (mode 0600). WEIR_EIO,
 * WEIR_EINVAL: the file holds no token. */
WEIR_NODISCARD int weir_auth_token_file(const char *path, struct weir_arena *arena,
                                        struct weir_str *out);

#endif
