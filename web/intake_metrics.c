#include "web/intake_metrics.h"

#include "process/normalize.h"
#include "store/function_metric.h"

#include <stdlib.h>
#include <string.h>

struct metrics {
    const struct pl_intake_chunk *chunk;
    const struct pl_sink_part *names; /* all parts share modules, frames and stacks */
    uint32_t *functions;              /* frame -> the first frame of its function */
    bool *in_app;                     /* of frames */
    struct pl_call_frame *path;       /* as deep as any stack */
    struct pl_call_step *steps;
    size_t step_count;
    struct pl_calls calls;
};

static const char *module_of(const struct metrics *m, const struct pl_sink_frame *frame)
{
    return frame->module == PL_NO_INDEX ? "" : m->names->modules[frame->module].path;
}

static bool is_named(const struct pl_sink_frame *frame)
{
    return frame->function && frame->function[0];
}

/* ---- frames ---- */

/* Texts of a profile are kept once: same pointer, same text. */
static int by_function(const void *left, const void *right, void *self)
{
    const struct metrics *m = self;
    const struct pl_sink_frame *frames = m->names->frames;
    const struct pl_sink_frame *a = &frames[*(const uint32_t *)left];
    const struct pl_sink_frame *b = &frames[*(const uint32_t *)right];
    if (a->function != b->function)
        return (uintptr_t)a->function < (uintptr_t)b->function ? -1 : 1;
    if (a->file != b->file)
        return (uintptr_t)a->file < (uintptr_t)b->file ? -1 : 1;
    if (a->module != b->module)
        return a->module < b->module ? -1 : 1;
    return (a->address > b->address) - (a->address < b->address);
}

/* Of one function: what is native has its address for a name. */
static bool same_function(const struct pl_sink_frame *a, const struct pl_sink_frame *b)
{
    return is_named(a) && a->function == b->function && a->file == b->file &&
           a->module == b->module;
}

static bool number_frames(struct metrics *m)
{
    size_t count = m->names->frame_count;
    uint32_t *order = calloc(count + 1, sizeof *order);
    if (!order)
        return false;
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, count, sizeof *order, by_function, m);
    for (size_t i = 0; i < count; i++) {
        const struct pl_sink_frame *frames = m->names->frames;
        bool same = i && same_function(&frames[order[i]], &frames[order[i - 1]]);
        m->functions[order[i]] = same ? m->functions[order[i - 1]] : order[i];
    }
    free(order);
    return true;
}

static void judge_frames(struct metrics *m)
{
    static const struct pl_normalize_options none = {0};
    const char *platform = m->chunk->session.platform;
    for (size_t i = 0; i < m->names->frame_count; i++) {
        const struct pl_sink_frame *frame = &m->names->frames[i];
        const struct pl_normal_frame normal = {
            .function = frame->function ? frame->function : "",
            .file = frame->file ? frame->file : "",
            .module = module_of(m, frame),
            .platform = frame->platform ? frame->platform
                        : platform      ? platform
                                        : "",
            .in_app = frame->in_app,
        };
        m->in_app[i] = is_named(frame) && pl_normalize_in_app(&none, &normal) == 1;
    }
}

static bool find_path(void *self, uint32_t stack, const struct pl_call_frame **path_out,
                      size_t *depth_out)
{
    struct metrics *m = self;
    const struct pl_sink_stack *from = &m->names->stacks[stack];
    for (uint32_t i = 0; i < from->frame_count; i++)
        m->path[i] = (struct pl_call_frame){m->functions[from->frames[i]],
                                            m->in_app[from->frames[i]]};
    *path_out = m->path;
    *depth_out = from->frame_count;
    return true;
}

/* ---- samples ---- */

