/* What tests of the drain share: segments that the test writes itself, and a sink that
 * writes down what it gets. */
#ifndef PL_TESTS_DRAIN_SUPPORT_H
#define PL_TESTS_DRAIN_SUPPORT_H

#include "tests/test.h"

#include "base/clock.h"
#include "collector/drain.h"
#include "collector/process_state.h"
#include "collector/segment_reader.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PERIOD_NS (10 * PL_NS_PER_MS)
#define HOUR_NS   (3600 * PL_NS_PER_S)
#define CODE      UINT64_C(0x10000) /* where module 0 is mapped */

/* ---- a sink that writes down what it gets ---- */

#define TEXT_BYTES ((size_t)1 << 20)
static char *text; /* shared with the processes forked from here on */
static size_t text_len;
static int fail_puts;
static int64_t origin_ns; /* Unix times are shown from here, in ms */

static inline void say(const char *format, ...) PL_PRINTF(1, 2);
static inline void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text + text_len, TEXT_BYTES - text_len, format, args);
    va_end(args);
    if (n > 0)
        text_len += (size_t)n;
    if (text_len >= TEXT_BYTES)
        text_len = TEXT_BYTES - 1;
}

static inline void clear_text(void)
{
    if (!text)
        text = mmap(NULL, TEXT_BYTES, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(text != MAP_FAILED);
    text_len = 0;
    text[0] = '\0';
}

static inline double ms(int64_t unix_ns)
{
    return (double)(unix_ns - origin_ns) / 1e6;
}

static inline enum pl_status on_begin(void *self, const struct pl_sink_session *s,
                                      struct pl_error *err)
{
    (void)self, (void)err;
    say("begin %s %s at %g\n", s->app, s->mode, ms(s->start_ns));
    return PL_OK;
}

static inline enum pl_status on_end(void *self, const struct pl_id *id, int64_t end_ns,
                                    enum pl_session_state state, int status,
                                    struct pl_error *err)
{
    static const char *const names[] = {"live", "ended", "crashed", "killed",
                                        "abandoned"};
    (void)self, (void)id, (void)end_ns, (void)err;
    say("end %s %d\n", names[state], status);
    return PL_OK;
}

static inline void say_stack(const struct pl_sink_part *part, uint32_t stack)
{
    for (uint32_t i = 0; i < part->stacks[stack].frame_count; i++) {
        const struct pl_sink_frame *f = &part->frames[part->stacks[stack].frames[i]];
        say(i ? ";" : "");
        if (f->function)
            say("%s", f->function);
        else
            say("%s%lx%s", f->module == PL_NO_INDEX ? "?" : "",
                (unsigned long)f->address, f->exact ? "!" : "");
    }
}

/* And what must hold of any part. */
static inline void check_part(const struct pl_sink_part *part)
{
    CHECK(part->end_ns - part->start_ns <= 60 * PL_NS_PER_S);
    CHECK(part->start_ns / HOUR_NS == (part->end_ns - 1) / HOUR_NS, "within an hour");
    for (size_t i = 0; i < part->thread_count; i++) {
        const struct pl_sink_thread *t = &part->threads[i];
        uint64_t covered = 0;
        for (size_t r = 0; r < t->run_count; r++) {
            covered += t->runs[r].count;
            CHECK(t->runs[r].count > 0);
            CHECK(t->runs[r].stack == PL_NO_INDEX ||
                  t->runs[r].stack < part->stack_count);
        }
        CHECK(t->times_ns || covered == part->tick_count, "%zu of %zu", (size_t)covered,
              part->tick_count);
    }
    for (size_t i = 0; i < part->frame_count; i++)
        CHECK(part->frames[i].module == PL_NO_INDEX ||
              part->frames[i].module < part->module_count);
}

static inline enum pl_status on_put(void *self, const struct pl_sink_part *part,
                                    struct pl_error *err)
{
    (void)self;
    if (fail_puts > 0 && fail_puts--)
        return pl_error_set(err, PL_BUSY, "not now");
    check_part(part);
    say("part %g..%g ticks %zu", ms(part->start_ns), ms(part->end_ns),
        part->tick_count);
    for (size_t i = 0; i < part->tick_count; i++) {
        if (part->ticks_ns[i] != INT64_MIN)
            continue;
        size_t last = i;
        while (last + 1 < part->tick_count && part->ticks_ns[last + 1] == INT64_MIN)
            last++;
        if (last - i > 2)
            say(" -%zu..%zu", i, last);
        else
            say(" -%zu", i);
        if (last - i > 2)
            i = last;
    }
    say("\n");
    for (size_t i = 0; i < part->thread_count; i++) {
        const struct pl_sink_thread *t = &part->threads[i];
        say(" %ld %s cpu %g:", (long)t->tid, t->name, (double)t->cpu_ns / 1e6);
        for (size_t r = 0; r < t->run_count; r++) {
            say(" %u*", t->runs[r].count);
            if (t->runs[r].stack == PL_NO_INDEX)
                say("none");
            else
                say_stack(part, t->runs[r].stack);
            say(t->runs[r].on_cpu == 1 ? "+" : "");
            if (t->runs[r].weight_ns)
                say("=%g", (double)t->runs[r].weight_ns / 1e6);
        }
        say("\n");
        for (size_t l = 0; l < part->loss_count; l++)
            if (part->losses[l].thread == i)
                say("  lost %lu %s\n", (unsigned long)part->losses[l].count,
                    part->losses[l].reason);
    }
    for (size_t l = 0; l < part->loss_count; l++)
        if (part->losses[l].thread == PL_NO_INDEX)
            say(" lost %lu %s\n", (unsigned long)part->losses[l].count,
                part->losses[l].reason);
    return PL_OK;
}

/* ---- a segment ---- */

struct fixture {
    char dir[64], path[128];
    struct pl_segment *seg;
    size_t bytes;
    int64_t mono_ns; /* origin */
    uint64_t events, quiet;
    struct pl_drain *drain;
};

static const struct pl_chunk_sink sink = {
    .session_begin = on_begin, .put = on_put, .session_end = on_end};

static inline uint64_t start_of(pid_t pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    size_t got = file ? fread(line, 1, sizeof line - 1, file) : 0;
    if (file)
        fclose(file);
    line[got] = '\0';
    const char *at = strrchr(line, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

static inline void write_segment(struct fixture *f, const char *name, pid_t pid,
                                 bool cpu_mode)
{
    snprintf(f->path, sizeof f->path, "%s/%s", f->dir, name);
    int fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    f->bytes = pl_segment_file_bytes(4);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)f->bytes) == 0);
    f->seg = mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    struct pl_segment *s = f->seg;
    s->magic = PL_SEG_MAGIC;
    s->version = PL_SEG_VERSION;
    s->header_bytes = sizeof *s;
    s->pid = (uint32_t)pid;
    s->pid_start = start_of(pid);
    s->session_id[0] = (uint8_t)name[0];
    s->cpu_mode = cpu_mode;
    s->period_ns = PERIOD_NS;
    s->mono_origin_ns = f->mono_ns;
    s->wall_origin_ns = origin_ns;
    snprintf(s->app, sizeof s->app, "app");
    s->ring_count = 4;
    for (uint32_t i = 0; i < 4; i++)
        s->threads[i].ring = i;
    s->modules[0] = (struct pl_seg_module){
        .start = CODE, .end = CODE + 0x10000, .bias = CODE, .path = 0};
    memcpy(s->paths, "/nowhere/prog", 14);
    s->module_count = 1;
    f->events = f->quiet = 0;
    atomic_store(&s->state, PL_SEG_LIVE);
}

