/* tokens.c - see tokens.h. A policy has few sources, so a list will do. */
#include "dataplane/proxy/tokens.h"

#include <stdio.h>

enum { PROBLEM_BYTES = 320 };

struct entry {
    struct weir_link link;
    unsigned char key[WEIR_SHA256_BYTES];
    struct weir_cred_token *token; /* NULL: none yet */
    char problem[PROBLEM_BYTES];   /* "": the last fetch went well, or is under way */
    struct weir_link waiting;
};

struct weir_tokens {
    struct weir_link entries;
};

struct weir_tokens *weir_tokens_create(void)
{
    struct weir_tokens *t = WEIR_NEW(struct weir_tokens);

    weir_list_init(&t->entries);
    return t;
}

static void forget(struct entry *e)
{
    weir_list_remove(&e->link);
    weir_cred_token_unref(e->token);
    free(e);
}

void weir_tokens_destroy(struct weir_tokens *t)
{
    if (!t)
        return;
    WEIR_LIST_EACH (&t->entries, l, following) {
        forget(WEIR_CONTAINER(l, struct entry, link));
    }
    free(t);
}

static struct entry *entry_of(struct weir_tokens *t, const unsigned char *key)
{
    struct entry *e;

    WEIR_LIST_EACH (&t->entries, l, following) {
        e = WEIR_CONTAINER(l, struct entry, link);
        if (memcmp(e->key, key, WEIR_SHA256_BYTES) == 0)
            return e;
    }
    e = WEIR_NEW(struct entry);
    memcpy(e->key, key, WEIR_SHA256_BYTES);
    weir_list_init(&e->waiting);
    weir_list_push(&t->entries, &e->link);
    return e;
}

void weir_tokens_take(struct weir_tokens *t, const unsigned char *key,
                      struct weir_cred_token *token, struct weir_str problem)
{
    struct entry *e = entry_of(t, key);
    struct weir_link awake, *l;

    (void)snprintf(e->problem, sizeof e->problem, "%.*s", WEIR_STR_ARG(problem));
    if (token) {
        weir_cred_token_unref(e->token);
        e->token = token;
    }
    /* A call that is woken may wait anew: the list is emptied first. */
    weir_list_init(&awake);
    while ((l = weir_list_pop(&e->waiting)))
        weir_list_push(&awake, l);
    while ((l = weir_list_pop(&awake))) {
        struct weir_tokens_waiter *w = WEIR_CONTAINER(l, struct weir_tokens_waiter, link);

        w->fn(w);
    }
}

static bool is_named(const struct entry *e, const struct weir_policy *p)
{
    const struct weir_policy_provider *one, *v;

    for (size_t i = 0; (one = weir_policy_provider(p, i)); i++)
        for (size_t k = 0; (v = weir_policy_credential(one, k)); k++)
            if (v->source &&
                memcmp(weir_cred_source_key(v->source), e->key, WEIR_SHA256_BYTES) == 0)
                return true;
    return false;
}

void weir_tokens_prune(struct weir_tokens *t, const struct weir_policy *p)
{
    WEIR_LIST_EACH (&t->entries, l, following) {
        struct entry *e = WEIR_CONTAINER(l, struct entry, link);

        if (weir_list_empty(&e->waiting) && !is_named(e, p))
            forget(e);
    }
}

int weir_tokens_get(struct weir_tokens *t, const struct weir_cred_source *s, int64_t wall_ms,
                    struct weir_tokens_waiter *w, const struct weir_cred_token **out,
                    const char **why)
{
    struct entry *e = entry_of(t, weir_cred_source_key(s));

    if (e->token && weir_cred_token_expires_ms(e->token) > wall_ms) {
        *out = e->token;
        return WEIR_OK;
    }
    if (e->problem[0]) {
        *why = e->problem;
        return WEIR_EAUTH;
    }
    weir_list_push(&e->waiting, &w->link);
    return WEIR_EWAIT;
}
