/* Preloaded: the machine's clock is set, STEP_S seconds forward or (negative) back,
 * half a second after the program began. Only CLOCK_REALTIME is: as when somebody does.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static long step_s, begun_ms;

static long mono_ms(void)
{
    struct timespec t;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("STEP_S");
    step_s = text ? strtol(text, NULL, 10) : 0;
    begun_ms = mono_ms();
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *t)
{
    int result = (int)syscall(SYS_clock_gettime, clock, t);
    if (result == 0 && clock == CLOCK_REALTIME && mono_ms() - begun_ms > 500)
        t->tv_sec += step_s;
    return result;
}

EXPORT int gettimeofday(struct timeval *restrict to, void *restrict unused)
{
    struct timespec t;
    (void)unused;
    clock_gettime(CLOCK_REALTIME, &t);
    *to = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return 0;
}

EXPORT time_t time(time_t *to)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (to)
        *to = t.tv_sec;
    return t.tv_sec;
}