/* Times begin `before` ago, so that all of them lie in the past. */
static inline void open_fixture(struct fixture *f, bool cpu_mode, int64_t before_ns,
                                int64_t wall_ns)
{
    memset(f, 0, sizeof *f);
    clear_text();
    origin_ns = wall_ns;
    f->mono_ns = pl_clock_mono_ns() - before_ns;
    snprintf(f->dir, sizeof f->dir, "/tmp/test_drain.XXXXXX");
    CHECK(mkdtemp(f->dir) != NULL);
    write_segment(f, "a.seg", getpid(), cpu_mode);
    struct pl_drain_options options = {.dir = f->dir};
    struct pl_error err;
    CHECK_OK(pl_drain_open(&options, &sink, &f->drain, &err), err);
}

static inline void event(struct fixture *f, uint8_t kind, uint8_t flags, uint16_t slot,
                         uint32_t arg, uint64_t value)
{
    f->seg->events[f->events++ % PL_EVENT_RING_SLOTS] =
        (struct pl_event){kind, flags, slot, arg, value};
}

static inline void publish(struct fixture *f)
{
    atomic_store_explicit(&f->seg->event_head, f->events, memory_order_release);
}

static inline int64_t at_tick(const struct fixture *f, uint32_t tick)
{
    return f->mono_ns + (int64_t)tick * PERIOD_NS;
}

