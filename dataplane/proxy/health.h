/* health.h - how a target does: is it asked to be left alone, does it fail, how fast is it?
 *
 *   closed -> open        so many failures in a row, or too large a share of a window's calls
 *   open -> half open     its pause is over: one call may try it
 *   half open -> closed   that call was answered;  -> open, for twice as long: it failed
 *
 * Beside the circuit a target may be cooling down (it said for how long) or spent (it said that an
 * allowance is used up; the next call would be refused). Pure: the caller gives the time, which is
 * monotonic and in milliseconds. A NULL health is a target that nobody has called yet. */
#ifndef WEIR_PROXY_HEALTH_H
#define WEIR_PROXY_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroes: nothing ever opens, no cool-down is obeyed. */
struct weir_health_rules {
    int64_t failures;        /* in a row; 0: don't open for that */
    int64_t failure_percent; /* of the calls of a window; 0: don't open for that */
    int64_t window_ms;
    int64_t open_ms;         /* the first pause of an open circuit */
    int64_t max_cooldown_ms; /* what a provider asks for beyond this is cut */
};

enum weir_circuit { WEIR_CIRCUIT_CLOSED, WEIR_CIRCUIT_OPEN, WEIR_CIRCUIT_HALF_OPEN };

/* From the best to the worst. */
enum weir_fitness {
    WEIR_FIT,
    WEIR_FIT_SPENT, /* it would probably refuse */
    WEIR_FIT_OPEN,  /* its circuit is open, or a probe is under way: only if nobody else is left */
    WEIR_FIT_COOLING, /* it asked not to be called */
};

struct weir_health_window {
    int64_t begins_ms;
    uint32_t calls, failures;
};

/* The members are health.c's. */
struct weir_health {
    enum weir_circuit circuit;
    uint32_t in_row;   /* failures */
    uint32_t openings; /* without an answer between them */
    struct weir_health_window now, before;
    int64_t open_until_ms, cool_until_ms, spent_until_ms;
    bool probing;
    uint32_t in_flight;

    struct {
        int64_t us, at_ms;
    } first_byte[2]; /* of whole answers, of streams */
};

enum weir_fitness weir_health_fitness(const struct weir_health *h, int64_t now_ms);

/* How long it is still cooling down; 0: it isn't. */
int64_t weir_health_cooling_ms(const struct weir_health *h, int64_t now_ms);

/* A call to it begins. True: it is the probe of a half-open circuit, which weir_health_end wants to
 * know. */
bool weir_health_begin(struct weir_health *h, int64_t now_ms);
void weir_health_end(struct weir_health *h, bool probe);

/* It answered; it failed. True: that closed, or opened, its circuit. */
bool weir_health_answered(struct weir_health *h, const struct weir_health_rules *r, int64_t now_ms);
bool weir_health_failed(struct weir_health *h, const struct weir_health_rules *r, int64_t now_ms);

/* It asked for a pause of so long. True: it was not cooling down before. */
bool weir_health_cool(struct weir_health *h, const struct weir_health_rules *r, int64_t for_ms,
                      int64_t now_ms);
/* An allowance of it is used up for so long. */
void weir_health_spend(struct weir_health *h, const struct weir_health_rules *r, int64_t for_ms,
                       int64_t now_ms);

/* Its answer began after so long. */
void weir_health_first_byte(struct weir_health *h, bool stream, int64_t us, int64_t now_ms);

/* The peak-sensitive average of the above times the calls under way and this one: what a further
 * call has to expect. Falls with time, so that a slow target is tried again; 0: not known. */
int64_t weir_health_expected_us(const struct weir_health *h, bool stream, int64_t now_ms);

uint32_t weir_health_in_flight(const struct weir_health *h);

#endif
