/* A program to be killed: two threads work, one waits, for so many seconds. Prints a
 * line when it has begun and another when it comes to its end.
 *   mortal SECONDS [fault]     fault: it dies of SIGSEGV by itself at the end
 * MORTAL_LINKED: it records itself with libproflite. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef MORTAL_LINKED
#include "proflite.h"
#endif

static volatile unsigned long sink;

__attribute__((noinline)) static void work_at(unsigned depth)
{
    if (depth) {
        work_at(depth - 1);
        sink = sink + 1;
        return;
    }
    for (unsigned i = 0; i < 20000; i++)
        sink = sink * 5 + i;
}

static void *work(void *unused)
{
    unsigned seed = 1;
    for (;;)
        work_at((unsigned)rand_r(&seed) % 20);
    return unused;
}

static int begin(void)
{
#ifdef MORTAL_LINKED
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.hz = 997;
    if (proflite_init(&options) != PROFLITE_OK || proflite_start() != PROFLITE_OK) {
        fprintf(stderr, "%s\n", proflite_last_error());
        return 1;
    }
#endif
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    if (begin() != 0)
        return 1;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&thread, NULL, work, NULL) != 0)
            return 1;
    puts("begun");
    fflush(stdout);
    struct timespec left = {(time_t)seconds,
                            (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&left, NULL);
    if (argc > 2 && strcmp(argv[2], "fault") == 0)
        *(volatile int *)8 = 1;
    puts("ended");
    return 0;
}