static inline void tick(struct fixture *f, uint32_t number)
{
    event(f, PL_EVENT_TICK, 0, 0, number, (uint64_t)at_tick(f, number));
}

static inline void start(struct fixture *f, uint16_t slot, uint32_t tid,
                         uint64_t cpu_ms)
{
    uint64_t name = 0;
    memcpy(&name, "worker", 6);
    f->seg->threads[slot].tid = tid;
    f->seg->threads[slot].generation++;
    if (f->seg->thread_high <= slot)
        f->seg->thread_high = slot + 1u;
    event(f, PL_EVENT_START, cpu_ms != 0, slot, tid, cpu_ms * 1000000);
    event(f, PL_EVENT_NAME, 0, slot, 0, name);
}

static inline void end(struct fixture *f, uint16_t slot, uint64_t cpu_ms)
{
    event(f, PL_EVENT_END, 0, slot, 0, cpu_ms * 1000000);
    f->seg->threads[slot].generation++;
}

static inline void ran(struct fixture *f, uint16_t slot, uint32_t number,
                       enum pl_ran how, uint64_t cpu_ms)
{
    event(f, PL_EVENT_RAN, (uint8_t)how, slot, number, cpu_ms * 1000000);
}

/* A stack of return address CODE + at below, leaf CODE + at + 1. */
static inline uint32_t make_record(struct fixture *f, void *to, uint16_t slot,
                                   uint32_t number, uint64_t at, enum pl_walk_end how)
{
    struct pl_rec rec = {
        .bytes = sizeof rec + 16,
        .kind = PL_REC_STACK,
        .end = (uint8_t)how,
        .slot = slot,
        .tick = number,
        .periods = 1,
        .mono_ns = at_tick(f, number),
        .generation = f->seg->threads[slot].generation | 1u,
        .pc_count = 2,
    };
    uint64_t pcs[2] = {(CODE + at + 1) | PL_PC_EXACT, CODE + at};
    memcpy(to, &rec, sizeof rec);
    memcpy((char *)to + sizeof rec, pcs, sizeof pcs);
    return rec.bytes;
}

static inline void *ring_at(struct fixture *f, uint16_t slot)
{
    return (char *)f->seg + pl_segment_file_bytes(slot) +
           f->seg->threads[slot].head % PL_RING_BYTES;
}

static inline void answer(struct fixture *f, uint16_t slot, uint32_t number,
                          uint64_t at)
{
    f->seg->threads[slot].head +=
        make_record(f, ring_at(f, slot), slot, number, at, PL_WALK_ROOT);
}

static inline void quiet(struct fixture *f, uint16_t slot, uint32_t number, uint64_t at)
{
    f->seg->quiet_head += make_record(f, f->seg->quiet_ring + f->seg->quiet_head, slot,
                                      number, at, PL_WALK_ROOT);
}

static inline void step(struct fixture *f)
{
    struct pl_error err;
    publish(f);
    CHECK_OK(pl_drain_step(f->drain, &err), err);
}

static inline void expect(const char *wanted)
{
    CHECK(strcmp(text, wanted) == 0, "\n--- got\n%s--- wanted\n%s", text, wanted);
}

static inline void finish(struct fixture *f)
{
    struct pl_error err;
    publish(f);
    CHECK_OK(pl_drain_finish(f->drain, &err), err);
}

static inline void close_fixture(struct fixture *f)
{
    pl_drain_close(f->drain);
    munmap(f->seg, f->bytes);
    pl_recording_dir_remove(f->dir);
    CHECK(access(f->dir, F_OK) != 0, "%s is left behind", f->dir);
}

/* Unix time well inside of an hour. */
#define NOON (INT64_C(1700000000) / 3600 * 3600 * PL_NS_PER_S + 60 * PL_NS_PER_S)

#endif
