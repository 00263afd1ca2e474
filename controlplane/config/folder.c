/* folder.c - see folder.h. */
#include "controlplane/config/folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

struct loader {
    struct weir_arena *arena;
    struct weir_data_errors *errors;
    struct weir__config_texts *out;
    size_t total;
};

/* Editors leave ".x.swp", "x~", "#x#" and "4913"; Kubernetes leaves "..data". */
static bool is_manifest(const char *name)
{
    struct weir_str s = weir_str_of(name);

    return s.n > 0 && s.p[0] != '.' && s.p[0] != '#' && s.p[s.n - 1] != '~' &&
           (weir_str_ends(s, WEIR_STR(".yaml")) || weir_str_ends(s, WEIR_STR(".yml")) ||
            weir_str_ends(s, WEIR_STR(".json")));
}

static void fail(struct loader *l, const char *file, const char *what)
{
    struct weir_data_error e = {.file = file};

    weir_data_error_add(l->errors, &e, "%s", what);
}

static void read_one(struct loader *l, const char *path, bool built_in)
{
    struct weir_buf b;
    int rc;

    weir_buf_init(&b, WEIR_DATA_MAX_BYTES);
    rc = weir_file_read(path, &b);
    if (rc == WEIR_ENOTFOUND && !built_in)
        l->out->vanished = true;
    else if (rc == WEIR_ENOTFOUND)
        fail(l, path, "is not there: create it");
    else if (rc == WEIR_ELIMIT || l->total + b.n > WEIR_CONFIG_MAX_TOTAL_BYTES)
        fail(l, path, "is too large: at most 4 MiB a file and 64 MiB in all");
    else if (rc)
        fail(l, path, "cannot be read: check its permissions");
    else
        l->out->list[l->out->n++] =
            (struct weir_policy_text){path, weir_arena_copy(l->arena, weir_buf_str(&b)), built_in};
    l->total += b.n;
    weir_buf_fini(&b);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void read_folder(struct loader *l, const char *path)
{
    const char **names = weir_arena_alloc(l->arena, WEIR_CONFIG_MAX_FILES * sizeof *names);
    DIR *d = opendir(path);
    struct dirent *entry;
    struct stat st;
    size_t n = 0;

    if (!d) {
        fail(l, path, "cannot be read: check its permissions");
        return;
    }
    while ((entry = readdir(d)) != NULL) {
        const char *full;

        if (!is_manifest(entry->d_name))
            continue;
        full = weir_arena_printf(l->arena, "%s/%s", path, entry->d_name);
        if (stat(full, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (n == WEIR_CONFIG_MAX_FILES) {
            fail(l, path, "has too many files: at most 4096");
            break;
        }
        names[n++] = full;
    }
    closedir(d);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++)
        read_one(l, names[i], false);
}

static void load_path(struct loader *l, const char *path)
{
    const char *watched = weir__config_watch_path(path, l->arena);
    struct stat st;

    if (stat(watched, &st) == 0) {
        l->out->device = (uint64_t)st.st_dev;
        l->out->inode = (uint64_t)st.st_ino;
    }
    if (stat(path, &st) != 0) {
        l->out->missing = true;
        fail(l, path, errno == ENOENT ? "is not there: create it" : "cannot be read");
    } else if (S_ISDIR(st.st_mode)) {
        read_folder(l, path);
    } else {
        read_one(l, path, false);
    }
}

static void fingerprint(struct weir__config_texts *t)
{
    unsigned char digest[WEIR_SHA256_BYTES];
    struct weir_sha256 h;

    weir_sha256_init(&h);
    for (size_t i = 0; i < t->n; i++) {
        uint64_t bytes = t->list[i].text.n;

        weir_sha256_add(&h, t->list[i].file, strlen(t->list[i].file) + 1);
        weir_sha256_add(&h, &bytes, sizeof bytes);
        weir_sha256_add(&h, t->list[i].text.p, t->list[i].text.n);
    }
    weir_sha256_end(&h, digest);
    weir_hex(digest, sizeof digest, t->fingerprint);
}

int weir__config_load(const struct weir_policy_source_options *o, struct weir_arena *arena,
                      struct weir_data_errors *errors, struct weir__config_texts *out)
{
    struct loader l = {.arena = arena, .errors = errors, .out = out};
    size_t before = errors->count + errors->dropped;

    *out = (struct weir__config_texts){0};
    out->list = weir_arena_alloc(arena, (WEIR_CONFIG_MAX_FILES + 2) * sizeof *out->list);
    if (o->price_text)
        out->list[out->n++] =
            (struct weir_policy_text){"built-in:prices", weir_str_of(o->price_text), true};
    if (o->price_path)
        read_one(&l, o->price_path, true);
    if (o->path)
        load_path(&l, o->path);
    fingerprint(out);
    return errors->count + errors->dropped == before ? WEIR_OK : WEIR_EINVAL;
}

const char *weir__config_watch_path(const char *path, struct weir_arena *arena)
{
    const char *slash = strrchr(path, '/');
    struct stat st;

    if (stat(path, &st) == 0 ? S_ISDIR(st.st_mode) : !is_manifest(slash ? slash + 1 : path))
        return path;
    if (!slash)
        return ".";
    return weir_arena_strdup(arena,
                             (struct weir_str){path, slash == path ? 1 : (size_t)(slash - path)});
}
