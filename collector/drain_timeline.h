/* Timeline: what every thread of one session did at every tick.
 *
 *   events:   TICK ─▶ windows      START, RAN, END ─▶ the thread's questions
 *   records:  answers of the thread's ring and of the sampler's
 *
 * A window is the ticks of one chunk to be: at most chunk_ns, never across an hour
 * of Unix time. Threads are resolved tick by tick, each at its own pace, because a
 * runnable thread that is not scheduled answers late; none goes past the end of
 * the first window before that is sealed. Of each thread and window
 *     ticks alive = weight of samples / period + losses
 * holds by construction: every tick extends a run, adds to the weight of the next
 * sample (the sampler woke too late), or counts one loss.
 *
 * In CPU mode samples have times of their own and a window is a range of time.
 * Threads  one. */
#ifndef PL_COLLECTOR_DRAIN_TIMELINE_H
#define PL_COLLECTOR_DRAIN_TIMELINE_H

#include "collector/drain_labels.h"
#include "collector/drain_stacks.h"
#include "collector/journal.h"
#include "collector/segment.h"
#include "store/chunk_sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A RAN without its record is lost when the ticks have gone on for so long. */
#define PL_TIMELINE_LATE_NS INT64_C(1000000000)
/* But one that has not run since it was asked could not answer: it waits for a CPU. */
#define PL_TIMELINE_PATIENT_NS INT64_C(10000000000)
/* CPU mode: threads' rings are read one after the other; wait for the others. */
#define PL_TIMELINE_SETTLE_NS INT64_C(300000000)

/* In times of a window, instead of a time. */
#define PL_TICK_MISSED_NS     INT64_MIN
#define PL_TICK_EVENT_FULL_NS (INT64_MIN + 1)

struct pl_answer { /* a record, its stack already in the table */
    uint32_t tick;
    uint32_t stack;  /* PL_NO_STACK: damaged */
    uint32_t labels; /* set of the thread then; 0 none */
    uint32_t periods;
    int64_t mono_ns;
};

struct pl_question { /* a RAN event */
    uint32_t tick;
    uint8_t ran; /* enum pl_ran */
    uint64_t cpu_clock_ns;
};

/* First in, first out; items before `first` are gone. */
struct pl_answers {
    struct pl_answer *list;
    size_t first, count, capacity;
};

struct pl_questions {
    struct pl_question *list;
    size_t first, count, capacity;
};

struct pl_drain_timeline_thread {
    uint32_t slot, generation, tid;
    char name[PL_THREAD_NAME_BYTES + 1];
    uint32_t start_tick, next_tick; /* next_tick: first not resolved */
    uint32_t missed; /* ticks just before next_tick that the next sample stands for */
    bool ended, end_counted;
    uint32_t end_tick; /* first tick at which it was gone */
    uint64_t end_cpu_clock_ns;
    uint32_t damaged_tick; /* answers up to this tick may have been in a damaged ring */
    bool ring_damaged;
    uint32_t stack;                     /* it has; PL_NO_STACK unknown */
    uint32_t labels;                    /* it has: a set */
    uint32_t told_labels, told_quietly; /* as last read from its ring, the sampler's */
    uint64_t cpu_clock_ns;
    int64_t cpu_ns; /* in the first window */
    bool cpu_known;
    struct pl_questions questions;
    struct pl_answers answers, quiet;
    struct pl_sink_run *runs; /* of the first window; no run before start_tick */
    size_t run_count, run_capacity;
    struct pl_label_run *label_runs; /* of the first window, ascending */
    size_t label_run_count, label_run_capacity;
    int64_t *times; /* CPU mode: Unix, one per sample */
    size_t time_count, time_capacity;
    uint64_t lost[PL_LOSS_COUNT]; /* in the first window */
};

struct pl_window {
    struct pl_window *next;
    uint32_t base;    /* number of the first tick */
    uint64_t skipped; /* ticks missed between the window before and this one */
    int64_t *times;   /* Unix or PL_TICK_*; count is the ticks it has so far */
    size_t count, capacity;
    bool closed;                /* no more ticks will be added */
    bool resolved;              /* nor samples: ready to be sealed */
    int64_t start_ns, limit_ns; /* Unix; ticks from limit_ns on belong to the next */
};

