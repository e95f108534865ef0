/* Guess: how to go on where no rule says, or where a rule needs a BP that is not
 * known. By the looks of the stack and of the code that calls. Signal-safe set. */
#ifndef PL_COLLECTOR_GUESS_H
#define PL_COLLECTOR_GUESS_H

#include "collector/unwind.h"

/* BP of a frame whose rule needs it: `pc` is in the frame's function, `sp` its stack
 * pointer. False if nothing on the stack looks like its frame record. Many reads:
 * for blocked threads, of which only PC and SP are known. */
bool pl_guess_bp(struct pl_walk *walk, uint64_t pc, uint64_t sp, uint64_t *bp_out);

/* Is `pc` behind a call, in code that there are rules for? */
bool pl_guess_is_return(const struct pl_walk *walk, uint64_t pc);

enum pl_guess {
    PL_GUESS_NONE,
    PL_GUESS_SURE, /* a call to this very function led here */
    PL_GUESS_LIKELY,
};

/* The caller of a function without a rule, which may have pushed anything: the first
 * thing on the stack that looks like a return address. */
enum pl_guess pl_guess_caller(struct pl_walk *walk, struct pl_frame *frame);

#endif
