/* auth.c - see auth.h. Sessions and codes are kept as digests, so that a dump holds none of them.
 */
#include "controlplane/api/auth.h"

#include <stdio.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"

enum {
    MAX_TICKETS = 64,  /* sessions and codes; the oldest makes room */
    MAX_PEERS = 64,    /* peers whose failures are counted */
    MAX_FAILURES = 20, /* of one peer in one window */
    FAIL_WINDOW_MS = 60000,
    SECRET_BYTES = 32,
    MAX_HOSTS = 16,
};

struct ticket {
    unsigned char digest[WEIR_SHA256_BYTES];
    enum weir_role role; /* NONE: the slot is free */
    bool once;           /* a login code */
    int64_t expires_ms;
};

struct peer {
    uint64_t hash;
    int64_t since_ms;
    unsigned failures;
};

struct weir_auth {
    char *admin, *viewer;
    char *hosts[MAX_HOSTS];
    size_t host_count;
    char cookie[32];
    uint64_t seed;
    struct ticket tickets[MAX_TICKETS];
    struct peer peers[MAX_PEERS];
};

const char *weir_role_name(enum weir_role role)
{
    static const char *const names[] = {"none", "viewer", "admin"};

    return names[role];
}

struct weir_auth *weir_auth_create(const struct weir_auth_options *o)
{
    struct weir_auth *a = WEIR_NEW(struct weir_auth);

    a->admin = weir_strdup(o->admin_token);
    if (o->viewer_token.n)
        a->viewer = weir_strdup(o->viewer_token);
    for (size_t i = 0; i < o->host_count && i < MAX_HOSTS; i++)
        a->hosts[a->host_count++] = weir_strdup(weir_str_of(o->hosts[i]));
    snprintf(a->cookie, sizeof a->cookie, "weir_session_%u", o->port);
    weir_rand_bytes(&a->seed, sizeof a->seed);
    return a;
}

void weir_auth_destroy(struct weir_auth *a)
{
    if (!a)
        return;
    weir_wipe(a->admin, strlen(a->admin));
    if (a->viewer)
        weir_wipe(a->viewer, strlen(a->viewer));
    free(a->admin);
    free(a->viewer);
    for (size_t i = 0; i < a->host_count; i++)
        free(a->hosts[i]);
    weir_wipe(a, sizeof *a);
    free(a);
}

/* The host without its port. */
static struct weir_str host_name(struct weir_str host)
{
    struct weir_str rest;

    if (host.n && host.p[0] == '[') {
        struct weir_str inner = weir_str_cut((struct weir_str){host.p + 1, host.n - 1}, ']', &rest);

        return inner;
    }
    return weir_str_cut(host, ':', &rest);
}

/* An address can't be rebound by a foreign name server; a name can. */
static bool is_address(struct weir_str name)
{
    bool digit = false, colon = false;

    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        digit |= c >= '0' && c <= '9';
        colon |= c == ':';
        if (!((c >= '0' && c <= '9') || c == '.' || c == ':' ||
              (colon && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))))
            return false;
    }
    return digit;
}

static bool host_is_ours(const struct weir_auth *a, struct weir_str host)
{
    struct weir_str name = host_name(host);

    if (weir_str_ieq(name, WEIR_STR("localhost")) || is_address(name))
        return true;
    for (size_t i = 0; i < a->host_count; i++)
        if (weir_str_ieq(name, weir_str_of(a->hosts[i])))
            return true;
    return false;
}

int weir_auth_check_origin(const struct weir_auth *a, const struct weir_auth_request *r)
{
    struct weir_str origin = r->origin;

    if (!host_is_ours(a, r->host))
        return WEIR_EAUTH;
    if (!origin.p)
        return WEIR_OK;
    if (weir_str_starts(origin, WEIR_STR("http://")))
        origin = (struct weir_str){origin.p + 7, origin.n - 7};
    else if (weir_str_starts(origin, WEIR_STR("https://")))
        origin = (struct weir_str){origin.p + 8, origin.n - 8};
    else
        return WEIR_EAUTH;
    return weir_str_ieq(origin, r->host) ? WEIR_OK : WEIR_EAUTH;
}

