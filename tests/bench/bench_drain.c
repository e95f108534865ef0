/* The drain: CPU time a sample with and without a journal, and 100,000 samples a second
 * from one process through journal and store.
 *   bench_drain [SECONDS]
 * A hundred threads in a segment that this program fills itself, a tick a millisecond.
 * repeat: stacks of 30 frames, 50 different ones; diverse: each of them new. */
#include "collector/drain.h"
#include "collector/segment_reader.h"
#include "store/store.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS   100u
#define DEPTH     30u
#define PERIOD_NS PL_NS_PER_MS
#define CODE      UINT64_C(0x400000)
#define ROUNDS    400
#define TICKS     20u /* of a round: what comes in between two steps of record */

struct source {
    char home[64], dir[96], db[96];
    struct pl_segment *seg;
    int64_t origin_ns;
    uint64_t events, random, lost;
    uint32_t tick;
    bool diverse;
};

static void *must(void *pointer)
{
    if (!pointer || pointer == MAP_FAILED) {
        perror("bench_drain");
        exit(1);
    }
    return pointer;
}

static void fill_segment(struct pl_segment *s, int64_t origin_ns)
{
    s->magic = PL_SEG_MAGIC;
    s->version = PL_SEG_VERSION;
    s->header_bytes = sizeof *s;
    s->pid = (uint32_t)getpid();
    s->session_id[0] = 1;
    s->period_ns = PERIOD_NS;
    s->mono_origin_ns = origin_ns;
    s->wall_origin_ns = 1700000000 * PL_NS_PER_S;
    memcpy(s->app, "bench", 6);
    s->ring_count = THREADS;
    s->thread_high = THREADS;
    s->modules[0] =
        (struct pl_seg_module){.start = CODE, .end = CODE + 0x1000000, .bias = CODE};
    memcpy(s->paths, "/nowhere/bench", 15);
    s->module_count = 1;
    for (uint32_t i = 0; i < THREADS; i++) {
        s->threads[i].ring = i;
        s->threads[i].tid = 1000 + i;
        s->threads[i].generation = 1;
    }
    atomic_store(&s->state, PL_SEG_LIVE);
}

