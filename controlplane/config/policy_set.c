/* policy_set.c - see policy_set.h. */
#include "controlplane/config/set_internal.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "base/mem.h"
#include "controlplane/config/local.h"

struct weir_policy_set {
    atomic_uint refs;
    struct weir_arena *arena;
    struct weir_policy_object *objects;
    size_t count;
    const char **namespaces;
    size_t namespace_count;
    char revision[WEIR_VERSION_CHARS + 1];
};

struct builder {
    struct weir_arena *arena;
    struct weir__config_item *items;
    size_t n, cap;
    bool has_provider, has_route, has_agent;
};

static void collect(struct builder *b, const struct weir_data_file *f, bool built_in)
{
    for (size_t i = 0; i < f->count; i++) {
        const char *kind = f->objects[i].kind->name;

        if (b->n == b->cap) {
            b->cap = b->cap ? b->cap * 2 : 64;
            b->items = weir_realloc(b->items, b->cap * sizeof *b->items);
        }
        b->items[b->n] =
            (struct weir__config_item){.o = f->objects[i], .built_in = built_in, .order = b->n};
        b->n++;
        b->has_provider = b->has_provider || strcmp(kind, "Provider") == 0;
        b->has_route = b->has_route || strcmp(kind, "Route") == 0;
        b->has_agent = b->has_agent || strcmp(kind, "Agent") == 0;
    }
}

static void read_text(struct builder *b, const struct weir_policy_text *t,
                      struct weir_data_errors *errors)
{
    struct weir_str name = weir_str_of(t->file);
    struct weir_data_file f;

    /* What is wrong stands in errors; the rest is still checked. */
    (void)!weir_data_decode(b->arena, name, weir_data_syntax_of(name), t->text, errors, &f);
    collect(b, &f, t->built_in);
}

static void add_local(struct builder *b, const struct weir_local_env *env,
                      struct weir_data_errors *errors)
{
    struct weir_policy_text t = {.file = "built-in:local"};
    struct weir_buf text;

    weir_buf_init(&text, 64 << 10);
    weir_local_manifest(env, b->has_agent, b->has_route, &text);
    t.text = weir_buf_str(&text);
    read_text(b, &t, errors);
    weir_buf_fini(&text);
}

static void finish_object(struct weir_policy_set *s, struct weir_policy_object *o,
                          const struct weir__config_item *i)
{
    char version[WEIR_VERSION_CHARS + 1];

    *o = (struct weir_policy_object){.type = i->o.kind->name,
                                     .ns = i->o.ns,
                                     .name = i->o.name,
                                     .message = i->o.message,
                                     .kind = i->o.kind,
                                     .file = i->o.file,
                                     .line = i->o.line,
                                     .built_in = i->built_in};
    o->full_name = weir_arena_printf(s->arena, "%s/%s", o->ns, o->name);
    o->body = weir_message_pack(s->arena, o->message);
    /* Where it comes from makes the default prices, not what they are called. */
    o->sent_as = o->built_in && strcmp(o->type, "PriceList") == 0 ? "DefaultPriceList" : o->type;
    weir_message_version(weir_str_of(o->sent_as), weir_str_of(o->full_name), o->body, version);
    o->version = weir_arena_strdup(s->arena, weir_str_of(version));
}

