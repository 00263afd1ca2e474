/* merge.c - a piece's bytes, merged by twos in the order of the vocabulary until none merges.
 *
 * The parts are a list in arrays: a part is named by its first byte. A heap has the pairs that
 * merge; one whose parts have changed since is found out by its length when it comes up. */
#include "tokenizer/internal.h"

#include "base/mem.h"

struct pair {
    uint32_t rank, at, bytes;
};

struct part {
    uint32_t next, before; /* the list's end is n, its beginning's `before` UINT32_MAX */
};

struct merge {
    const struct weir_vocabulary *v;
    const char *p;
    uint32_t n, heaped;
    struct part *parts; /* n; next 0: the byte is inside of a part */
    struct pair *heap;  /* 3 n: one a byte, and two for each merge */
};

enum { SMALL = 256 };

/* The lowest rank first; of the same one, what stands first. */
static bool is_before(const struct pair *a, const struct pair *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push(struct merge *m, struct pair pair)
{
    uint32_t i = m->heaped++;

    while (i > 0 && is_before(&pair, &m->heap[(i - 1) / 2])) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = pair;
}

static struct pair pop(struct merge *m)
{
    struct pair top = m->heap[0], last = m->heap[--m->heaped];
    uint32_t i = 0, child;

    while ((child = 2 * i + 1) < m->heaped) {
        if (child + 1 < m->heaped && is_before(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!is_before(&m->heap[child], &last))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

/* The part at `at` with the one that follows it, if they merge. */
static void offer(struct merge *m, uint32_t at)
{
    uint32_t second = m->parts[at].next, end, rank;

    if (second >= m->n)
        return;
    end = m->parts[second].next;
    rank = weir__vocabulary_find(m->v, m->p + at, end - at);
    if (rank != WEIR_NO_TOKEN)
        push(m, (struct pair){rank, at, end - at});
}

static uint32_t merge_all(struct merge *m)
{
    uint32_t parts = m->n;

    for (uint32_t i = 0; i < m->n; i++)
        m->parts[i] = (struct part){i + 1, i ? i - 1 : UINT32_MAX};
    for (uint32_t i = 0; i + 1 < m->n; i++)
        offer(m, i);
    while (m->heaped) {
        struct pair top = pop(m);
        struct part *first = &m->parts[top.at];
        uint32_t second = first->next, end;

        if (second == 0 || second >= m->n || m->parts[second].next != top.at + top.bytes)
            continue;
        end = m->parts[second].next;
        m->parts[second].next = 0;
        first->next = end;
        if (end < m->n)
            m->parts[end].before = top.at;
        parts--;
        offer(m, top.at);
        if (first->before != UINT32_MAX)
            offer(m, first->before);
    }
    return parts;
}

uint32_t weir__merge(const struct weir_vocabulary *v, const char *p, uint32_t n)
{
    struct part parts[SMALL];
    struct pair heap[3 * SMALL];
    struct merge m = {v, p, n, 0, parts, heap};
    uint32_t tokens;

    WEIR_ASSERT(n <= WEIR_PIECE_MAX);
    if (n <= SMALL)
        return merge_all(&m);
    m.parts = weir_alloc(n * sizeof *m.parts);
    m.heap = weir_alloc((size_t)3 * n * sizeof *m.heap);
    tokens = merge_all(&m);
    free(m.parts);
    free(m.heap);
    return tokens;
}