/* The peer's entry; a stale or the oldest one makes room. */
static struct peer *peer_entry(struct weir_auth *a, struct weir_str address, int64_t now_ms)
{
    uint64_t hash = weir_hash64(address, a->seed);
    struct peer *oldest = &a->peers[0];

    for (size_t i = 0; i < MAX_PEERS; i++) {
        struct peer *p = &a->peers[i];

        if (p->failures && p->hash == hash) {
            if (now_ms - p->since_ms >= FAIL_WINDOW_MS)
                *p = (struct peer){.hash = hash, .since_ms = now_ms};
            return p;
        }
        if (!p->failures || p->since_ms < oldest->since_ms)
            oldest = p;
    }
    *oldest = (struct peer){.hash = hash, .since_ms = now_ms};
    return oldest;
}

static enum weir_role token_role(const struct weir_auth *a, struct weir_str token)
{
    bool admin = weir_str_eq_secret(token, weir_str_of(a->admin));
    bool viewer = a->viewer && weir_str_eq_secret(token, weir_str_of(a->viewer));

    return admin ? WEIR_ROLE_ADMIN : viewer ? WEIR_ROLE_VIEWER : WEIR_ROLE_NONE;
}

static struct ticket *find_ticket(struct weir_auth *a, struct weir_str secret, bool once,
                                  int64_t now_ms)
{
    unsigned char digest[WEIR_SHA256_BYTES];
    struct ticket *found = NULL;

    weir_sha256(secret, digest);
    for (size_t i = 0; i < MAX_TICKETS; i++) {
        struct ticket *t = &a->tickets[i];

        /* Digests of random secrets: what a timing tells of them leads back to no secret. */
        if (t->role && t->once == once && memcmp(t->digest, digest, sizeof digest) == 0)
            found = t;
    }
    if (found && found->expires_ms <= now_ms) {
        *found = (struct ticket){0};
        return NULL;
    }
    return found;
}

/* A new ticket's secret, hex in out (2 * SECRET_BYTES + 1). */
static void add_ticket(struct weir_auth *a, enum weir_role role, bool once, int64_t expires_ms,
                       char *out)
{
    unsigned char secret[SECRET_BYTES];
    struct ticket *t = &a->tickets[0];

    for (size_t i = 0; i < MAX_TICKETS; i++) {
        if (!a->tickets[i].role) {
            t = &a->tickets[i];
            break;
        }
        if (a->tickets[i].expires_ms < t->expires_ms)
            t = &a->tickets[i];
    }
    weir_rand_bytes(secret, sizeof secret);
    weir_hex(secret, sizeof secret, out);
    weir_wipe(secret, sizeof secret);
    *t = (struct ticket){.role = role, .once = once, .expires_ms = expires_ms};
    weir_sha256((struct weir_str){out, 2 * SECRET_BYTES}, t->digest);
}

static struct weir_str cookie_value(const struct weir_auth *a, struct weir_str header)
{
    for (int i = 0; i < 64 && header.p; i++) {
        struct weir_str rest, value;
        struct weir_str pair = weir_str_trim(weir_str_cut(header, ';', &rest));
        struct weir_str name = weir_str_cut(pair, '=', &value);

        if (weir_str_is(name, a->cookie) && value.p)
            return value;
        header = rest;
    }
    return WEIR_STR_NULL;
}

int weir_auth_role(struct weir_auth *a, const struct weir_auth_request *r, int64_t now_ms,
                   enum weir_role *out)
{
    struct weir_str cookie = cookie_value(a, r->cookie);

