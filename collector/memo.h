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
    uint64_t lo, hi;                  /* where the last walk loaded from */
    uint64_t pcs[PL_MEMO_FRAMES];     /* of the frames, as they are recorded */
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

/* A frame's address as it stands in records. */
static inline uint64_t pl_memo_recorded(uint64_t pc, bool exact)
{
    return (pc & ~PL_PC_EXACT) | (exact ? PL_PC_EXACT : 0);
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

/* Not (all of) the last walk is of use, only what lies beyond this load. */
static inline void pl_memo_skip(struct pl_memo *memo, uint32_t load)
{
    while (memo->at < PL_MEMO_FRAMES && memo->frames[memo->at].load <= load)
        memo->at++;
}

static inline uint64_t pl_memo_differs(const struct pl_memo_load *load)
{
    return *(const volatile uint64_t *)(uintptr_t)load->address ^ load->value;
}

/* Are the words loaded from there on what they were? The memory that may be loaded
 * from, [lo, hi), must still be the same. If not, only frames beyond are of use. */
static inline bool pl_memo_holds(struct pl_memo *memo, uint64_t lo, uint64_t hi)
{
    uint32_t i = memo->frames[memo->at].load;
    if (memo->lo != lo || memo->hi != hi) {
        memo->at = PL_MEMO_FRAMES;
        return false;
    }
    while (i + 4 <= PL_MEMO_LOADS &&
           !(pl_memo_differs(&memo->loads[i]) | pl_memo_differs(&memo->loads[i + 1]) |
             pl_memo_differs(&memo->loads[i + 2]) |
             pl_memo_differs(&memo->loads[i + 3])))
        i += 4;
    while (i < PL_MEMO_LOADS && !pl_memo_differs(&memo->loads[i]))
        i++;
    if (i == PL_MEMO_LOADS)
        return true;
    pl_memo_skip(memo, i);
    return false;
}

/* Copy the addresses from where the walks met to the end; returns their number. */
static inline uint32_t pl_memo_take(const struct pl_memo *memo, uint64_t *to)
{
    typedef uint64_t words __attribute__((vector_size(32), aligned(8), may_alias));
    uint32_t count = PL_MEMO_FRAMES - memo->at, i = 0;
    const uint64_t *from = memo->pcs + memo->at;
    for (; i + 4 <= count; i += 4)
        *(words *)(void *)(to + i) = *(const words *)(const void *)(from + i);
    for (; i < count; i++)
        to[i] = from[i];
    return count;
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
    memo->pcs[memo->frame_count - 1] = pl_memo_recorded(frame->pc, frame->exact);
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
static inline void pl_memo_keep(struct pl_memo *memo, uint64_t version, uint64_t lo,
                                uint64_t hi)
{
    uint32_t frames_by = memo->at - memo->frame_count;
    uint32_t loads_by = memo->frames[memo->at].load - memo->load_count;
    for (uint32_t i = memo->frame_count; i-- > 0;) {
        memo->pcs[i + frames_by] = memo->pcs[i];
        memo->frames[i + frames_by] = memo->frames[i];
        memo->frames[i + frames_by].load += loads_by;
    }
    for (uint32_t i = memo->load_count; i-- > 0;) {
        memo->loads[i + loads_by] = memo->loads[i];
    }
    memo->first_frame = frames_by;
    memo->first_load = loads_by;
    memo->version = version;
    memo->lo = lo;
    memo->hi = hi;
}

/* The same for one that met nothing of the last one. */
static inline void pl_memo_keep_all(struct pl_memo *memo, uint64_t version, uint64_t lo,
                                    uint64_t hi, enum pl_walk_end end)
{
    memo->at = PL_MEMO_FRAMES;
    memo->end = end;
    pl_memo_keep(memo, version, lo, hi);
}

#endif
