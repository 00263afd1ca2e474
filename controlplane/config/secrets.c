/* secrets.c - see secrets.h. */
#include "controlplane/config/secrets.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "weir/v1/config.pb-c.h"

static const char *read_value(const Weir__V1__PushedSecret *p, struct weir_buf *b)
{
    struct weir_str v;

    if (p->env) {
        const char *text = getenv(p->env);

        if (!text)
            return "the control plane has no such environment variable: set it";
        if (weir_buf_addz(b, text))
            return "is too large: at most 64 KiB";
    } else {
        int rc = weir_file_read(p->file, b);

        if (rc == WEIR_ENOTFOUND)
            return "the control plane finds no such file: create it";
        if (rc)
            return rc == WEIR_ELIMIT ? "is too large: at most 64 KiB"
                                     : "the control plane cannot read it: check its permissions";
    }
    v = weir_str_trim(weir_buf_str(b));
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
            return "must be one line without control characters";
    return v.n ? NULL : "is empty: give it the key";
}

/* key: 0 for the provider's first; the name of another's secret ends with its number. */
static void add(struct weir__config_secrets *out, const struct weir_policy_object *o, size_t key,
                struct weir_str value)
{
    struct weir_policy_secret *s;
    char *bytes = weir_strdup(value);

    /* Doubling by hand: the list holds pointers only, so that moving it leaves no copy behind. */
    if ((out->n & (out->n + 1)) == 0)
        out->list = weir_realloc(out->list, (out->n * 2 + 2) * sizeof *out->list);
    s = &out->list[out->n++];
    s->ns = weir_strdup(weir_str_of(o->ns));
    s->provider = weir_strdup(weir_str_of(o->name));
    s->key = key;
    s->value = (struct weir_str){bytes, value.n};
}

static void read_one(const struct weir_policy_object *o, size_t key,
                     const Weir__V1__PushedSecret *pushed, struct weir_data_errors *errors,
                     struct weir__config_secrets *out)
{
    char path[64] = "spec.credential.pushed";
    struct weir_data_error e = {
        .file = o->file, .line = o->line, .kind = o->type, .name = o->name, .path = path};
    struct weir_buf b;
    const char *fault;

    if (key)
        (void)snprintf(path, sizeof path, "spec.moreCredentials[%zu].pushed", key - 1);
    strncat(path, pushed->env ? ".env" : ".file", sizeof path - strlen(path) - 1);
    /* All of its room at once: growing would leave copies of the secret in freed memory. */
    weir_buf_init(&b, WEIR_CONFIG_MAX_SECRET_BYTES);
    (void)weir_buf_reserve(&b, WEIR_CONFIG_MAX_SECRET_BYTES);
    fault = read_value(pushed, &b);
    if (fault)
        weir_data_error_add(errors, &e, "%s", fault);
    else
        add(out, o, key, weir_str_trim(weir_buf_str(&b)));
    if (b.p)
        weir_wipe(b.p, b.cap);
    weir_buf_fini(&b);
}

void weir__config_secrets_read(const struct weir_policy_set *set, struct weir_data_errors *errors,
                               struct weir__config_secrets *out)
{
    *out = (struct weir__config_secrets){0};
    for (size_t i = 0; set && i < weir_policy_set_count(set); i++) {
        const struct weir_policy_object *o = weir_policy_set_at(set, i);
        const Weir__V1__ProviderSpec *p;

        if (strcmp(o->type, "Provider") != 0)
            continue;
        p = ((const Weir__V1__Provider *)o->message)->spec;
        if (p->credential && p->credential->pushed)
            read_one(o, 0, p->credential->pushed, errors, out);
        for (size_t k = 0; k < p->n_morecredentials; k++)
            if (p->morecredentials[k]->pushed)
                read_one(o, k + 1, p->morecredentials[k]->pushed, errors, out);
    }
}

void weir__config_secrets_free(struct weir__config_secrets *s)
{
    for (size_t i = 0; i < s->n; i++) {
        weir_wipe((char *)s->list[i].value.p, s->list[i].value.n);
        free((char *)s->list[i].value.p);
        free((char *)s->list[i].ns);
        free((char *)s->list[i].provider);
    }
    free(s->list);
    *s = (struct weir__config_secrets){0};
}

bool weir__config_secrets_equal(const struct weir__config_secrets *a,
                                const struct weir__config_secrets *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->list[i].ns, b->list[i].ns) != 0 ||
            strcmp(a->list[i].provider, b->list[i].provider) != 0 ||
            a->list[i].key != b->list[i].key ||
            !weir_str_eq_secret(a->list[i].value, b->list[i].value))
            return false;
    return true;
}
