/* apply.c - see apply.h. A change is made on copies of the folder's texts, the set that they give
 * is checked whole, and only then is anything written. */
#include "controlplane/config/apply.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "controlplane/config/edit.h"
#include "controlplane/config/folder.h"
#include "controlplane/config/local.h"

struct planner {
    const struct weir_policy_source_options *o;
    struct weir_arena *arena;
    struct weir_data_errors *errors;
    struct weir__config_texts texts;
    /* Parallel to texts.list. */
    bool *changed;
    struct weir_data_file **decoded; /* NULL: not yet, or the text changed since */
    struct weir_policy_plan *plan;
};

static int load(struct planner *p, size_t more)
{
    struct weir_data_errors *errors = p->errors;
    struct weir_data_errors ignored = {.arena = p->arena};
    int rc = weir__config_load(p->o, p->arena, &ignored, &p->texts);
    struct weir_policy_text *list = p->texts.list;

    if (p->texts.vanished)
        return WEIR_EIO;
    /* A folder that isn't there yet is made by the first apply. */
    if (rc && !(p->texts.missing && ignored.count == 1)) {
        for (size_t i = 0; i < ignored.count; i++)
            weir_data_error_add(errors, &ignored.list[i], "%s", ignored.list[i].what);
        return WEIR_EINVAL;
    }
    p->texts.list = weir_arena_alloc(p->arena, (p->texts.n + more) * sizeof *list);
    memcpy(p->texts.list, list, p->texts.n * sizeof *list);
    p->changed = weir_arena_zalloc(p->arena, (p->texts.n + more) * sizeof *p->changed);
    p->decoded = weir_arena_zalloc(p->arena, (p->texts.n + more) * sizeof *p->decoded);
    p->plan->list = weir_arena_zalloc(p->arena, (more + 1) * sizeof *p->plan->list);
    p->plan->count = 0;
    return WEIR_OK;
}

static bool is_same(const struct weir_data_object *a, struct weir_str type, struct weir_str ns,
                    struct weir_str name)
{
    return weir_str_is(type, a->kind->name) && weir_str_is(ns, a->ns) && weir_str_is(name, a->name);
}

static const struct weir_data_file *decoded(struct planner *p, size_t i)
{
    const struct weir_policy_text *t = &p->texts.list[i];
    struct weir_data_errors ignored = {.arena = p->arena}; /* check() reports them */

    if (!p->decoded[i]) {
        p->decoded[i] = WEIR_ARENA_NEW(p->arena, struct weir_data_file);
        (void)!weir_data_decode(p->arena, weir_str_of(t->file),
                                weir_data_syntax_of(weir_str_of(t->file)), t->text, &ignored,
                                p->decoded[i]);
    }
    return p->decoded[i];
}

/* The text that holds an object, with its decoded form. Broken neighbours don't hide it. */
static struct weir_policy_text *holder(struct planner *p, struct weir_str type, struct weir_str ns,
                                       struct weir_str name, const struct weir_data_file **out_file,
                                       size_t *out_index)
{
    for (size_t i = 0; i < p->texts.n; i++) {
        const struct weir_data_file *file;

        if (p->texts.list[i].built_in)
            continue;
        file = decoded(p, i);
        for (size_t k = 0; k < file->count; k++)
            if (is_same(&file->objects[k], type, ns, name)) {
                *out_file = file;
                *out_index = k;
                return &p->texts.list[i];
            }
    }
    return NULL;
}

static void set_text(struct planner *p, struct weir_policy_text *t, struct weir_str text)
{
    t->text = text;
    p->changed[t - p->texts.list] = true;
    p->decoded[t - p->texts.list] = NULL;
}

static const char *yaml_of(struct planner *p, const ProtobufCMessage *m)
{
    struct weir_buf b;
    const char *text;

    if (!m)
        return "";
    weir_buf_init(&b, WEIR_DATA_MAX_BYTES);
    text = weir_render_yaml(m, &b) ? "" : weir_arena_strdup(p->arena, weir_buf_str(&b));
    weir_buf_fini(&b);
    return text;
}

