/* Clocks. All times in proflite are int64_t nanoseconds. */
#ifndef PL_BASE_CLOCK_H
#define PL_BASE_CLOCK_H

#include <stdint.h>

#define PL_NS_PER_S  INT64_C(1000000000)
#define PL_NS_PER_MS INT64_C(1000000)
#define PL_NS_PER_US INT64_C(1000)

int64_t pl_clock_mono_ns(void); /* CLOCK_MONOTONIC; signal-safe */
int64_t pl_clock_wall_ns(void); /* Unix time; signal-safe */

#endif
