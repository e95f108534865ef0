/* The pass over a chunk of frames nobody has named, and over the next one of the same:
 *
 *   bench_symbols STORE FILE BUILD-ID < hex addresses
 *
 * bench_symbols.py makes the file and runs addr2line and llvm-symbolizer beside. */
#include "base/clock.h"
#include "process/pass.h"
#include "process/worker.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEPTH 100 /* frames of a stack */
#define MOST  100000

__attribute__((constructor)) static void be_worker(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], PL_WORKER_ARGUMENT) == 0)
        _exit(pl_symbols_worker_main(0, 1));
}

static struct pl_sink_frame frames[MOST];
static uint32_t indexes[MOST];
static struct pl_sink_stack stacks[MOST / DEPTH + 1];
static struct pl_sink_run runs[MOST / DEPTH + 1];
static int64_t ticks[MOST / DEPTH + 1];

static void die(const struct pl_error *err)
{
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static uint32_t read_frames(void)
{
    char line[64];
    uint32_t count = 0;
    while (count < MOST && fgets(line, sizeof line, stdin)) {
        indexes[count] = count;
        frames[count] = (struct pl_sink_frame){
            .address = strtoull(line, NULL, 16), .exact = true, .in_app = -1};
        count++;
    }
    return count;
}

static void put(struct pl_store *store, struct pl_sink_session *session,
                const struct pl_sink_module *module, uint32_t count, int second)
{
    struct pl_chunk_sink sink;
    struct pl_error err = {0};
    uint32_t stack_count = 0;
    for (uint32_t at = 0; at < count; at += DEPTH, stack_count++) {
        uint32_t depth = count - at < DEPTH ? count - at : DEPTH;
        stacks[stack_count] = (struct pl_sink_stack){depth, indexes + at};
        runs[stack_count] =
            (struct pl_sink_run){.stack = stack_count, .count = 1, .on_cpu = 1};
        ticks[stack_count] = session->start_ns + second * PL_NS_PER_S +
                             (int64_t)stack_count * PL_NS_PER_MS;
    }
    const struct pl_sink_thread thread = {
        .tid = 7, .name = "main", .runs = runs, .run_count = stack_count};
    struct pl_sink_part part = {
        .session_id = session->id,
        .start_ns = session->start_ns + second * PL_NS_PER_S,
        .period_ns = PL_NS_PER_MS,
        .ticks_ns = ticks,
        .tick_count = stack_count,
        .modules = module,
        .module_count = 1,
        .frames = frames,
        .frame_count = count,
        .stacks = stacks,
        .stack_count = stack_count,
        .threads = &thread,
        .thread_count = 1,
    };
    part.end_ns = part.start_ns + PL_NS_PER_S;
    if (pl_store_sink(store, &sink, &err) || pl_id_new(&part.chunk_id, &err) ||
        (!second && sink.session_begin(sink.self, session, &err)) ||
        sink.put(sink.self, &part, &err))
        die(&err);
}

/* Of this process and of workers that have ended. */
static double cpu_s(void)
{
    struct rusage self, children;
    (void)getrusage(RUSAGE_SELF, &self);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    const struct timeval *all[] = {&self.ru_utime, &self.ru_stime, &children.ru_utime,
                                   &children.ru_stime};
    double sum = 0;
    for (size_t i = 0; i < 4; i++)
        sum += (double)all[i]->tv_sec + (double)all[i]->tv_usec / 1e6;
    return sum;
}

static void run_pass(struct pl_store *store, const char *what)
{
    struct pl_pass *pass = NULL;
    struct pl_error err = {0};
    int64_t from_ns = pl_clock_mono_ns();
    double from_cpu = cpu_s();
    if (pl_pass_open(store, NULL, &pass, &err) || pl_pass_run(pass, &err))
        die(&err);
    const struct pl_pass_counters counters = *pl_pass_counters(pass);
    pl_pass_close(pass);
    printf("%s %.3f %.3f %llu %llu\n", what,
           (double)(pl_clock_mono_ns() - from_ns) / 1e9, cpu_s() - from_cpu,
           (unsigned long long)counters.frames,
           (unsigned long long)counters.frames_named);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    if (argc != 4) {
        fprintf(stderr, "bench_symbols STORE FILE BUILD-ID\n");
        return 2;
    }
    const struct pl_sink_module module = {.path = argv[2], .build_id = argv[3]};
    struct pl_sink_session session = {.app = "bench",
                                      .platform = "native",
                                      .mode = "wall",
                                      .pid = 7,
                                      .start_ns = INT64_C(1700000000) * PL_NS_PER_S};
    uint32_t count = read_frames();
    if (pl_store_open(argv[1], PL_STORE_CREATE, &store, &err) ||
        pl_id_new(&session.id, &err))
        die(&err);
    session.recording_id = session.id;
    put(store, &session, &module, count, 0);
    run_pass(store, "cold");
    put(store, &session, &module, count, 1);
    run_pass(store, "warm");
    pl_store_close(store);
    return 0;
}
