/* A program that records itself: link -lproflite, call init and start.
 *
 *   linked [SECONDS]      writes to $PROFLITE_DB, else the usual store
 *
 * Two threads work, each under a label of its own, in spans; afterwards `proflite top`
 * shows where the time went, `proflite top --label worker=2` that of one of them, and
 * `proflite top --label span=primes` that of one kind of work. */
#include "proflite.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds = 2;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* About two thirds of the time. */
__attribute__((noinline)) static uint64_t sum_of_squares(uint64_t n)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum = sum * 31 + i * i;
    return sum;
}

/* About one third. */
__attribute__((noinline)) static uint64_t count_primes(uint64_t from, uint64_t to)
{
    uint64_t count = 0;
    for (uint64_t n = from; n < to; n++) {
        uint64_t d = 3;
        while (d * d <= n && n % d)
            d += 2;
        count += n % 2 && d * d > n;
    }
    return count;
}

struct worker {
    const char *name;
    volatile uint64_t result;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    double end = now() + seconds;
    proflite_thread_name("worker");
    proflite_label_set("worker", worker->name);
    while (now() < end) {
        proflite_span round = proflite_span_begin("round");
        worker->result += sum_of_squares(600000);
        proflite_span primes = proflite_span_begin("primes");
        worker->result += count_primes(1000000, 1002500);
        proflite_span_end(primes);
        proflite_span_end(round);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct worker workers[2] = {{"1", 0}, {"2", 0}};
    pthread_t threads[2];
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.app = "linked";
    options.release = "1.0";
    if (argc > 1)
        seconds = strtod(argv[1], NULL);

    if (proflite_init(&options) != PROFLITE_OK || proflite_start() != PROFLITE_OK)
        fprintf(stderr, "linked: not recording: %s\n", proflite_last_error());
    const char *id = proflite_profiler_id();
    printf("recording as %s\n", id ? id : "nobody");

    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            return 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);

    proflite_stop();
    proflite_stats stats = {.size = sizeof stats};
    proflite_get_stats(&stats);
    printf("samples %llu, chunks %llu, lost %llu\n", (unsigned long long)stats.samples,
           (unsigned long long)stats.chunks, (unsigned long long)stats.lost);
    proflite_close();
    return 0;
}
