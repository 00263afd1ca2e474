/* shared_policy.c - see shared_policy.h.
 *
 * A change: lock (here, and the store's one row) -> fetch what others changed -> plan and check on
 * that -> store the files, commit -> write them -> unlock. So two replicas never plan on the same
 * state, and an older text never overwrites a newer one. */
#include "controlplane/main/shared_policy.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/store/store.h"

enum { PATH_BYTES = 4096, REVISION_BYTES = 32 };

struct weir_shared_policy {
    struct weir_policy_shared hooks;
    pthread_mutex_t lock;
    struct weir_store *store;
    char path[PATH_BYTES], state_file[PATH_BYTES];
    bool folder;      /* path is one */
    int64_t applied;  /* revision that the folder has */
    int64_t revision; /* of the change under way */
    bool committed;
};

static const char *const migrations[] = {
    "CREATE TABLE policy_changed (id {int} PRIMARY KEY, revision {int} NOT NULL) {strict};"
    "INSERT INTO policy_changed VALUES (1, 0);"
    /* No text: the file is gone. */
    "CREATE TABLE policy_files (name TEXT PRIMARY KEY, revision {int} NOT NULL, text TEXT)"
    " {strict, keyed}",
};

/* ---- the folder ---- */

static void read_applied(struct weir_shared_policy *p)
{
    struct weir_buf b;

    weir_buf_init(&b, REVISION_BYTES);
    if (weir_file_read(p->state_file, &b) != WEIR_OK ||
        weir_str_i64(weir_str_trim(weir_buf_str(&b)), &p->applied) != WEIR_OK || p->applied < 0)
        p->applied = 0; /* then all is fetched again */
    weir_buf_fini(&b);
}

static int set_applied(struct weir_shared_policy *p, int64_t revision)
{
    char text[REVISION_BYTES];
    int rc;

    (void)snprintf(text, sizeof text, "%lld\n", (long long)revision);
    rc = weir_file_replace(p->state_file, weir_str_of(text), 0600, true);
    if (rc == WEIR_OK)
        p->applied = revision;
    return rc;
}

/* name comes from the database and must not lead out of the folder. */
static int file_of(const struct weir_shared_policy *p, struct weir_str name, char out[PATH_BYTES])
{
    bool safe = name.n > 0 && name.p[0] != '.' && !memchr(name.p, '/', name.n);
    int n;

    if (p->folder ? !safe : name.n > 0) {
        WEIR_LOG(WEIR_LOG_ERROR, "policy",
                 "a change of another replica is left out: it is to \"%.*s\", and --policy is a "
                 "%s here",
                 WEIR_STR_ARG(name), p->folder ? "folder" : "file");
        return WEIR_ENOTFOUND;
    }
    n = name.n ? snprintf(out, PATH_BYTES, "%s/%.*s", p->path, WEIR_STR_ARG(name))
               : snprintf(out, PATH_BYTES, "%s", p->path);
    return n < PATH_BYTES ? WEIR_OK : WEIR_EINVAL;
}

static int write_one(struct weir_shared_policy *p, struct weir_str name, struct weir_str text,
                     bool gone)
{
    char path[PATH_BYTES];
    struct stat st;
    int rc = file_of(p, name, path);

    if (rc == WEIR_ENOTFOUND)
        return WEIR_OK;
    if (rc == WEIR_OK && gone)
        rc = unlink(path) == 0 || errno == ENOENT ? WEIR_OK : WEIR_EIO;
    else if (rc == WEIR_OK)
        rc = weir_file_replace(path, text, stat(path, &st) == 0 ? st.st_mode & 0777 : 0644, true);
    if (rc != WEIR_OK)
        WEIR_LOG(WEIR_LOG_ERROR, "policy", "a change of another replica can't be written to %s",
                 path);
    return rc;
}

/* With the lock held: *revision is the store's. */
static int fetch(struct weir_shared_policy *p, int64_t revision)
{
    struct weir_stmt *st;
    int rc;

    if (revision == p->applied)
        return WEIR_OK;
    rc = p->folder ? weir_file_mkdirs(p->path, 0755) : WEIR_OK;
    if (rc == WEIR_OK)
        rc = weir_store_stmt(p->store,
                             "SELECT name, text FROM policy_files"
                             " WHERE revision > ?1 AND revision <= ?2 ORDER BY revision, name",
                             &st);
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, p->applied);
    weir_stmt_bind_i64(st, 2, revision);
    while ((rc = weir_stmt_step(st)) == 1) {
        rc = write_one(p, weir_stmt_str(st, 0), weir_stmt_str(st, 1), weir_stmt_is_null(st, 1));
        if (rc != WEIR_OK)
            break;
    }
    weir_stmt_reset(st);
    return rc == WEIR_OK ? set_applied(p, revision) : rc;
}

