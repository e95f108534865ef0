/* What programs that link libproflite for tests share: expectations, printed when they
 * are wrong, and something to do. */
#ifndef PL_TESTS_HOST_H
#define PL_TESTS_HOST_H

#include "proflite.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int wrong;

#define EXPECT(condition)                                                              \
    do {                                                                               \
        if (!(condition)) {                                                            \
            printf("line %d: %s is false (%s)\n", __LINE__, #condition,                \
                   proflite_last_error());                                             \
            wrong = 1;                                                                 \
        }                                                                              \
    } while (0)

static inline int64_t cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The function the tests look for. */
__attribute__((noinline, unused)) static void linked_hot_function(int64_t ms)
{
    volatile uint64_t sum = 1;
    int64_t end = cpu_ms() + ms;
    while (cpu_ms() < end)
        for (int i = 0; i < 20000; i++)
            sum = sum * 31 + (uint64_t)i;
}

static inline void print_id(void)
{
    const char *id = proflite_profiler_id();
    printf("id %s\n", id ? id : "none");
}

static inline void sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        ;
}

static inline int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* With . and .. of it. */
static inline int count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;
    while (dir && readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* Does sampling run (or not) within so long? */
static inline int runs_within(int running, int64_t ms)
{
    int64_t end = wall_ms() + ms;
    while ((proflite_profiler_id() != NULL) != running && wall_ms() < end)
        sleep_ms(1);
    return (proflite_profiler_id() != NULL) == running;
}

struct host_mode {
    const char *name;
    void (*run)(void);
};

static inline int run_mode(const char *name, const struct host_mode *modes,
                           size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, modes[i].name) == 0) {
            modes[i].run();
            return wrong;
        }
    return 2;
}

#endif
