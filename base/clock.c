#include "base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec now = {0};
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * PL_NS_PER_S + now.tv_nsec;
}

int64_t pl_clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t pl_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}