struct pl_drain_timeline {
    struct pl_journal *journal; /* borrowed, nullable: is told all that comes in */
    bool cpu_mode;
    int64_t period_ns, chunk_ns;
    int64_t to_unix_ns; /* add to CLOCK_MONOTONIC */
    struct pl_stacks stacks;
    struct pl_label_sets labels;
    struct pl_window *windows, *last; /* first to be sealed .. being filled */
    struct pl_drain_timeline_thread **threads;
    size_t thread_count, thread_capacity;
    struct pl_drain_timeline_thread *by_slot[PL_SEG_MAX_THREADS]; /* borrowed */
    bool any_tick;
    uint32_t newest_tick;
    int64_t newest_ns; /* mono, of that tick */
    int64_t newest_answer_ns;
    int64_t sealed_to_ns; /* Unix: what lies before has been handed over */
    uint64_t popped;      /* windows dropped; with each one, ids of the tables change */
    uint32_t slot_high;   /* slots ever used: indexes below this one */
    /* The host's counters as last read, and how much of them parts tell of. */
    uint64_t host_now[PL_SEG_MAX_THREADS][PL_LOSS_COUNT];
    uint64_t host_lost[PL_SEG_MAX_THREADS][PL_LOSS_COUNT];
    uint64_t event_full_now, host_event_full; /* likewise, ticks of all threads */
    uint64_t damaged; /* records of no thread: in the next part */
};

/* In memory that is zero. */
void pl_drain_timeline_init(struct pl_drain_timeline *t, bool cpu_mode,
                            int64_t period_ns, int64_t chunk_ns, int64_t to_unix_ns);
void pl_drain_timeline_deinit(struct pl_drain_timeline *t);

/* ---- what comes in ---- */

/* A tick; `event_full` is the segment's count of ticks lost to a full event ring.
 * False: it makes no sense (not after the newest); its events are to be skipped. */
bool pl_drain_timeline_tick(struct pl_drain_timeline *t, uint32_t tick, int64_t mono_ns,
                            uint64_t event_full);
void pl_drain_timeline_event(struct pl_drain_timeline *t, const struct pl_event *event,
                             uint32_t generation);

/* The thread a record belongs to; NULL if there is none. */
struct pl_drain_timeline_thread *
pl_drain_timeline_thread_of(struct pl_drain_timeline *t, uint32_t slot,
                            uint32_t generation);
void pl_drain_timeline_answer(struct pl_drain_timeline *t,
                              struct pl_drain_timeline_thread *thread, bool quiet,
                              const struct pl_answer *answer);
/* The labels of the thread's answers from here on, as its ring or the sampler's says.
 */
void pl_drain_timeline_told(struct pl_drain_timeline *t,
                            struct pl_drain_timeline_thread *thread, bool quiet,
                            uint32_t set);
/* Answers of the thread were thrown away unread. */
void pl_drain_timeline_ring_damaged(struct pl_drain_timeline *t,
                                    struct pl_drain_timeline_thread *thread);
/* What the host itself counts as lost of the slot's threads stands at `value`. */
void pl_drain_timeline_lost(struct pl_drain_timeline *t, uint32_t slot, unsigned reason,
                            uint64_t value);
/* The slot's thread has ended and all its records are in. */
void pl_drain_timeline_slot_release(struct pl_drain_timeline *t, uint32_t slot);

/* ---- what comes out ---- */

/* Resolve as far as it goes. `final`: nothing more will come, and what is not
 * answered is lost. `now_ns` is mono, for CPU mode. */
void pl_drain_timeline_advance(struct pl_drain_timeline *t, int64_t now_ns, bool final);

/* The first window is complete: chunk_builder.h makes a part of it, then _pop. */
bool pl_drain_timeline_ready(const struct pl_drain_timeline *t);
/* Drop the first window and what only it needed. */
void pl_drain_timeline_pop(struct pl_drain_timeline *t);

/* Bytes held; and a way to hold less: the window ends with the newest tick. */
size_t pl_drain_timeline_bytes(const struct pl_drain_timeline *t);
void pl_drain_timeline_cut(struct pl_drain_timeline *t);

#endif
