/* Calls: how long each call of a function lasted, of one thread's samples in order of
 * time, as vroom's function metrics have it.
 *
 *   sample (stack, time) ─▶ open calls ─▶ a call ended: self time ─▶ list of a chunk
 *                                          ─▶ pl_calls_finish: functions by self time
 *
 * A sample lasts until the thread's next one, the last one only ends what is open. A
 * call goes on as long as the next sample has the same functions down to it. Self time
 * of a function of the application is its time less that of application calls below it;
 * of any other, less that of all calls below it. The outermost call has none. */
#ifndef PL_STORE_CALLS_H
#define PL_STORE_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_CALLS_FUNCTIONS 100 /* of one chunk: those with most self time */

struct pl_call_frame {
    uint32_t function; /* any number that means the function */
    bool in_app;
};

/* A call that ended and had self time. */
struct pl_call_done {
    uint32_t function;
    bool in_app;
    int64_t self_ns, samples;
};

struct pl_calls {
    struct pl_open_call *open; /* outermost first */
    size_t depth, cap;
    struct pl_call_done *done;
    size_t done_count, done_cap;
    bool failed; /* out of memory */
};

/* All zero is empty. */
void pl_calls_deinit(struct pl_calls *calls);

/* `count` samples of the stack `path` (outermost first) from `at_ns` on; times must not
 * go back within a thread. */
void pl_calls_sample(struct pl_calls *calls, int64_t at_ns, int64_t count,
                     const struct pl_call_frame *path, size_t depth);
/* The thread's last sample was at `at_ns`, or what follows is not to be seen. */
void pl_calls_end(struct pl_calls *calls, int64_t at_ns);

/* A stack from a time on, of one thread of a chunk. */
struct pl_call_step {
    int64_t at_ns, thread;
    uint32_t order; /* of steps of one time */
    uint32_t stack; /* PL_CALLS_UNSEEN: what runs is not to be seen */
    uint32_t count; /* samples */
};
#define PL_CALLS_UNSEEN UINT32_MAX

/* The functions of a stack, outermost first, valid until the next call. False: out of
 * memory. */
typedef bool pl_call_path(void *self, uint32_t stack,
                          const struct pl_call_frame **path_out, size_t *depth_out);

/* All threads of a chunk, in any order: sorts the steps. False: out of memory. */
bool pl_calls_follow(struct pl_calls *calls, struct pl_call_step *steps, size_t count,
                     pl_call_path *path, void *self);

/* One function of a chunk. `calls` are its self times, in any order. */
struct pl_call_group {
    uint32_t function;
    int64_t sum_ns, samples;
    const struct pl_call_done *calls;
    size_t count;
};

/* What a chunk's calls come to: functions of the application seen in more than one
 * sample, those with most self time first, PL_CALLS_FUNCTIONS at most. `groups` has
 * room for so many; they borrow from `calls` until it is cleared.  Returns how many. */
size_t pl_calls_finish(struct pl_calls *calls,
                       struct pl_call_group groups[static PL_CALLS_FUNCTIONS]);
void pl_calls_clear(struct pl_calls *calls); /* for the next chunk */

/* What stands before the function in Sentry's names of it: the module, of a path its
 * last component. */
const char *pl_calls_package(const char *module);

/* Sentry's number of a function: the low half of the FNV-1a hash of
 * "package:function". */
uint32_t pl_calls_fingerprint(const char *module, const char *function);

/* Quantile `q` (0 to 1) of sorted values, between two of them in proportion. */
int64_t pl_calls_quantile(const int64_t *sorted, size_t count, double q);

#endif