/* Where a new object goes: the policy's one file, or a file of its own. */
static const char *new_file(struct planner *p, const struct weir_data_object *o)
{
    struct weir_str path = weir_str_of(p->o->path);
    char kind[64];
    size_t n = 0;
    struct stat st;

    if ((path.p && stat(path.p, &st) == 0 && !S_ISDIR(st.st_mode)) ||
        (p->texts.missing &&
         (weir_str_ends(path, WEIR_STR(".yaml")) || weir_str_ends(path, WEIR_STR(".yml")))))
        return p->o->path;
    for (; o->kind->name[n] && n + 1 < sizeof kind; n++)
        kind[n] = (char)tolower((unsigned char)o->kind->name[n]);
    kind[n] = 0;
    if (!path.p) /* only planned */
        return weir_arena_printf(p->arena, "%s-%s-%s.yaml", kind, o->ns, o->name);
    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    return weir_arena_printf(p->arena, "%.*s/%s-%s-%s.yaml", WEIR_STR_ARG(path), kind, o->ns,
                             o->name);
}

static struct weir_policy_text *text_at(struct planner *p, const char *file)
{
    for (size_t i = 0; i < p->texts.n; i++)
        if (!p->texts.list[i].built_in && strcmp(p->texts.list[i].file, file) == 0)
            return &p->texts.list[i];
    p->texts.list[p->texts.n] = (struct weir_policy_text){file, WEIR_STR(""), false};
    return &p->texts.list[p->texts.n++];
}

static void put_object(struct planner *p, const struct weir_data_object *o)
{
    struct weir_policy_change *c = &p->plan->list[p->plan->count++];
    const struct weir_data_file *file;
    size_t at = 0;
    struct weir_policy_text *t =
        holder(p, weir_str_of(o->kind->name), weir_str_of(o->ns), weir_str_of(o->name), &file, &at);
    const ProtobufCMessage *old = t ? file->objects[at].message : NULL;

    *c = (struct weir_policy_change){.type = o->kind->name,
                                     .ns = o->ns,
                                     .name = o->name,
                                     .file = t ? t->file : new_file(p, o),
                                     .before = yaml_of(p, old),
                                     .after = yaml_of(p, o->message)};
    if (!t) {
        c->action = WEIR_POLICY_CREATED;
        t = text_at(p, c->file);
        set_text(p, t, weir__edit_append(p->arena, t, o->message));
    } else if (old && strcmp(c->before, c->after) == 0) {
        c->action = WEIR_POLICY_UNCHANGED;
        return;
    } else {
        c->action = WEIR_POLICY_CHANGED;
        set_text(p, t, weir__edit_replace(p->arena, t, file, at, o->message));
    }
}

/* The whole set that the texts give. */
static int check(struct planner *p)
{
    struct weir_local_env env = weir_local_env_read();
    struct weir_policy_set *set;
    int rc = weir_policy_set_build(p->texts.list, p->texts.n, p->o->local_defaults ? &env : NULL,
                                   p->errors, &set);

    if (rc == WEIR_OK)
        weir_policy_set_unref(set);
    return rc;
}

int weir_policy_check(const struct weir_policy_source_options *o, struct weir_arena *arena,
                      struct weir_data_errors *errors)
{
    struct weir_policy_plan plan;
    struct planner p = {.o = o, .arena = arena, .errors = errors, .plan = &plan};
    int rc = load(&p, 0);

    return rc ? rc : check(&p);
}

static int check_twice(struct planner *p, const struct weir_data_file *f)
{
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct weir_data_object *a = &f->objects[k], *b = &f->objects[i];
            struct weir_data_error e = {
                .file = b->file, .line = b->line, .kind = b->kind->name, .name = b->name};

            if (!is_same(a, weir_str_of(b->kind->name), weir_str_of(b->ns), weir_str_of(b->name)))
                continue;
            weir_data_error_add(p->errors, &e, "is already defined in line %u: remove one",
                                a->line);
            return WEIR_EINVAL;
        }
    return WEIR_OK;
}

enum { MAX_MANIFEST_OBJECTS = 1000 };

static int make_plan(struct planner *p, struct weir_str file_name, struct weir_str text)
{
    struct weir_data_error e = {.file = weir_arena_strdup(p->arena, file_name)};
    struct weir_data_file f;
    int rc =
        weir_data_decode(p->arena, file_name, weir_data_syntax_of(file_name), text, p->errors, &f);

    if (rc == WEIR_OK)
        rc = check_twice(p, &f);
    if (rc == WEIR_OK && (f.count == 0 || f.count > MAX_MANIFEST_OBJECTS)) {
        weir_data_error_add(p->errors, &e, "%s",
                            f.count ? "has too many objects: apply at most 1000 at once"
                                    : "holds no object");
        rc = WEIR_EINVAL;
    }
    if (rc == WEIR_OK)
        rc = load(p, f.count);
    for (size_t i = 0; rc == WEIR_OK && i < f.count; i++)
        put_object(p, &f.objects[i]);
    return rc ? rc : check(p);
}

