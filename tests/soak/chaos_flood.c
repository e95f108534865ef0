/* Flood: profiles its own process and signals every thread of it as fast as it can.
 *
 * The capture is the real one, with its sampler, handler and unwinder. In the place of
 * a drain one thread makes unwind rows, takes the records out of the rings unseen but
 * for how their walks ended, and in between sends signals as the sampler would, some
 * ten thousand a second to each thread. */
#include "collector/capture.h"
#include "collector/drain.h"
#include "collector/rowcache.h"
#include "collector/state.h"
#include "collector/sys.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROWS_EVERY 100 /* rounds of signals */

int chaos_flood_start(void);
unsigned long chaos_flood_stop(unsigned long *rooted, unsigned long *cut);

static struct {
    char dir[256];
    pthread_t thread;
    _Atomic bool stop;
    struct pl_rowcache *rows;
    uint32_t modules;
    unsigned long samples, rooted, cut;
} flood;

static void make_rows(struct pl_segment *segment)
{
    uint32_t count = atomic_load_explicit(&segment->module_count, memory_order_acquire);
    for (; flood.modules < count; flood.modules++) {
        const struct pl_seg_module *m = &segment->modules[flood.modules];
        struct pl_rowcache_module module = {segment->paths + m->path, m->build_id,
                                            m->build_id_bytes,
                                            (m->flags & PL_MODULE_VDSO) != 0};
        if (pl_rowcache_make(flood.rows, &module, NULL) == PL_OK)
            atomic_fetch_add(&segment->rows_generation, 1);
    }
}

static void empty_ring(const struct pl_ring *ring)
{
    uint64_t head = atomic_load_explicit(ring->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(ring->tail, memory_order_relaxed);
    while (tail != head) {
        const struct pl_rec *rec =
            (const void *)(ring->bytes + (tail & (ring->size - 1)));
        bool rooted = rec->end == PL_WALK_ROOT || rec->end == PL_WALK_ROOT_ZERO;
        if (rec->kind == PL_REC_STACK || rec->kind == PL_REC_REGISTERS) {
            flood.samples++;
            *(rec->kind == PL_REC_STACK && rooted ? &flood.rooted : &flood.cut) += 1;
        }
        tail += rec->bytes;
    }
    atomic_store_explicit(ring->tail, tail, memory_order_release);
}

static void signal_thread(struct pl_state *state, uint32_t index)
{
    siginfo_t info;
    int number = atomic_load(&pl_state_signal);
    memset(&info, 0, sizeof info);
    atomic_fetch_add(&state->slots[index].owed_periods, 1);
    info.si_signo = number;
    info.si_code = SI_QUEUE;
    info.si_pid = state->pid;
    info.si_value.sival_ptr =
        (void *)(uintptr_t)(atomic_load(&pl_state_cookie) | index);
    pl_sys4(SYS_rt_tgsigqueueinfo, state->pid, state->slots[index].tid, number,
            PL_ARG(&info));
}

static void *run(void *argument)
{
    struct pl_state *state = argument;
    struct pl_segment *segment = state->segment;
    const struct timespec pause = {0, 30000};
    for (unsigned round = 0; !atomic_load(&flood.stop); round++) {
        uint32_t high =
            atomic_load_explicit(&segment->thread_high, memory_order_acquire);
        for (uint32_t i = 0; i < high; i++) {
            struct pl_slot *slot = &state->slots[i];
            struct pl_seg_thread *thread = &segment->threads[i];
            atomic_store(&thread->drained, atomic_load(&thread->generation) | 1);
            if (!slot->live || !slot->ring.bytes)
                continue;
            if (slot->tid != state->pid) /* which sleeps, and would begin anew */
                signal_thread(state, i);
            empty_ring(&slot->ring);
        }
        atomic_store(&segment->event_tail, atomic_load(&segment->event_head));
        atomic_store(&segment->quiet_tail, atomic_load(&segment->quiet_head));
        if (round % ROWS_EVERY == 0)
            make_rows(segment);
        (void)nanosleep(&pause, NULL); /* or the threads would do nothing else */
    }
    return NULL;
}

int chaos_flood_start(void)
{
    struct pl_id id;
    struct pl_error err;
    struct pl_capture_options options = {
        .dir = flood.dir, .period_ns = 10000000, .cpu_mode = true};
    if (pl_id_new(&id, &err) != PL_OK ||
        pl_recording_dir_make(&id, flood.dir, sizeof flood.dir, &err) != PL_OK ||
        pl_rowcache_open(flood.dir, &flood.rows, &err) != PL_OK)
        return -1;
    pl_rowcache_prepare_common(flood.rows);
    if (pl_capture_start(&options) != 0)
        return -1;
    return pthread_create(&flood.thread, NULL, run, atomic_load(&pl_state_current));
}

unsigned long chaos_flood_stop(unsigned long *rooted, unsigned long *cut)
{
    atomic_store(&flood.stop, true);
    pthread_join(flood.thread, NULL);
    pl_capture_stop();
    pl_rowcache_close(flood.rows);
    pl_recording_dir_remove(flood.dir);
    *rooted = flood.rooted;
    *cut = flood.cut;
    return flood.samples;
}
