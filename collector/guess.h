/* Guess: where BP points in a blocked thread, of which only PC and SP are known.
 * Signal-safe set (unwind.c refers to it), though only the sampler asks. */
#ifndef PL_COLLECTOR_GUESS_H
#define PL_COLLECTOR_GUESS_H

#include "collector/unwind.h"

/* BP of a frame whose rule needs it: `pc` is in the frame's function, `sp` its stack
 * pointer. False if nothing on the stack looks like its frame record. */
bool pl_guess_bp(struct pl_walk *walk, uint64_t pc, uint64_t sp, uint64_t *bp_out);

#endif
