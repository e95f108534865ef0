/* Inside of the timeline: what intake and resolving share. */
#ifndef PL_COLLECTOR_DRAIN_RESOLVE_H
#define PL_COLLECTOR_DRAIN_RESOLVE_H

#include "collector/drain_timeline.h"

/* A window that begins at that Unix time; NULL when memory is short. */
struct pl_window *pl_drain_window_open(struct pl_drain_timeline *t, int64_t start_ns);

/* CPU time up to a reading of the thread's clock belongs to the first window. */
static inline void pl_drain_count_cpu(struct pl_drain_timeline_thread *thread,
                                      uint64_t cpu_clock_ns)
{
    thread->cpu_known = true;
    if (cpu_clock_ns <= thread->cpu_clock_ns || cpu_clock_ns > INT64_MAX / 4)
        return;
    thread->cpu_ns += (int64_t)(cpu_clock_ns - thread->cpu_clock_ns);
    thread->cpu_clock_ns = cpu_clock_ns;
}

static inline struct pl_answer *first_answer(struct pl_answers *answers)
{
    return answers->first < answers->count ? &answers->list[answers->first] : NULL;
}

static inline struct pl_question *first_question(struct pl_questions *questions)
{
    return questions->first < questions->count ? &questions->list[questions->first]
                                               : NULL;
}

#endif