static int write_changes(struct planner *p)
{
    struct stat st;

    for (size_t i = 0; i < p->texts.n; i++) {
        const struct weir_policy_text *t = &p->texts.list[i];

        if (!p->changed[i])
            continue;
        if (weir_str_trim(t->text).n == 0) {
            if (unlink(t->file) && errno != ENOENT)
                return WEIR_EIO;
            continue;
        }
        if (p->texts.missing && strcmp(t->file, p->o->path) != 0 &&
            weir_file_mkdirs(p->o->path, 0755))
            return WEIR_EIO;
        /* A file keeps who may read it. */
        if (weir_file_replace(t->file, t->text, stat(t->file, &st) == 0 ? st.st_mode & 0777 : 0644,
                              true))
            return WEIR_EIO;
    }
    return WEIR_OK;
}

static int share_changes(struct planner *p)
{
    const struct weir_policy_shared *shared = p->o->shared;
    int rc = WEIR_OK;

    for (size_t i = 0; rc == WEIR_OK && i < p->texts.n; i++)
        if (p->changed[i])
            rc = shared->change(shared->arg, p->texts.list[i].file, p->texts.list[i].text);
    return rc == WEIR_OK ? shared->commit(shared->arg) : rc;
}

static int save_changes(struct planner *p)
{
    int rc = p->o->shared ? share_changes(p) : WEIR_OK;

    return rc == WEIR_OK ? write_changes(p) : rc;
}

int weir_policy_plan(const struct weir_policy_source_options *o, struct weir_str file_name,
                     struct weir_str text, struct weir_arena *arena,
                     struct weir_data_errors *errors, struct weir_policy_plan *out)
{
    struct weir_policy_plan plan = {0};
    struct planner p = {.o = o, .arena = arena, .errors = errors, .plan = &plan};
    int rc = make_plan(&p, file_name, text);

    if (rc == WEIR_OK)
        *out = plan;
    return rc;
}

int weir_policy_apply(const struct weir_policy_source_options *o, struct weir_str file_name,
                      struct weir_str text, struct weir_arena *arena,
                      struct weir_data_errors *errors, struct weir_policy_plan *out)
{
    struct weir_policy_plan plan = {0};
    struct planner p = {.o = o, .arena = arena, .errors = errors, .plan = &plan};
    int rc = !o->path ? WEIR_ESTATE : o->shared ? o->shared->begin(o->shared->arg) : WEIR_OK;

    if (rc != WEIR_OK)
        return rc;
    rc = make_plan(&p, file_name, text);
    if (rc == WEIR_OK)
        rc = save_changes(&p);
    if (o->shared)
        o->shared->end(o->shared->arg, rc == WEIR_OK);
    if (rc == WEIR_OK)
        *out = plan;
    return rc;
}

static int plan_deletion(struct planner *p, struct weir_str type, struct weir_str ns,
                         struct weir_str name)
{
    struct weir_policy_text *t;
    const struct weir_data_file *file;
    size_t at;
    int rc = load(p, 1);

    if (rc)
        return rc;
    t = holder(p, type, ns, name, &file, &at);
    if (!t)
        return WEIR_ENOTFOUND;
    p->plan->list[p->plan->count++] =
        (struct weir_policy_change){.action = WEIR_POLICY_DELETED,
                                    .type = file->objects[at].kind->name,
                                    .ns = file->objects[at].ns,
                                    .name = file->objects[at].name,
                                    .file = t->file,
                                    .before = yaml_of(p, file->objects[at].message),
                                    .after = ""};
    set_text(p, t, weir__edit_replace(p->arena, t, file, at, NULL));
    return check(p);
}

int weir_policy_delete(const struct weir_policy_source_options *o, struct weir_str type,
                       struct weir_str ns, struct weir_str name, struct weir_arena *arena,
                       struct weir_data_errors *errors, struct weir_policy_plan *out)
{
    struct weir_policy_plan plan = {0};
    struct planner p = {.o = o, .arena = arena, .errors = errors, .plan = &plan};
    int rc = !o->path ? WEIR_ENOTFOUND : o->shared ? o->shared->begin(o->shared->arg) : WEIR_OK;

    if (rc != WEIR_OK)
        return rc;
    rc = plan_deletion(&p, type, ns, name);
    if (rc == WEIR_OK)
        rc = save_changes(&p);
    if (o->shared)
        o->shared->end(o->shared->arg, rc == WEIR_OK);
    if (rc == WEIR_OK)
        *out = plan;
    return rc;
}
