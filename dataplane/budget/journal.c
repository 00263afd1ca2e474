#include "dataplane/budget/journal.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    HEADER_BYTES = 4096,
    CHUNK_SLOTS = 64,
    BOOT_ID_BYTES = 40,
    GONE_MAX = 8,
    INCARNATION_BYTES = 64
};

static const char MAGIC[8] = {'W', 'E', 'I', 'R', 'J', 'N', 'L', '1'};

struct header {
    char magic[8];
    char boot_id[BOOT_ID_BYTES];
    uint64_t inode;
    /* Who wrote it, the latest first; those after it had ended before. */
    char incarnations[1 + GONE_MAX][INCARNATION_BYTES];
    uint32_t incomplete; /* a lease of theirs found no room here, or was damaged */
    uint32_t crc;        /* of what precedes it */
};

/* Two copies, written in turn: a kill in the middle of one leaves the other. That one is older by a
 * single step, which is safe: the call of a hold that was not yet written has not started, and one
 * whose settlement was not yet written is charged in full. */
struct state {
    uint64_t version;
    int64_t granted, returned, settled, held;
    uint32_t crc;
    uint32_t zero;
};

struct slot {
    char lease[WEIR_JOURNAL_LEASE_MAX]; /* "": free */
    uint32_t crc;                       /* of lease */
    uint32_t zero;
    struct state state[2];
};

#define MAP_BYTES (HEADER_BYTES + WEIR_JOURNAL_SLOTS_MAX * sizeof(struct slot))

struct weir_journal {
    struct header header; /* as in the file */
    int fd;
    char *map; /* MAP_BYTES, of which only what the file has may be touched */
    int slots; /* in the file */
    int free_hint;
    uint64_t version[WEIR_JOURNAL_SLOTS_MAX];
};

static uint32_t state_crc(const struct state *s)
{
    return weir_crc32c(s, offsetof(struct state, crc)) ^ 0x5eed1ea5u; /* so that zeros don't pass */
}

static uint32_t lease_crc(const char lease[WEIR_JOURNAL_LEASE_MAX])
{
    return weir_crc32c(lease, WEIR_JOURNAL_LEASE_MAX) ^ 0x5eed1ea5u;
}

static struct slot *slot_at(struct weir_journal *j, int i)
{
    return (struct slot *)(j->map + HEADER_BYTES) + i;
}

static bool state_ok(const struct state *s)
{
    return s->version > 0 && s->crc == state_crc(s) && s->granted >= 0 &&
           s->granted <= WEIR_AMOUNT_MAX && s->returned >= 0 && s->returned <= s->granted &&
           s->settled >= 0 && s->settled <= WEIR_AMOUNT_MAX && s->held >= 0 &&
           s->held <= WEIR_AMOUNT_MAX;
}

/* WEIR_ENOTFOUND: a free slot. WEIR_ECORRUPT: neither copy can be read. */
static int read_slot(const struct slot *s, struct weir_lease_held *out, uint64_t *version)
{
    bool a = state_ok(&s->state[0]), b = state_ok(&s->state[1]);
    const struct state *best;

    if (s->lease[0] == '\0')
        return WEIR_ENOTFOUND;
    if (s->lease[sizeof s->lease - 1] != '\0' || s->crc != lease_crc(s->lease) || (!a && !b))
        return WEIR_ECORRUPT;
    best = a && (!b || s->state[0].version > s->state[1].version) ? &s->state[0] : &s->state[1];
    *out = (struct weir_lease_held){.granted = best->granted,
                                    .returned = best->returned,
                                    .settled = best->settled,
                                    .held = best->held};
    *version = best->version;
    return WEIR_OK;
}

size_t weir_journal_slot_bytes(void)
{
    return sizeof(struct slot);
}

