/* What labels and spans cost the thread that says them (not a test).
 *
 *   bench_labels [ROUNDS]     default 15
 *
 * Thread CPU time per call: the median over the rounds, in which all ways take turns.
 * Not set up, set up, and under way at 1000 samples a second; beside them what a call
 * into a library and a locked copy cost on the same machine. */
#include "collector/proflite.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CALLS       200000
#define MOST_ROUNDS 101

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char kept[2][256];

static void call_nothing(int i)
{
    (void)i;
    (void)getpagesize();
}

static void copy_under_lock(int i)
{
    pthread_mutex_lock(&lock);
    memcpy(kept[i & 1], i & 1 ? "odd one" : "even one", 9);
    pthread_mutex_unlock(&lock);
}

static void set_label(int i)
{
    (void)proflite_label_set("tenant", i & 1 ? "odd one" : "even one");
}

static void take_label_back(int i)
{
    (void)proflite_label_set("passing", i & 1 ? NULL : "there");
}

static void root_span(int i)
{
    (void)i;
    proflite_span_end(proflite_span_begin("GET /cart"));
}

static void inner_span(int i)
{
    (void)i;
    proflite_span_end(proflite_span_begin("db.query"));
}

static const struct {
    const char *name;
    void (*call)(int i);
} ways[] = {
    {"call into libc", call_nothing},        {"copy under a mutex", copy_under_lock},
    {"label, another value", set_label},     {"label, set or removed", take_label_back},
    {"root span, begin and end", root_span}, {"inner span, begin and end", inner_span},
};
#define WAYS (sizeof ways / sizeof ways[0])

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double measure(size_t way)
{
    proflite_span outer = {0};
    if (ways[way].call == inner_span)
        outer = proflite_span_begin("outer");
    int64_t from_ns = cpu_ns();
    for (int i = 0; i < CALLS; i++)
        ways[way].call(i);
    double each = (double)(cpu_ns() - from_ns) / CALLS;
    proflite_span_end(outer);
    return each;
}

static void measure_all(const char *title, int rounds)
{
    static double ns[WAYS][MOST_ROUNDS];
    for (int round = 0; round < rounds; round++)
        for (size_t way = 0; way < WAYS; way++)
            ns[way][round] = measure(way);
    printf("%s\n", title);
    for (size_t way = 0; way < WAYS; way++) {
        qsort(ns[way], (size_t)rounds, sizeof ns[way][0], compare);
        printf("  %-26s %6.1f ns\n", ways[way].name, ns[way][rounds / 2]);
    }
}

int main(int argc, char **argv)
{
    long rounds_given = argc > 1 ? strtol(argv[1], NULL, 10) : 15;
    int rounds =
        rounds_given > 0 && rounds_given <= MOST_ROUNDS ? (int)rounds_given : 0;
    char db[] = "/tmp/bench_labels_XXXXXX";
    proflite_options options = PROFLITE_OPTIONS_INIT;
    if (!rounds || !mkdtemp(db))
        return 2;
    char path[64];
    snprintf(path, sizeof path, "%s/x.db", db);
    options.db = path;
    options.hz = 1000;
    measure_all("not set up", rounds);
    if (proflite_init(&options) != PROFLITE_OK) {
        printf("%s\n", proflite_last_error());
        return 1;
    }
    measure_all("set up", rounds);
    if (proflite_start() != PROFLITE_OK) {
        printf("%s\n", proflite_last_error());
        return 1;
    }
    measure_all("1000 samples a second (theirs among it)", rounds);
    proflite_close();
    printf("the store stays in %s\n", db);
    return 0;
}
