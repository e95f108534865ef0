/* Memo: the last walk of a thread, so that the next one need not repeat the outer
 * part of it, which is mostly the same.
 *
 * From a frame on, a walk depends on nothing but that frame's state, the table of
 * code and rows, and the words it loads. The memo has the state of every frame and
 * every word loaded, with its address. So when a walk comes to a state the last one
 * was in, under the same table, and all words loaded from there on still have the
 * values they had, then the rest of it would be the same again, and its addresses are
 * taken over. The loads of that check do not depend on each other, and there is no
 * rule to look up: that is what makes it quick.
 *
 * Both arrays hold a walk leaf first and end at their last place; the walk under way
 * is noted from the first place on and put before what it took over when it is done:
 *
 *      frames  | walk under way: used ... |  free  | first ... last walk ... ROOT |
 *
 * Only walks within the thread's own stack that reached the root are kept. Written
 * and read by the thread's handler alone. Starts as zero bytes. Signal-safe set. */
#ifndef PL_COLLECTOR_MEMO_H
#define PL_COLLECTOR_MEMO_H

#include "collector/segment.h"

#include <stdbool.h>
#include <stdint.h>

#define PL_MEMO_FRAMES (PL_MAX_FRAMES + 128u)
#define PL_MEMO_LOADS  (2 * PL_MEMO_FRAMES)

/* All that a walk knows at one frame. */
struct pl_frame {
    uint64_t pc, sp, bp;
    bool exact; /* the pc is no return address */
    bool bp_known;
};

struct pl_memo_frame {
    uint64_t pc, sp, bp;
    uint32_t load;  /* the first one of the step from here */
    uint32_t known; /* exact, bp_known */
};

struct pl_memo_load {
    uint64_t address, value;
};

struct pl_memo {
    uint64_t version; /* of the table the last walk used; 0: there is none */
    enum pl_walk_end end;
    uint32_t first_frame, first_load; /* of the last walk */
    uint32_t at;                      /* where in it the walk under way has got to */
    uint32_t frame_count, load_count; /* of the walk under way */
    struct pl_memo_frame frames[PL_MEMO_FRAMES + 1]; /* the last one: sp is infinite */
    struct pl_memo_load loads[PL_MEMO_LOADS];
};

static inline void pl_memo_forget(struct pl_memo *memo)
{
    memo->version = 0;
    memo->at = memo->first_frame = PL_MEMO_FRAMES;
    memo->first_load = PL_MEMO_LOADS;
    memo->frames[PL_MEMO_FRAMES].sp = UINT64_MAX;
    memo->frames[PL_MEMO_FRAMES].load = PL_MEMO_LOADS;
}

static inline void pl_memo_begin(struct pl_memo *memo, uint64_t version)
{
    if (memo->version != version || !version)
        pl_memo_forget(memo);
    memo->at = memo->first_frame;
    memo->frame_count = memo->load_count = 0;
}

static inline uint32_t pl_memo_known(const struct pl_frame *frame)
{
    return (uint32_t)frame->exact | (uint32_t)frame->bp_known << 1;
}

/* Has the last walk been in this state? Stack pointers only grow along a walk. There
 * is no telling how many frames to pass over: a loop would be predicted wrongly most
 * of the time. Two at a time without a branch will catch up soon enough. */
static inline bool pl_memo_meets(struct pl_memo *memo, const struct pl_frame *now)
{
    uint32_t at = memo->at;
    at += memo->frames[at].sp < now->sp;
    at += memo->frames[at].sp < now->sp;
    memo->at = at;
    const struct pl_memo_frame *then = &memo->frames[at];
    return ((then->sp ^ now->sp) | (then->pc ^ now->pc) | (then->bp ^ now->bp) |
            (then->known ^ pl_memo_known(now))) == 0 &&
           at < PL_MEMO_FRAMES;
}

/* Are the words loaded from there on what they were? They must still lie in memory
 * that may be loaded from, [lo, hi). If not, only frames beyond are of use. */
static inline bool pl_memo_holds(struct pl_memo *memo, uint64_t lo, uint64_t hi)
{
    uint64_t span = hi - 8 - lo;
    uint32_t i = memo->frames[memo->at].load;
    if (hi < 8 || lo > hi - 8)
        return false;
    while (i < PL_MEMO_LOADS && memo->loads[i].address - lo <= span &&
           *(const volatile uint64_t *)(uintptr_t)memo->loads[i].address ==
               memo->loads[i].value)
        i++;
    if (i == PL_MEMO_LOADS)
        return true;
    while (memo->at < PL_MEMO_FRAMES && memo->frames[memo->at].load <= i)
        memo->at++;
    return false;
}

/* Note a frame; false when there is no room. What is left of the last walk must not
 * be overwritten while it may be met: it is forgotten then. */
static inline bool pl_memo_note(struct pl_memo *memo, const struct pl_frame *frame)
{
    if (memo->frame_count == PL_MEMO_FRAMES)
        return false;
    if (memo->frame_count == memo->first_frame)
        pl_memo_forget(memo);
    struct pl_memo_frame *to = &memo->frames[memo->frame_count++];
    to->pc = frame->pc;
    to->sp = frame->sp;
    to->bp = frame->bp;
    to->load = memo->load_count;
    to->known = pl_memo_known(frame);
    return true;
}

static inline bool pl_memo_note_load(struct pl_memo *memo, uint64_t address,
                                     uint64_t value)
{
    if (memo->load_count == PL_MEMO_LOADS)
        return false;
    if (memo->load_count == memo->first_load)
        pl_memo_forget(memo);
    struct pl_memo_load *to = &memo->loads[memo->load_count++];
    to->address = address;
    to->value = value;
    return true;
}

/* The walk under way, complete, becomes the last one: what was noted goes before the
 * frame met (after all frames: before the end). */
static inline void pl_memo_keep(struct pl_memo *memo, uint64_t version)
{
    uint32_t frames_by = memo->at - memo->frame_count;
    uint32_t loads_by = memo->frames[memo->at].load - memo->load_count;
    for (uint32_t i = memo->frame_count; i-- > 0;) {
        memo->frames[i + frames_by] = memo->frames[i];
        memo->frames[i + frames_by].load += loads_by;
    }
    for (uint32_t i = memo->load_count; i-- > 0;) {
        memo->loads[i + loads_by] = memo->loads[i];
    }
    memo->first_frame = frames_by;
    memo->first_load = loads_by;
    memo->version = version;
}

/* The same for one that met nothing of the last one. */
static inline void pl_memo_keep_all(struct pl_memo *memo, uint64_t version,
                                    enum pl_walk_end end)
{
    memo->at = PL_MEMO_FRAMES;
    memo->end = end;
    pl_memo_keep(memo, version);
}

#endif
