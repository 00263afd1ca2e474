/* health.c - see health.h. */
#include "dataplane/proxy/health.h"

#include <stddef.h>

enum {
    LEAST_CALLS = 10,  /* of a window: a share of fewer says nothing */
    MOST_OPENINGS = 4, /* the pause is doubled as often: to sixteen times its first length */
    FADE_MS = 10000,   /* after so long without an answer half of a first byte's time is left */
};

/* ---- time ---- */

static bool may_probe(const struct weir_health *h, int64_t now)
{
    return h->circuit == WEIR_CIRCUIT_CLOSED || (!h->probing && now >= h->open_until_ms);
}

enum weir_fitness weir_health_fitness(const struct weir_health *h, int64_t now_ms)
{
    if (!h)
        return WEIR_FIT;
    if (now_ms < h->cool_until_ms)
        return WEIR_FIT_COOLING;
    if (!may_probe(h, now_ms))
        return WEIR_FIT_OPEN;
    return now_ms < h->spent_until_ms ? WEIR_FIT_SPENT : WEIR_FIT;
}

int64_t weir_health_cooling_ms(const struct weir_health *h, int64_t now_ms)
{
    return h && h->cool_until_ms > now_ms ? h->cool_until_ms - now_ms : 0;
}

static int64_t until(const struct weir_health_rules *r, int64_t for_ms, int64_t now)
{
    return now + (for_ms < r->max_cooldown_ms ? for_ms : r->max_cooldown_ms);
}

bool weir_health_cool(struct weir_health *h, const struct weir_health_rules *r, int64_t for_ms,
                      int64_t now_ms)
{
    bool first = now_ms >= h->cool_until_ms;
    int64_t end = until(r, for_ms, now_ms);

    /* The latest word counts, but a shorter one may be of a call that began before. */
    if (end > h->cool_until_ms)
        h->cool_until_ms = end;
    return first && end > now_ms;
}

void weir_health_spend(struct weir_health *h, const struct weir_health_rules *r, int64_t for_ms,
                       int64_t now_ms)
{
    h->spent_until_ms = until(r, for_ms, now_ms);
}

/* ---- the circuit ---- */

bool weir_health_begin(struct weir_health *h, int64_t now_ms)
{
    h->in_flight++;
    if (h->circuit == WEIR_CIRCUIT_CLOSED || !may_probe(h, now_ms))
        return false;
    h->circuit = WEIR_CIRCUIT_HALF_OPEN;
    h->probing = true;
    return true;
}

void weir_health_end(struct weir_health *h, bool probe)
{
    h->in_flight--;
    if (probe)
        h->probing = false;
}

static void open_circuit(struct weir_health *h, const struct weir_health_rules *r, int64_t now)
{
    h->circuit = WEIR_CIRCUIT_OPEN;
    h->open_until_ms = now + (r->open_ms << h->openings);
    if (h->openings < MOST_OPENINGS)
        h->openings++;
}

/* Two windows, so that the share is always one of at least a whole window's time. */
static void count(struct weir_health *h, const struct weir_health_rules *r, bool failed,
                  int64_t now)
{
    if (now >= h->now.begins_ms + r->window_ms) {
        h->before =
            now >= h->now.begins_ms + 2 * r->window_ms ? (struct weir_health_window){0} : h->now;
        h->now = (struct weir_health_window){.begins_ms = now};
    }
    h->now.calls++;
    h->now.failures += failed;
}

static bool fails_too_often(const struct weir_health *h, const struct weir_health_rules *r)
{
    uint64_t calls = (uint64_t)h->now.calls + h->before.calls;
    uint64_t failures = (uint64_t)h->now.failures + h->before.failures;

    if (r->failures > 0 && h->in_row >= r->failures)
        return true;
    return r->failure_percent > 0 && calls >= LEAST_CALLS &&
           failures * 100 >= calls * (uint64_t)r->failure_percent;
}

bool weir_health_answered(struct weir_health *h, const struct weir_health_rules *r, int64_t now_ms)
{
    h->in_row = 0;
    count(h, r, false, now_ms);
    if (h->circuit == WEIR_CIRCUIT_CLOSED)
        return false;
    /* What failed before must not open it again at the first failure to come. */
    h->now = (struct weir_health_window){.begins_ms = now_ms};
    h->before = (struct weir_health_window){0};
    h->openings = 0;
    h->circuit = WEIR_CIRCUIT_CLOSED;
    return true;
}

bool weir_health_failed(struct weir_health *h, const struct weir_health_rules *r, int64_t now_ms)
{
    h->in_row++;
    count(h, r, true, now_ms);
    switch (h->circuit) {
    case WEIR_CIRCUIT_CLOSED:
        if (!fails_too_often(h, r))
            return false;
        open_circuit(h, r, now_ms);
        return true;
    case WEIR_CIRCUIT_HALF_OPEN:
        open_circuit(h, r, now_ms);
        return false; /* it was never closed */
    case WEIR_CIRCUIT_OPEN:
        break; /* a call that began before, or that had nowhere else to go */
    }
    return false;
}

/* ---- speed ---- */

static int64_t faded(int64_t us, int64_t for_ms)
{
    return for_ms <= 0 ? us : (int64_t)((__int128)us * FADE_MS / (FADE_MS + for_ms));
}

void weir_health_first_byte(struct weir_health *h, bool stream, int64_t us, int64_t now_ms)
{
    int64_t *at = &h->first_byte[stream].at_ms, *value = &h->first_byte[stream].us;

    /* A peak counts at once, an improvement by and by. */
    if (us >= *value)
        *value = us;
    else
        *value = us + (faded(*value, now_ms - *at) - us) / 2;
    if (*value < us)
        *value = us;
    *at = now_ms;
}

int64_t weir_health_expected_us(const struct weir_health *h, bool stream, int64_t now_ms)
{
    int64_t us;

    if (!h)
        return 0;
    us = faded(h->first_byte[stream].us, now_ms - h->first_byte[stream].at_ms);
    return us > INT64_MAX / ((int64_t)h->in_flight + 1) ? INT64_MAX
                                                        : us * ((int64_t)h->in_flight + 1);
}

uint32_t weir_health_in_flight(const struct weir_health *h)
{
    return h ? h->in_flight : 0;
}
