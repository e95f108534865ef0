/* State: what capture, sampler and signal handler share inside the profiled
 * process. The part the drain sees is in segment.h.
 *
 *   capture  makes it before the sampler and the handler can see it
 *   sampler  owns it afterwards: slots, code table
 *   handler  reads its own slot and the current code table, writes its ring
 *
 * Never freed while a handler may run; a forked child makes a new one and leaves
 * the parent's alone. Signal-safe set. */
#ifndef PL_COLLECTOR_STATE_H
#define PL_COLLECTOR_STATE_H

#include "collector/capture.h"
#include "collector/label_table.h"
#include "collector/ring.h"
#include "collector/segment.h"
#include "collector/unwind.h"

#include <signal.h>
#include <stdbool.h>

#define PL_SIGNAL       SIGURG    /* ignored by default: harmless wherever it gets */
#define PL_SPARE_SIGNAL SIGSTKFLT /* for a host that waits for SIGURG itself */
#define PL_NO_TICK      UINT32_MAX
#define PL_NO_BOUNDS    UINT64_MAX
#define PL_COOKIE_MASK  (~UINT64_C(0xffff)) /* of sigval: cookie | slot */

/* One thread, beside its struct pl_seg_thread of the same index. */
struct pl_slot {
    /* sampler writes, handler reads */
    _Alignas(64) struct pl_ring ring; /* bytes NULL: none */
    struct pl_row_cache *cache;       /* the handler's; NULL: none */
    int tid;
    uint32_t generation;
    _Atomic(const struct pl_label_block *) labels; /* NULL: its thread has none */
    /* Where the thread's own stack may be loaded from directly: `stack_lo` is
     * PL_NO_BOUNDS, or stored (release) after a `stack_hi` that stays. */
    _Atomic uint64_t stack_lo, stack_hi;
    /* Wall: the tick whose stack is wanted; whoever exchanges it for something
     * else accounts for it (handler: record or ring full; sampler: no answer). */
    _Atomic uint32_t want_tick;
    /* CPU mode: periods a sample is owed for, beside those of the kernel's timer;
     * taken by the handler. */
    _Atomic uint32_t owed_periods;
    /* handler writes, sampler reads */
    _Atomic uint64_t tcb; /* end of a thread's stack: where libc's own block is */
    _Atomic(const struct pl_code_table *) using; /* table of the walk under way */
    _Atomic bool busy;                           /* a handler is at work */
    uint32_t sequence;                  /* handler only: cpu mode's running number */
    _Atomic uint64_t taken_periods;     /* cpu mode: that its samples stand for */
    struct pl_label_stream told_labels; /* handler only: in the thread's ring */

    /* sampler only */
    uint64_t cpu_ns;      /* CPU clock last accepted */
    uint64_t told_cpu_ns; /* and last told, in cpu mode */
    int64_t credit_ns;    /* CPU time no sample stands for yet */
    int64_t extra_ns;     /* of threads that were not met: it stands for them */
    int64_t begun_ns;     /* its CPU clock when sampling began */
    uint32_t ran_tick;    /* when it was last seen to have run */
    uint32_t met_tick;    /* when it was first seen */
    uint64_t quiet_hash;  /* of its stack when last captured quietly; 0: none */
    struct pl_label_stream told_quietly;     /* of its labels, in the sampler's ring */
    uint64_t name[PL_THREAD_NAME_BYTES / 8]; /* as last told */
    uint64_t seen_scan;
    uint32_t next_name; /* ticks until its name is read again */
    uint32_t name_gap;
    int syscall_fd;                 /* /proc/self/task/TID/syscall; -1 */
    int timer_id;                   /* cpu mode; -1 */
    _Atomic uint32_t timer_periods; /* it runs for; the handler reads it */
    bool live, announced, existed, recapture, sampled;
    bool met; /* seen to have run: unmet.c */
};

struct pl_state {
    struct pl_segment *segment;
    uint64_t segment_bytes; /* of the mapping that starts at `segment` */
    int pid; /* 0: this is the child of a fork, where the memory reads as zero */
    int hidden_tids[PL_HIDDEN_THREADS];
    bool cpu_mode;
    bool paced; /* cpu mode in which the sampler signals, not the kernel's timers */
    int64_t period_ns;
    _Atomic uint32_t stop; /* futex: 1 the sampler is to end */
    /* max_overhead, in millionths of the process's CPU time; 0: no limit, and nothing
     * below is kept. What handlers cost: how many ran, and for how long. */
    uint32_t budget_ppm;
    _Atomic uint32_t stride; /* every so many ticks a round, or periods a timer */
    _Atomic uint64_t handled, handler_ns;
    _Atomic bool names_stale;
    _Atomic bool confined; /* the handler may make no system call */
    _Atomic(const struct pl_code_table *) code;
    struct pl_slot slots[PL_SEG_MAX_THREADS];
};

/* What the handler works on; NULL while nothing is captured. Kept by capture.c. */
extern _Atomic(struct pl_state *) pl_state_current;

/* The one in use. */
extern _Atomic int pl_state_signal;

/* Marks our signals, the same for the life of a process: 48 random bits, not 0. */
extern _Atomic uint64_t pl_state_cookie;

#endif