static void add_hash(struct weir_sha256 *h, const char *z)
{
    weir_sha256_add(h, z, strlen(z) + 1);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list_namespaces(struct weir_policy_set *s)
{
    size_t kept = 0;

    s->namespaces = weir_arena_alloc(s->arena, (s->count + 1) * sizeof *s->namespaces);
    s->namespaces[s->namespace_count++] = "default";
    for (size_t i = 0; i < s->count; i++)
        s->namespaces[s->namespace_count++] = s->objects[i].ns;
    qsort(s->namespaces, s->namespace_count, sizeof *s->namespaces, by_text);
    for (size_t i = 0; i < s->namespace_count; i++)
        if (kept == 0 || strcmp(s->namespaces[kept - 1], s->namespaces[i]) != 0)
            s->namespaces[kept++] = s->namespaces[i];
    s->namespace_count = kept;
}

static struct weir_policy_set *finish(struct builder *b)
{
    struct weir_policy_set *s = WEIR_NEW(struct weir_policy_set);
    unsigned char digest[WEIR_SHA256_BYTES];
    struct weir_sha256 h;

    atomic_init(&s->refs, 1);
    s->arena = b->arena;
    s->count = b->n;
    s->objects = weir_arena_zalloc(s->arena, (b->n ? b->n : 1) * sizeof *s->objects);
    weir_sha256_init(&h);
    for (size_t i = 0; i < b->n; i++) {
        finish_object(s, &s->objects[i], &b->items[i]);
        add_hash(&h, s->objects[i].type);
        add_hash(&h, s->objects[i].full_name);
        add_hash(&h, s->objects[i].version);
    }
    weir_sha256_end(&h, digest);
    weir_hex(digest, WEIR_VERSION_CHARS / 2, s->revision);
    list_namespaces(s);
    return s;
}

int weir_policy_set_build(const struct weir_policy_text texts[], size_t n,
                          const struct weir_local_env *local_env, struct weir_data_errors *errors,
                          struct weir_policy_set **out)
{
    size_t before = errors->count + errors->dropped;
    struct builder b = {.arena = weir_arena_create(NULL)};

    for (size_t i = 0; i < n; i++)
        read_text(&b, &texts[i], errors);
    if (local_env && !b.has_provider)
        add_local(&b, local_env, errors);
    if (b.n)
        qsort(b.items, b.n, sizeof *b.items, weir__config_compare);
    weir__config_check(b.items, b.n, errors);
    if (errors->count + errors->dropped != before) {
        free(b.items);
        weir_arena_destroy(b.arena);
        return WEIR_EINVAL;
    }
    *out = finish(&b);
    free(b.items);
    return WEIR_OK;
}

struct weir_policy_set *weir_policy_set_ref(struct weir_policy_set *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void weir_policy_set_unref(struct weir_policy_set *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    weir_arena_destroy(s->arena);
    free(s);
}

const char *weir_policy_set_revision(const struct weir_policy_set *s)
{
    return s->revision;
}

size_t weir_policy_set_count(const struct weir_policy_set *s)
{
    return s->count;
}

const struct weir_policy_object *weir_policy_set_at(const struct weir_policy_set *s, size_t i)
{
    return i < s->count ? &s->objects[i] : NULL;
}

/* As strcmp. */
static int compare(const char *z, struct weir_str s)
{
    int r = strncmp(z, s.p ? s.p : "", s.n);

    return r ? r : strlen(z) > s.n;
}

const struct weir_policy_object *weir_policy_set_find(const struct weir_policy_set *s,
                                                      struct weir_str type, struct weir_str ns,
                                                      struct weir_str name)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct weir_policy_object *o = &s->objects[mid];
        int r = compare(o->type, type);

        if (r == 0)
            r = compare(o->ns, ns);
        if (r == 0)
            r = compare(o->name, name);
        if (r == 0)
            return o;
        if (r < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

size_t weir_policy_set_namespaces(const struct weir_policy_set *s)
{
    return s->namespace_count;
}

const char *weir_policy_set_namespace_at(const struct weir_policy_set *s, size_t i)
{
    return i < s->namespace_count ? s->namespaces[i] : NULL;
}

int weir_config_burn_rate(const char *text, int64_t *out_thousandths)
{
    struct weir_str part, whole = weir_str_of(text);
    int64_t a = 0, b = 0, unit = 100;

    if (whole.n < 2 || whole.p[whole.n - 1] != 'x')
        return WEIR_EINVAL;
    whole.n--;
    whole = weir_str_cut(whole, '.', &part);
    if (weir_str_i64(whole, &a) || a < 1 || a > 1000 || (part.p && (part.n == 0 || part.n > 3)))
        return WEIR_EINVAL;
    for (size_t i = 0; part.p && i < part.n; i++, unit /= 10) {
        if (part.p[i] < '0' || part.p[i] > '9')
            return WEIR_EINVAL;
        b += (part.p[i] - '0') * unit;
    }
    a = a * 1000 + b;
    if (a <= 1000 || a > 1000000)
        return WEIR_EINVAL;
    *out_thousandths = a;
    return WEIR_OK;
}
