/* Inside of reading a journal: a session being made again. */
#ifndef PL_COLLECTOR_JOURNAL_REPLAY_H
#define PL_COLLECTOR_JOURNAL_REPLAY_H

#include "collector/drain_session.h"
#include "collector/grow.h"
#include "collector/journal_wire.h"

#define PL_REPLAY_MAX_NS    (INT64_C(1) << 61)
#define PL_REPLAY_MAX_ITEMS (16u << 20)
#define PL_REPLAY_MAX_WORDS (PL_MAX_FRAMES + 1u)

/* The journal's ids to those of a table. */
struct pl_replay_ids {
    uint32_t *list;
    size_t count, capacity;
};

struct pl_replay {
    struct pl_drain_shared *shared;
    struct pl_drain_session *session;
    struct pl_replay_ids frames, stacks, pairs, sets;
    uint32_t words[PL_REPLAY_MAX_WORDS]; /* of the last stack, the table's frames */
    size_t word_count;
    struct pl_drain_timeline_thread *thread; /* arrays that follow are its */
    struct pl_window *window;                /* or its */
    size_t windows;
    bool has_session, has_timeline;
};

static inline bool pl_replay_is_time(int64_t ns)
{
    return ns >= 0 && ns < PL_REPLAY_MAX_NS;
}

/* False if there is no such stack; PL_NO_STACK stays what it is. */
static inline bool pl_replay_stack(const struct pl_replay *r, uint32_t *stack)
{
    if (*stack == PL_NO_STACK)
        return true;
    if (*stack >= r->stacks.count)
        return false;
    *stack = r->stacks.list[*stack];
    return true;
}

/* The same for a set of labels; 0 is none. */
static inline bool pl_replay_set(const struct pl_replay *r, uint32_t *set)
{
    if (*set > r->sets.count)
        return false;
    if (*set)
        *set = r->sets.list[*set - 1];
    return true;
}

/* An operation of the state, PL_OP_SESSION and on. False: it makes no sense. */
bool pl_replay_state(struct pl_replay *replay, const struct pl_journal_op *op,
                     const unsigned char *body);
/* Does the state make sense as a whole? */
bool pl_replay_check(const struct pl_replay *replay);

#endif