int weir_shared_policy_sync(struct weir_shared_policy *p, bool *out_changed)
{
    struct weir_stmt *st;
    int64_t before, revision = 0;
    int rc;

    (void)pthread_mutex_lock(&p->lock);
    before = p->applied;
    rc = weir_store_stmt(p->store, "SELECT revision FROM policy_changed WHERE id = 1", &st);
    if (rc == WEIR_OK)
        rc = weir_stmt_run_i64(st, &revision);
    if (rc == WEIR_OK)
        rc = fetch(p, revision);
    *out_changed = p->applied != before;
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}

/* ---- a change of this replica's ---- */

static int take_turn(struct weir_shared_policy *p)
{
    struct weir_stmt *st;
    int64_t revision = 0;
    int rc = weir_store_begin(p->store);

    if (rc == WEIR_OK)
        rc = weir_store_stmt(p->store,
                             "SELECT revision FROM policy_changed WHERE id = 1 {for update}", &st);
    if (rc == WEIR_OK)
        rc = weir_stmt_run_i64(st, &revision);
    if (rc == WEIR_OK)
        rc = fetch(p, revision);
    p->revision = revision + 1;
    p->committed = false;
    return rc;
}

static int begin(void *arg)
{
    struct weir_shared_policy *p = arg;
    int rc;

    /* What all others take must not be what this one can't. */
    if (access(p->path, F_OK) == 0 && access(p->path, W_OK) != 0)
        return WEIR_EIO;
    (void)pthread_mutex_lock(&p->lock);
    rc = take_turn(p);
    if (rc != WEIR_OK) {
        weir_store_rollback(p->store);
        (void)pthread_mutex_unlock(&p->lock);
    }
    return rc;
}

static struct weir_str name_of(const struct weir_shared_policy *p, const char *file)
{
    const char *slash = strrchr(file, '/');

    return p->folder ? weir_str_of(slash ? slash + 1 : file) : WEIR_STR("");
}

static int change(void *arg, const char *file, struct weir_str text)
{
    struct weir_shared_policy *p = arg;
    struct weir_stmt *st;
    int rc = weir_store_stmt(p->store,
                             "INSERT INTO policy_files(name, revision, text) VALUES(?1, ?2, ?3)"
                             " ON CONFLICT (name) DO UPDATE SET revision = excluded.revision,"
                             " text = excluded.text",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, name_of(p, file));
    weir_stmt_bind_i64(st, 2, p->revision);
    if (weir_str_trim(text).n)
        weir_stmt_bind_str(st, 3, text);
    else
        weir_stmt_bind_null(st, 3);
    return weir_stmt_run(st);
}

static int commit(void *arg)
{
    struct weir_shared_policy *p = arg;
    struct weir_stmt *st;
    int rc = weir_store_stmt(p->store, "UPDATE policy_changed SET revision = ?1 WHERE id = 1", &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, p->revision);
    rc = weir_stmt_run(st);
    if (rc == WEIR_OK)
        rc = weir_store_commit(p->store);
    p->committed = rc == WEIR_OK;
    return rc;
}

static void end(void *arg, bool written)
{
    struct weir_shared_policy *p = arg;

    weir_store_rollback(p->store);
    /* Without it the change is fetched as if it were another replica's. */
    if (written && p->committed)
        (void)!set_applied(p, p->revision);
    (void)pthread_mutex_unlock(&p->lock);
}

/* ---- */

static bool is_folder(const char *path)
{
    struct weir_str s = weir_str_of(path);
    struct stat st;

    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode);
    return !weir_str_ends(s, WEIR_STR(".yaml")) && !weir_str_ends(s, WEIR_STR(".yml"));
}

int weir_shared_policy_open(const char *dsn, const char *path, const char *state,
                            struct weir_shared_policy **out)
{
    struct weir_shared_policy *p = WEIR_NEW(struct weir_shared_policy);
    bool changed;
    int rc;

    (void)pthread_mutex_init(&p->lock, NULL);
    p->hooks = (struct weir_policy_shared){
        .arg = p, .begin = begin, .change = change, .commit = commit, .end = end};
    p->folder = is_folder(path);
    rc = snprintf(p->path, sizeof p->path, "%s", path) < (int)sizeof p->path &&
                 snprintf(p->state_file, sizeof p->state_file, "%s/policy.revision", state) <
                     (int)sizeof p->state_file
             ? weir_store_open(dsn, WEIR_STORE_FULL_SYNC, &p->store)
             : WEIR_EINVAL;
    if (rc == WEIR_OK)
        rc = weir_store_migrate(p->store, "policy", migrations,
                                sizeof migrations / sizeof *migrations);
    read_applied(p);
    if (rc == WEIR_OK)
        rc = weir_shared_policy_sync(p, &changed);
    if (rc != WEIR_OK) {
        weir_shared_policy_close(p);
        return rc;
    }
    *out = p;
    return WEIR_OK;
}

void weir_shared_policy_close(struct weir_shared_policy *p)
{
    if (!p)
        return;
    weir_store_close(p->store);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

const struct weir_policy_shared *weir_shared_policy_hooks(struct weir_shared_policy *p)
{
    return &p->hooks;
}