    if (r->authorization.p) {
        struct weir_str token;
        struct weir_str scheme = weir_str_cut(r->authorization, ' ', &token);
        struct peer *peer = peer_entry(a, r->peer, now_ms);
        enum weir_role role;

        if (peer->failures >= MAX_FAILURES)
            return WEIR_ELIMIT;
        role = weir_str_ieq(scheme, WEIR_STR("bearer")) && token.p
                   ? token_role(a, weir_str_trim(token))
                   : WEIR_ROLE_NONE;
        peer->failures += role == WEIR_ROLE_NONE;
        *out = role;
        return WEIR_OK;
    }
    *out = WEIR_ROLE_NONE;
    /* A cookie is sent by the browser on its own; a change must also show that our page asked. */
    if (cookie.p && (!r->changes || r->marked)) {
        struct ticket *t = find_ticket(a, cookie, false, now_ms);

        if (t) {
            t->expires_ms = now_ms + WEIR_AUTH_SESSION_MS;
            *out = t->role;
        }
    }
    return WEIR_OK;
}

int weir_auth_sign_in(struct weir_auth *a, struct weir_arena *arena, struct weir_str peer,
                      struct weir_str token, struct weir_str login, int64_t now_ms,
                      enum weir_role *out, const char **out_cookie)
{
    struct peer *p = peer_entry(a, peer, now_ms);
    enum weir_role role = WEIR_ROLE_NONE;
    char secret[2 * SECRET_BYTES + 1];

    if (p->failures >= MAX_FAILURES)
        return WEIR_ELIMIT;
    if (token.p) {
        role = token_role(a, token);
    } else if (login.p) {
        struct ticket *t = find_ticket(a, login, true, now_ms);

        if (t) {
            role = t->role;
            *t = (struct ticket){0};
        }
    }
    if (role == WEIR_ROLE_NONE) {
        p->failures++;
        return WEIR_EAUTH;
    }
    add_ticket(a, role, false, now_ms + WEIR_AUTH_SESSION_MS, secret);
    *out = role;
    *out_cookie =
        weir_arena_printf(arena, "%s=%s; Path=/; HttpOnly; SameSite=Strict", a->cookie, secret);
    weir_wipe(secret, sizeof secret);
    return WEIR_OK;
}

const char *weir_auth_sign_out(struct weir_auth *a, struct weir_arena *arena,
                               const struct weir_auth_request *r)
{
    struct weir_str cookie = cookie_value(a, r->cookie);
    struct ticket *t = cookie.p ? find_ticket(a, cookie, false, 0) : NULL;

    if (t)
        *t = (struct ticket){0};
    return weir_arena_printf(arena, "%s=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", a->cookie);
}

const char *weir_auth_login_code(struct weir_auth *a, struct weir_arena *arena, enum weir_role role,
                                 int64_t now_ms)
{
    char secret[2 * SECRET_BYTES + 1];
    const char *code;

    add_ticket(a, role, true, now_ms + WEIR_AUTH_LOGIN_MS, secret);
    code = weir_arena_strdup(arena, weir_str_of(secret));
    weir_wipe(secret, sizeof secret);
    return code;
}

int weir_auth_token_file(const char *path, struct weir_arena *arena, struct weir_str *out)
{
    unsigned char bytes[SECRET_BYTES];
    char text[2 * SECRET_BYTES + 2];
    struct weir_buf b;
    int rc;

    weir_buf_init(&b, 4096);
    rc = weir_file_read(path, &b);
    if (rc == WEIR_OK) {
        struct weir_str token = weir_str_trim(weir_buf_str(&b));

        if (token.n < 16)
            rc = WEIR_EINVAL;
        else
            *out = weir_arena_copy(arena, token);
    } else if (rc == WEIR_ENOTFOUND) {
        weir_rand_bytes(bytes, sizeof bytes);
        weir_hex(bytes, sizeof bytes, text);
        text[2 * SECRET_BYTES] = '\n';
        rc = weir_file_replace(path, (struct weir_str){text, 2 * SECRET_BYTES + 1}, 0600, true);
        if (rc == WEIR_OK)
            *out = weir_arena_copy(arena, (struct weir_str){text, 2 * SECRET_BYTES});
        weir_wipe(bytes, sizeof bytes);
        weir_wipe(text, sizeof text);
    }
    if (b.p)
        weir_wipe(b.p, b.n);
    weir_buf_fini(&b);
    return rc;
}