static void add_thread(struct metrics *m, const struct pl_sink_part *part,
                       const struct pl_sink_thread *thread)
{
    const int64_t *times = thread->times_ns ? thread->times_ns : part->ticks_ns;
    size_t tick = 0;
    for (size_t i = 0; i < thread->run_count; i++) {
        const struct pl_sink_run *run = &thread->runs[i];
        for (uint32_t n = 0; n < run->count; n++, tick++)
            if (run->stack != PL_NO_INDEX) {
                m->steps[m->step_count] =
                    (struct pl_call_step){.at_ns = times[tick],
                                          .thread = thread->tid,
                                          .order = (uint32_t)m->step_count,
                                          .stack = run->stack,
                                          .count = 1};
                m->step_count++;
            }
    }
}

static size_t count_samples(const struct pl_intake_chunk *chunk)
{
    size_t count = 0;
    for (size_t p = 0; p < chunk->part_count; p++)
        for (size_t t = 0; t < chunk->parts[p].thread_count; t++)
            for (size_t i = 0; i < chunk->parts[p].threads[t].run_count; i++)
                if (chunk->parts[p].threads[t].runs[i].stack != PL_NO_INDEX)
                    count += chunk->parts[p].threads[t].runs[i].count;
    return count;
}

static bool prepare(struct metrics *m)
{
    size_t deepest = 0;
    for (size_t i = 0; i < m->names->stack_count; i++)
        if (m->names->stacks[i].frame_count > deepest)
            deepest = m->names->stacks[i].frame_count;
    m->functions = calloc(m->names->frame_count + 1, sizeof *m->functions);
    m->in_app = calloc(m->names->frame_count + 1, sizeof *m->in_app);
    m->path = calloc(deepest + 1, sizeof *m->path);
    m->steps = calloc(count_samples(m->chunk) + 1, sizeof *m->steps);
    if (!m->functions || !m->in_app || !m->path || !m->steps || !number_frames(m))
        return false;
    judge_frames(m);
    for (size_t p = 0; p < m->chunk->part_count; p++)
        for (size_t t = 0; t < m->chunk->parts[p].thread_count; t++)
            add_thread(m, &m->chunk->parts[p], &m->chunk->parts[p].threads[t]);
    return pl_calls_follow(&m->calls, m->steps, m->step_count, find_path, m);
}

/* ---- into the store ---- */

static enum pl_status put(struct pl_store *store, struct metrics *m,
                          const struct pl_count *counts, size_t count_count,
                          struct pl_error *err)
{
    struct pl_call_group groups[PL_CALLS_FUNCTIONS];
    struct pl_kept_function functions[PL_CALLS_FUNCTIONS];
    const struct pl_sink_session *session = &m->chunk->session;
    size_t count = pl_calls_finish(&m->calls, groups);
    for (size_t i = 0; i < count; i++) {
        const struct pl_sink_frame *frame = &m->names->frames[groups[i].function];
        functions[i] = (struct pl_kept_function){
            .function = frame->function,
            .module = module_of(m, frame),
            .file = frame->file ? frame->file : "",
            .group = groups[i],
        };
    }
    const struct pl_kept_metrics kept = {
        .project_id = session->project_id,
        .start_ns = session->start_ns,
        .app = session->app,
        .release = session->release,
        .environment = session->environment,
        .platform = session->platform,
        .functions = functions,
        .count = count,
        .counts = counts,
        .count_count = count_count,
    };
    return pl_function_metric_put(store, &kept, err);
}

enum pl_status pl_intake_keep_metrics(struct pl_store *store,
                                      const struct pl_intake_chunk *chunk,
                                      const struct pl_count *counts, size_t count_count,
                                      struct pl_error *err)
{
    static const struct pl_sink_part nothing = {0};
    struct metrics m = {.chunk = chunk,
                        .names = chunk->part_count ? chunk->parts : &nothing};
    enum pl_status status =
        prepare(&m) ? put(store, &m, counts, count_count, err)
                    : pl_error_set(err, PL_NOMEM, "out of memory for function metrics");
    free(m.functions);
    free(m.in_app);
    free(m.path);
    free(m.steps);
    pl_calls_deinit(&m.calls);
    return status;
}
