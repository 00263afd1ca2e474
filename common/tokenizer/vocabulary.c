/* vocabulary.c - the file of a vocabulary: mapped, checked once, looked up. */
#include "tokenizer/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { VERSION = 1, CODE_BLOCKS = 0x1100, CLASS_BLOCK = 256, MAX_FILE = 64 << 20 };

struct header {
    char magic[8];
    uint32_t version, kind, tokens, slots, bytes, class_blocks, longest, reserved;
    uint64_t checksum;
};

static uint64_t checksum(const uint32_t *words, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        h = (h ^ words[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t padded(uint64_t n)
{
    return (n + 7) / 8 * 8;
}

/* The checksum tells damage; the rest, that a lookup stays inside of the file. */
static bool read_tables(struct weir_vocabulary *v)
{
    const struct header *h = v->map;
    const char *at = (const char *)(h + 1);
    uint64_t slots = (uint64_t)h->slots * sizeof *v->slots;
    uint64_t offsets = padded(((uint64_t)h->tokens + 1) * sizeof *v->offsets);
    uint64_t body = slots + offsets + padded(h->bytes) + CODE_BLOCKS * sizeof *v->block_of +
                    (uint64_t)h->class_blocks * CLASS_BLOCK;

    if (memcmp(h->magic, "WEIRBPE1", sizeof h->magic) != 0 || h->version != VERSION ||
        h->kind != (uint32_t)v->kind || sizeof *h + body != v->map_bytes ||
        (h->slots & (h->slots - 1)) != 0 || h->slots <= h->tokens ||
        checksum((const uint32_t *)at, body / sizeof(uint32_t)) != h->checksum)
        return false;
    v->slot_mask = h->slots - 1;
    v->longest = h->longest;
    v->slots = (const struct weir_vocabulary_slot *)at;
    v->offsets = (const uint32_t *)(at + slots);
    v->bytes = at + slots + offsets;
    v->block_of = (const uint16_t *)(v->bytes + padded(h->bytes));
    v->class_of = (const unsigned char *)(v->block_of + CODE_BLOCKS);
    for (uint32_t i = 0; i < h->tokens; i++)
        if (v->offsets[i] > v->offsets[i + 1] || v->offsets[i + 1] > h->bytes)
            return false;
    for (uint32_t i = 0; i < h->slots; i++)
        if (v->slots[i].token > h->tokens)
            return false;
    for (size_t i = 0; i < CODE_BLOCKS; i++)
        if (v->block_of[i] >= h->class_blocks)
            return false;
    return true;
}

static int map_file(const char *path, struct weir_vocabulary *v)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = WEIR_OK;
    struct stat st;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? WEIR_ENOTFOUND : WEIR_EIO;
    if (fstat(fd, &st) != 0)
        rc = WEIR_EIO;
    else if (st.st_size < (off_t)sizeof(struct header) || st.st_size > MAX_FILE)
        rc = WEIR_ECORRUPT;
    if (rc == WEIR_OK) {
        v->map_bytes = (size_t)st.st_size;
        v->map = mmap(NULL, v->map_bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (v->map == MAP_FAILED) {
            v->map = NULL;
            rc = WEIR_EIO;
        }
    }
    close(fd);
    return rc;
}

static int open_in(const char *folder, const char *below, enum weir_vocabulary_kind kind,
                   struct weir_vocabulary **out)
{
    struct weir_vocabulary *v;
    char path[4096];
    int n = snprintf(path, sizeof path, "%s%s/%s.bpe", folder, below, weir_vocabulary_name(kind));
    int rc;

    if (n < 0 || (size_t)n >= sizeof path)
        return WEIR_ENOTFOUND;
    v = WEIR_NEW(struct weir_vocabulary);
    v->kind = kind;
    rc = map_file(path, v);
    if (rc == WEIR_OK && !read_tables(v))
        rc = WEIR_ECORRUPT;
    if (rc != WEIR_OK) {
        weir_vocabulary_close(v);
        return rc;
    }
    *out = v;
    return WEIR_OK;
}

static int open_own(enum weir_vocabulary_kind kind, struct weir_vocabulary **out)
{
    char program[2048];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    char *slash;
    int rc;

    program[n > 0 ? n : 0] = 0;
    slash = strrchr(program, '/');
    if (!slash)
        return WEIR_ENOTFOUND;
    *slash = 0;
    rc = open_in(program, "/../share/weir/vocabulary", kind, out);
    return rc == WEIR_ENOTFOUND ? open_in(program, "/../../vocabulary", kind, out) : rc;
}

int weir_vocabulary_open(const char *folder, enum weir_vocabulary_kind kind,
                         struct weir_vocabulary **out)
{
    if (kind == WEIR_VOCABULARY_UNKNOWN)
        return WEIR_ENOTFOUND;
    return folder ? open_in(folder, "", kind, out) : open_own(kind, out);
}

void weir_vocabulary_close(struct weir_vocabulary *v)
{
    if (v && v->map)
        munmap(v->map, v->map_bytes);
    free(v);
}

/* FNV-1a, its upper bits mixed into the lower: as the maker of the file has it. */
static uint32_t hash_of(const char *p, size_t n)
{
    uint32_t h = 0x811c9dc5;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 0x01000193;
    return (h ^ h >> 15) * 0x2c1b3c6d;
}

uint32_t weir__vocabulary_find(const struct weir_vocabulary *v, const char *p, size_t n)
{
    uint32_t hash, at;

    if (n > v->longest)
        return WEIR_NO_TOKEN;
    hash = hash_of(p, n);
    /* There are more slots than tokens, so an empty one ends every chain. */
    for (at = hash & v->slot_mask; v->slots[at].token; at = (at + 1) & v->slot_mask) {
        uint32_t token = v->slots[at].token - 1;

        if (v->slots[at].hash == hash && v->offsets[token + 1] - v->offsets[token] == n &&
            memcmp(v->bytes + v->offsets[token], p, n) == 0)
            return token;
    }
    return WEIR_NO_TOKEN;
}

struct weir_token_count weir_token_count(const struct weir_vocabulary *v, struct weir_str text)
{
    struct weir_token_count out = {0, true};
    const char *p = text.p, *end = text.n ? text.p + text.n : text.p;

    if (!v)
        return (struct weir_token_count){(int64_t)text.n, text.n == 0};
    while (p < end) {
        size_t n = weir__split(v, p, end);

        if (n > WEIR_PIECE_MAX) {
            out.tokens += (int64_t)n;
            out.exact = false;
        } else if (weir__vocabulary_find(v, p, n) != WEIR_NO_TOKEN) {
            out.tokens++;
        } else {
            out.tokens += weir__merge(v, p, (uint32_t)n);
        }
        p += n;
    }
    return out;
}