size_t weir_journal_scan(const void *slots, size_t n_bytes, weir_journal_found_fn found, void *arg)
{
    size_t n = n_bytes / sizeof(struct slot), damaged = 0;

    for (size_t i = 0; i < n && i < WEIR_JOURNAL_SLOTS_MAX; i++) {
        struct slot s;
        struct weir_lease_held l;
        uint64_t version;
        int rc;

        memcpy(&s, (const char *)slots + i * sizeof s, sizeof s);
        rc = read_slot(&s, &l, &version);
        if (rc == WEIR_OK)
            found(arg, s.lease, &l, (int)i);
        else if (rc == WEIR_ECORRUPT)
            damaged++;
    }
    return damaged;
}

static void read_boot_id(char out[BOOT_ID_BYTES])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(out, 0, BOOT_ID_BYTES);
    if (fd < 0)
        return;
    if (read(fd, out, BOOT_ID_BYTES - 1) < 0)
        out[0] = '\0';
    (void)close(fd);
}

static_assert(sizeof(struct header) <= HEADER_BYTES, "the header has its own page");

static void header_make(struct header *h, uint64_t inode, const char *incarnation)
{
    memset(h, 0, sizeof *h);
    memcpy(h->magic, MAGIC, sizeof MAGIC);
    read_boot_id(h->boot_id);
    h->inode = inode;
    if (strlen(incarnation) < INCARNATION_BYTES)
        memcpy(h->incarnations[0], incarnation, strlen(incarnation));
    else
        h->incomplete = 1;
}

static void header_write(struct weir_journal *j)
{
    j->header.crc = weir_crc32c(&j->header, offsetof(struct header, crc));
    memcpy(j->map, &j->header, sizeof j->header);
}

const char *weir_journal_gone(const struct weir_journal *j, int i)
{
    if (i < 0 || i >= GONE_MAX || j->header.incarnations[1 + i][0] == '\0')
        return NULL;
    return j->header.incarnations[1 + i];
}

/* NULL: the records can be believed; else why not. */
static const char *header_doubt(const struct header *have, const struct header *want)
{
    if (memcmp(have->magic, MAGIC, sizeof MAGIC) != 0)
        return "is no journal";
    if (have->crc != weir_crc32c(have, offsetof(struct header, crc)))
        return "is damaged";
    if (want->boot_id[0] == '\0' || memcmp(have->boot_id, want->boot_id, BOOT_ID_BYTES) != 0)
        return "is from before the last boot";
    if (have->inode != want->inode)
        return "is a copy";
    return NULL;
}

/* Memory beyond the end of a file can't be touched, and a full disk must not be found out by a
 * signal: so the room is made first. */
static bool extend(struct weir_journal *j)
{
    int to = j->slots + CHUNK_SLOTS;
    off_t bytes = (off_t)(HEADER_BYTES + (size_t)to * sizeof(struct slot));

    if (to > WEIR_JOURNAL_SLOTS_MAX || posix_fallocate(j->fd, 0, bytes) != 0)
        return false;
    j->slots = to;
    return true;
}

static void adopt_one(struct weir_journal *j, int i, weir_journal_found_fn found, void *arg,
                      int *damaged)
{
    struct slot *s = slot_at(j, i);
    struct weir_lease_held l;
    int rc = read_slot(s, &l, &j->version[i]);

    if (rc == WEIR_OK) {
        found(arg, s->lease, &l, i);
        return;
    }
    if (rc == WEIR_ECORRUPT)
        (*damaged)++;
    memset(s, 0, sizeof *s);
}

