/* clock.h - the two clocks: monotonic for every limit and delay, wall clock for what is shown. */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include <stdint.h>

int64_t weir_mono_ns(void); /* CLOCK_MONOTONIC */
int64_t weir_mono_ms(void);
int64_t weir_wall_ns(void); /* since 1970-01-01 UTC; may step */
int64_t weir_wall_ms(void);

#endif
