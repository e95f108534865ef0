#include "store/calls.h"

#include <stdlib.h>
#include <string.h>

struct pl_open_call {
    struct pl_call_frame frame;
    int64_t start_ns, samples;
    int64_t app_ns; /* of application calls that ended below */
    int64_t all_ns; /* of all calls that ended right below */
};

void pl_calls_deinit(struct pl_calls *calls)
{
    free(calls->open);
    free(calls->done);
    *calls = (struct pl_calls){0};
}

void pl_calls_clear(struct pl_calls *calls)
{
    calls->depth = 0;
    calls->done_count = 0;
}

static bool grow(void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 64;
    void *grown = realloc(*array, more * size);
    if (!grown)
        return false;
    *array = grown;
    *cap = more;
    return true;
}

/* ---- calls ---- */

static void add_done(struct pl_calls *calls, const struct pl_open_call *call,
                     int64_t self_ns)
{
    void *done = calls->done;
    if (self_ns <= 0)
        return;
    if (!grow(&done, calls->done_count, &calls->done_cap, sizeof *calls->done)) {
        calls->failed = true;
        return;
    }
    calls->done = done;
    calls->done[calls->done_count++] = (struct pl_call_done){
        call->frame.function, call->frame.in_app, self_ns, call->samples};
}

/* The innermost open call. */
static void close_one(struct pl_calls *calls, int64_t at_ns)
{
    struct pl_open_call *call = &calls->open[--calls->depth];
    int64_t lasted_ns = at_ns - call->start_ns;
    int64_t below_ns = call->frame.in_app ? call->app_ns : call->all_ns;
    if (!calls->depth)
        return; /* the outermost is what everything runs in */
    add_done(calls, call, lasted_ns - below_ns);
    struct pl_open_call *caller = &calls->open[calls->depth - 1];
    caller->app_ns += call->frame.in_app ? lasted_ns : call->app_ns;
    caller->all_ns += lasted_ns;
}

void pl_calls_end(struct pl_calls *calls, int64_t at_ns)
{
    while (calls->depth)
        close_one(calls, at_ns);
}

static bool open_one(struct pl_calls *calls, int64_t at_ns,
                     const struct pl_call_frame *frame)
{
    void *open = calls->open;
    if (!grow(&open, calls->depth, &calls->cap, sizeof *calls->open))
        return false;
    calls->open = open;
    calls->open[calls->depth++] =
        (struct pl_open_call){.frame = *frame, .start_ns = at_ns};
    return true;
}

void pl_calls_sample(struct pl_calls *calls, int64_t at_ns, int64_t count,
                     const struct pl_call_frame *path, size_t depth)
{
    size_t same = 0;
    while (same < depth && same < calls->depth &&
           calls->open[same].frame.function == path[same].function)
        same++;
    while (calls->depth > same)
        close_one(calls, at_ns);
    for (; same < depth && !calls->failed; same++)
        calls->failed = !open_one(calls, at_ns, &path[same]);
    for (size_t i = 0; i < calls->depth; i++)
        calls->open[i].samples += count;
}

/* ---- a chunk ---- */

static int by_thread(const void *left, const void *right)
{
    const struct pl_call_step *a = left, *b = right;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

bool pl_calls_follow(struct pl_calls *calls, struct pl_call_step *steps, size_t count,
                     pl_call_path *path, void *self)
{
    const struct pl_call_frame *frames;
    size_t depth;
    if (count)
        qsort(steps, count, sizeof *steps, by_thread);
    for (size_t i = 0; i < count && !calls->failed; i++) {
        const struct pl_call_step *step = &steps[i];
        if (step->stack == PL_CALLS_UNSEEN) {
            pl_calls_end(calls, step->at_ns);
            continue;
        }
        if (!path(self, step->stack, &frames, &depth))
            return false;
        pl_calls_sample(calls, step->at_ns, step->count, frames, depth);
        if (i + 1 == count || step[1].thread != step->thread)
            pl_calls_end(calls, step->at_ns);
    }
    return !calls->failed;
}

static int by_function(const void *left, const void *right)
{
    const struct pl_call_done *a = left, *b = right;
    return (a->function > b->function) - (a->function < b->function);
}

static int by_sum(const void *left, const void *right)
{
    const struct pl_call_group *a = left, *b = right;
    if (a->sum_ns != b->sum_ns)
        return a->sum_ns > b->sum_ns ? -1 : 1;
    return (a->function > b->function) - (a->function < b->function);
}

/* Keeps the best in order of merit once there is no room for more. */
static void keep_best(struct pl_call_group *groups, size_t *count,
                      const struct pl_call_group *next)
{
    if (*count < PL_CALLS_FUNCTIONS) {
        groups[(*count)++] = *next;
        if (*count == PL_CALLS_FUNCTIONS)
            qsort(groups, *count, sizeof *groups, by_sum);
        return;
    }
    size_t at = *count;
    while (at && by_sum(next, &groups[at - 1]) < 0)
        at--;
    if (at == *count)
        return;
    memmove(&groups[at + 1], &groups[at], (*count - at - 1) * sizeof *groups);
    groups[at] = *next;
}

size_t pl_calls_finish(struct pl_calls *calls,
                       struct pl_call_group groups[static PL_CALLS_FUNCTIONS])
{
    size_t count = 0;
    if (!calls->done_count)
        return 0;
    qsort(calls->done, calls->done_count, sizeof *calls->done, by_function);
    for (size_t i = 0, next; i < calls->done_count; i = next) {
        struct pl_call_group group = {.function = calls->done[i].function,
                                      .calls = &calls->done[i]};
        for (next = i;
             next < calls->done_count && calls->done[next].function == group.function;
             next++) {
            group.sum_ns += calls->done[next].self_ns;
            group.samples += calls->done[next].samples;
        }
        group.count = next - i;
        if (calls->done[i].in_app && group.samples > 1)
            keep_best(groups, &count, &group);
    }
    qsort(groups, count, sizeof *groups, by_sum);
    return count;
}

/* ---- names and numbers ---- */

const char *pl_calls_package(const char *module)
{
    const char *slash = module[0] == '/' ? strrchr(module, '/') : NULL;
    return slash ? slash + 1 : module;
}

static uint64_t fnv1a(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

uint32_t pl_calls_fingerprint(const char *module, const char *function)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    hash = fnv1a(hash, pl_calls_package(module));
    hash = fnv1a(hash, ":");
    return (uint32_t)fnv1a(hash, function);
}

int64_t pl_calls_quantile(const int64_t *sorted, size_t count, double q)
{
    if (!count)
        return 0;
    double place = q * (double)(count - 1);
    size_t low = (size_t)place;
    if (low + 1 >= count)
        return sorted[count - 1];
    double part = place - (double)low;
    return sorted[low] + (int64_t)((double)(sorted[low + 1] - sorted[low]) * part + .5);
}