static bool load(struct weir_journal *j, const char *path, const struct stat *st,
                 const char *incarnation, weir_journal_found_fn found, void *arg)
{
    off_t bytes = st->st_size;
    struct header have = {0};
    const char *doubt = NULL;
    int damaged = 0;

    header_make(&j->header, st->st_ino, incarnation);
    if (bytes >= HEADER_BYTES) {
        memcpy(&have, j->map, sizeof have);
        doubt = header_doubt(&have, &j->header);
        j->slots = (int)(((size_t)bytes - HEADER_BYTES) / sizeof(struct slot));
    } else if (bytes > 0)
        doubt = "is cut short";
    if (doubt) {
        WEIR_LOG(WEIR_LOG_WARN, "budget",
                 "journal %s %s: leases of the last start stay lent until their windows end", path,
                 doubt);
        j->slots = 0;
        have.incomplete = 1;
        if (ftruncate(j->fd, 0) != 0)
            return false;
    }
    if (j->slots == 0 && !extend(j))
        return false;
    for (int i = 0; i < j->slots; i++)
        adopt_one(j, i, found, arg, &damaged);
    if (damaged > 0)
        WEIR_LOG(WEIR_LOG_WARN, "budget",
                 "journal %s: %d records are damaged, their leases stay lent until their windows "
                 "end",
                 path, damaged);
    if (damaged == 0 && !have.incomplete)
        memcpy(j->header.incarnations[1], have.incarnations[0],
               (size_t)GONE_MAX * INCARNATION_BYTES);
    header_write(j);
    return true;
}

struct weir_journal *weir_journal_open(const char *path, const char *incarnation,
                                       weir_journal_found_fn found, void *arg)
{
    struct weir_journal *j = WEIR_NEW(struct weir_journal);
    struct stat st;

    j->map = MAP_FAILED;
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0 || flock(j->fd, LOCK_EX | LOCK_NB) != 0 || fstat(j->fd, &st) != 0)
        goto fail;
    if (st.st_size > (off_t)MAP_BYTES) /* none of ours is: treated as no journal */
        st.st_size = 1;
    j->map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, j->fd, 0);
    if (j->map == MAP_FAILED || !load(j, path, &st, incarnation, found, arg))
        goto fail;
    return j;
fail:
    WEIR_LOG(WEIR_LOG_WARN, "budget", "no journal in %s: %m; a crash will strand leases", path);
    weir_journal_close(j);
    return NULL;
}

void weir_journal_close(struct weir_journal *j)
{
    if (!j)
        return;
    if (j->map != MAP_FAILED)
        (void)munmap(j->map, MAP_BYTES);
    if (j->fd >= 0)
        (void)close(j->fd);
    free(j);
}

int weir_journal_add(struct weir_journal *j, const char *lease, const struct weir_lease_held *l)
{
    char name[WEIR_JOURNAL_LEASE_MAX] = {0};
    size_t n = strlen(lease);
    struct slot *s;
    int i = j->free_hint;

    if (n == 0 || n >= WEIR_JOURNAL_LEASE_MAX)
        return -1;
    while (i < j->slots && slot_at(j, i)->lease[0] != '\0')
        i++;
    if (i >= j->slots && !extend(j)) {
        j->header.incomplete = 1;
        header_write(j);
        return -1;
    }
    j->free_hint = i + 1;
    s = slot_at(j, i);
    memset(s, 0, sizeof *s);
    j->version[i] = 0;
    weir_journal_write(j, i, l);
    weir_journal_write(j, i, l);
    memcpy(name, lease, n);
    s->crc = lease_crc(name);
    memcpy(s->lease + 1, name + 1, sizeof name - 1);
    atomic_signal_fence(memory_order_seq_cst);
    s->lease[0] = name[0]; /* last: it makes the slot count */
    atomic_signal_fence(memory_order_seq_cst);
    return i;
}

void weir_journal_write(struct weir_journal *j, int slot, const struct weir_lease_held *l)
{
    uint64_t version = ++j->version[slot];
    struct state *s = &slot_at(j, slot)->state[version & 1];
    struct state next = {.version = version,
                         .granted = l->granted,
                         .returned = l->returned,
                         .settled = l->settled,
                         .held = l->held};

    next.crc = state_crc(&next);
    memcpy(s, &next, sizeof next);
    /* The kernel keeps stores of a killed process in the order in which it made them. */
    atomic_signal_fence(memory_order_seq_cst);
}

void weir_journal_drop(struct weir_journal *j, int slot)
{
    memset(slot_at(j, slot), 0, sizeof(struct slot));
    if (slot < j->free_hint)
        j->free_hint = slot;
}
