#include "controlplane/telemetry/seen.h"

#include <string.h>

/* The first range that ends at or after sequence; count when none does. */
static size_t find(const struct weir__seen *s, uint64_t sequence)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (s->ranges[mid].last < sequence)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool weir__seen_has(const struct weir__seen *s, uint64_t sequence)
{
    size_t i = find(s, sequence);

    return i < s->count && s->ranges[i].first <= sequence;
}

static void remove_at(struct weir__seen *s, size_t i)
{
    s->count--;
    memmove(s->ranges + i, s->ranges + i + 1, (s->count - i) * sizeof *s->ranges);
}

void weir__seen_add(struct weir__seen *s, uint64_t sequence)
{
    size_t i = find(s, sequence);
    bool joins_before, joins_after;

    if (i < s->count && s->ranges[i].first <= sequence)
        return;
    s->changed = true;
    joins_before = i > 0 && s->ranges[i - 1].last + 1 == sequence;
    joins_after = i < s->count && sequence + 1 == s->ranges[i].first;
    if (joins_before && joins_after) {
        s->ranges[i - 1].last = s->ranges[i].last;
        remove_at(s, i);
    } else if (joins_before) {
        s->ranges[i - 1].last = sequence;
    } else if (joins_after) {
        s->ranges[i].first = sequence;
    } else {
        memmove(s->ranges + i + 1, s->ranges + i, (s->count - i) * sizeof *s->ranges);
        s->ranges[i] = (struct weir__range){sequence, sequence};
        s->count++;
    }
    if (s->count > WEIR__SEEN_MAX) {
        s->ranges[1].first = s->ranges[0].first;
        remove_at(s, 0);
    }
}