static void open_source(struct source *source, bool diverse)
{
    char path[160];
    size_t bytes = pl_segment_file_bytes(THREADS);
    memset(source, 0, sizeof *source);
    source->diverse = diverse;
    source->random = 88172645463325252u;
    snprintf(source->home, sizeof source->home, "/tmp/bench_drain.XXXXXX");
    (void)must(mkdtemp(source->home));
    snprintf(source->dir, sizeof source->dir, "/dev/shm/bench_drain.%d.%s",
             (int)getpid(), source->home + 17);
    snprintf(source->db, sizeof source->db, "%s/x.db", source->home);
    if (mkdir(source->dir, 0700) != 0)
        exit(1);
    snprintf(path, sizeof path, "%s/a.seg", source->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        exit(1);
    source->seg = must(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    source->origin_ns = pl_clock_mono_ns() - 60 * PL_NS_PER_S;
    fill_segment(source->seg, source->origin_ns);
}

static void put_event(struct source *source, struct pl_event event)
{
    source->seg->events[source->events++ % PL_EVENT_RING_SLOTS] = event;
}

static uint64_t next_random(struct source *source)
{
    source->random ^= source->random << 13;
    source->random ^= source->random >> 7;
    source->random ^= source->random << 17;
    return source->random;
}

static void put_record(struct source *source, uint32_t slot, int64_t mono_ns)
{
    struct pl_seg_thread *thread = &source->seg->threads[slot];
    uint64_t pcs[DEPTH];
    struct pl_rec rec = {
        .bytes = sizeof rec + sizeof pcs,
        .kind = PL_REC_STACK,
        .end = PL_WALK_ROOT,
        .slot = (uint16_t)slot,
        .tick = source->tick,
        .periods = 1,
        .mono_ns = mono_ns,
        .generation = 1,
        .pc_count = DEPTH,
    };
    uint64_t head = thread->head, offset = head % PL_RING_BYTES;
    if (offset + rec.bytes > PL_RING_BYTES) {
        struct pl_rec pad = {.bytes = (uint32_t)(PL_RING_BYTES - offset),
                             .kind = PL_REC_PAD};
        memcpy((char *)source->seg + pl_segment_file_bytes(slot) + offset, &pad, 8);
        head += pad.bytes;
        offset = 0;
    }
    if (head + rec.bytes - atomic_load(&thread->tail) > PL_RING_BYTES) {
        thread->lost[PL_LOSS_RING_FULL]++;
        source->lost++;
        return;
    }
    uint64_t shape = next_random(source) % 50;
    for (uint32_t i = 0; i < DEPTH; i++)
        pcs[i] = CODE + 64 * (i + (i < 12 ? shape * 32 : 0));
    pcs[0] |= PL_PC_EXACT;
    if (source->diverse)
        for (uint32_t i = 0; i < 4; i++)
            pcs[i] += 16 * (next_random(source) % 4096);
    char *to = (char *)source->seg + pl_segment_file_bytes(slot) + offset;
    memcpy(to, &rec, sizeof rec);
    memcpy(to + sizeof rec, pcs, sizeof pcs);
    atomic_store_explicit(&thread->head, head + rec.bytes, memory_order_release);
}

static void put_tick(struct source *source)
{
    int64_t mono_ns = source->origin_ns + source->tick * PERIOD_NS;
    if (source->events + 2 * THREADS + 1 - atomic_load(&source->seg->event_tail) >
        PL_EVENT_RING_SLOTS) {
        source->seg->lost[PL_LOSS_EVENT_FULL]++;
        source->lost += THREADS;
        source->tick++;
        return;
    }
    put_event(source, (struct pl_event){.kind = PL_EVENT_TICK,
                                        .arg = source->tick,
                                        .value = (uint64_t)mono_ns});
    for (uint16_t slot = 0; slot < THREADS; slot++) {
        if (!source->tick)
            put_event(source, (struct pl_event){.kind = PL_EVENT_START,
                                                .slot = slot,
                                                .arg = 1000u + slot});
        put_record(source, slot, mono_ns);
        put_event(source, (struct pl_event){.kind = PL_EVENT_RAN,
                                            .flags = PL_RAN_SIGNALLED,
                                            .slot = slot,
                                            .arg = source->tick,
                                            .value = source->tick * 1000ull});
    }
    atomic_store_explicit(&source->seg->event_head, source->events,
                          memory_order_release);
    atomic_store(&source->seg->heartbeat_ns, pl_clock_mono_ns());
    source->tick++;
}

/* ---- a store that is nothing ---- */

static enum pl_status no_begin(void *self, const struct pl_sink_session *session,
                               struct pl_error *err)
{
    (void)self, (void)session, (void)err;
    return PL_OK;
}

static enum pl_status no_put(void *self, const struct pl_sink_part *part,
                             struct pl_error *err)
{
    (void)self, (void)part, (void)err;
    return PL_OK;
}

static enum pl_status no_end(void *self, const struct pl_id *id, int64_t end_ns,
                             enum pl_session_state state, int exit_status,
                             struct pl_error *err)
{
    (void)self, (void)id, (void)end_ns, (void)state, (void)exit_status, (void)err;
    return PL_OK;
}

static const struct pl_chunk_sink nothing = {
    .session_begin = no_begin, .put = no_put, .session_end = no_end};

static void check(enum pl_status status, const struct pl_error *err)
{
    if (status == PL_OK)
        return;
    fprintf(stderr, "bench_drain: %s\n", err->message);
    exit(1);
}

static struct pl_drain *open_drain(const struct source *source,
                                   const struct pl_chunk_sink *sink, bool journal)
{
    struct pl_drain *drain;
    struct pl_error err;
    struct pl_drain_options options = {.dir = source->dir,
                                       .db = journal ? source->db : NULL,
                                       .chunk_ns = 2 * PL_NS_PER_S,
                                       .sink_thread = sink != &nothing};
    check(pl_drain_open(&options, sink, &drain, &err), &err);
    if (*pl_drain_journal_trouble(drain))
        fprintf(stderr, "bench_drain: %s\n", pl_drain_journal_trouble(drain));
    return drain;
}

static void close_source(struct source *source, struct pl_drain *drain)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
    pl_drain_close(drain);
    munmap(source->seg, pl_segment_file_bytes(THREADS));
    pl_recording_dir_remove(source->dir);
    for (size_t i = 0; i < 4; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", source->db, ends[i]);
        unlink(path);
    }
    rmdir(source->home);
}

/* ---- CPU time a sample ---- */

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * PL_NS_PER_S + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Rounds of one and the other in turns; medians. */
static void measure_cost(bool diverse)
{
    static double ns[2][ROUNDS];
    struct source sources[2];
    struct pl_drain *drains[2];
    struct pl_error err;
    for (int i = 0; i < 2; i++) {
        open_source(&sources[i], diverse);
        int fd = open(sources[i].db, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        close(fd);
        drains[i] = open_drain(&sources[i], &nothing, i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < 2; k++) {
            int i = (round + k) % 2;
            for (uint32_t t = 0; t < TICKS; t++)
                put_tick(&sources[i]);
            int64_t from = cpu_ns();
            check(pl_drain_step(drains[i], &err), &err);
            ns[i][round] = (double)(cpu_ns() - from) / (TICKS * THREADS);
        }
    }
    for (int i = 0; i < 2; i++)
        qsort(ns[i], ROUNDS, sizeof ns[i][0], compare);
    double without = ns[0][ROUNDS / 2], with = ns[1][ROUNDS / 2];
    printf(
        "%-8s %7.0f ns a sample without, %7.0f with a journal (+%.0f ns, +%.1f %%)\n",
        diverse ? "diverse" : "repeat", without, with, with - without,
        100 * (with - without) / without);
    for (int i = 0; i < 2; i++)
        close_source(&sources[i], drains[i]);
}

/* ---- lossless ---- */

static _Noreturn void produce(struct source *source, double seconds)
{
    int64_t begin = pl_clock_mono_ns(), ticks = (int64_t)(seconds * 1000);
    for (int64_t t = 0; t < ticks; t++) {
        int64_t at = begin + t * PERIOD_NS;
        struct timespec until = {at / PL_NS_PER_S, at % PL_NS_PER_S};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        put_tick(source);
    }
    _exit(0);
}

static void measure_rate(bool diverse, double seconds)
{
    struct source source;
    struct pl_error err;
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    struct rusage before, after;
    open_source(&source, diverse);
    check(pl_store_open(source.db, PL_STORE_CREATE, &store, &err), &err);
    check(pl_store_sink(store, &sink, &err), &err);
    struct pl_drain *drain = open_drain(&source, &sink, true);
    getrusage(RUSAGE_SELF, &before);
    pid_t pid = fork();
    if (pid == 0)
        produce(&source, seconds);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        check(pl_drain_step(drain, &err), &err);
        usleep((useconds_t)pl_drain_pause_ms(drain) * 1000);
    }
    uint64_t lost = 0;
    for (uint32_t i = 0; i < THREADS; i++)
        lost += source.seg->threads[i].lost[PL_LOSS_RING_FULL];
    lost += source.seg->lost[PL_LOSS_EVENT_FULL] * THREADS;
    check(pl_drain_finish(drain, &err), &err);
    getrusage(RUSAGE_SELF, &after);
    struct pl_drain_stats stats;
    pl_drain_get_stats(drain, &stats);
    double used = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
                  (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
                  1e-6 * (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec +
                                  after.ru_stime.tv_usec - before.ru_stime.tv_usec);
    printf(
        "%-8s %.0f samples a second asked for: %llu stored, %llu found no room, "
        "%.0f ns of CPU each, to the store (goals: none; 700 repeat, 4000 diverse)\n",
        diverse ? "diverse" : "repeat", THREADS * 1e9 / PERIOD_NS,
        (unsigned long long)stats.samples, (unsigned long long)lost,
        1e9 * used / (double)stats.samples);
    close_source(&source, drain);
    pl_store_close(store);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 5;
    measure_cost(false);
    measure_cost(true);
    measure_rate(false, seconds);
    measure_rate(true, seconds);
    return 0;
}
