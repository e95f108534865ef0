/* Stacks of one session's open chunk: frames and stacks, each kept once.
 *
 * Ids are small integers, valid until pl_stacks_reset. Frames are resolved to
 * modules when they are first seen; those without a module are tried again when
 * the chunk is sealed, by when the module may have been noticed. */
#ifndef PL_COLLECTOR_DRAIN_STACKS_H
#define PL_COLLECTOR_DRAIN_STACKS_H

#include "collector/drain_modules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_NO_STACK UINT32_MAX

/* Frames that stand for what a walk did not reach. */
enum pl_pseudo_frame {
    PL_PSEUDO_NONE,
    PL_PSEUDO_TRUNCATED,
    PL_PSEUDO_UNKNOWN_CALLER,
    PL_PSEUDO_GUESSED,
};

struct pl_stack_frame {
    uint64_t address; /* in the module; absolute without one */
    int64_t mono_ns;  /* when first seen */
    uint32_t module;  /* or PL_NO_MODULE */
    bool exact;
    uint8_t pseudo; /* enum pl_pseudo_frame; the rest is then 0 */
};

struct pl_stack {
    uint64_t hash;
    size_t first; /* into words */
    uint32_t frame_count;
};

struct pl_stack_cache_entry {
    uint64_t pc; /* as captured, with its exact bit; 0 empty */
    uint32_t frame;
};

#define PL_STACK_CACHE 2048u

struct pl_stacks {
    struct pl_stack_frame *frames;
    size_t frame_count, frame_capacity;
    uint32_t *frame_index; /* open addressing: frame + 1 */
    size_t frame_slots;
    struct pl_stack *stacks;
    size_t stack_count, stack_capacity;
    uint32_t *stack_index;
    size_t stack_slots;
    uint32_t *words; /* frame ids, root first */
    size_t word_count, word_capacity;
    struct pl_stack_cache_entry *cache;
};

void pl_stacks_deinit(struct pl_stacks *stacks);

/* Bytes in use: what a session has to seal early for. */
size_t pl_stacks_bytes(const struct pl_stacks *stacks);

/* The id of a captured stack (`pcs` leaf first, as in struct pl_rec), or
 * PL_NO_STACK when memory is short. */
uint32_t pl_stacks_add(struct pl_stacks *stacks, const struct pl_drain_modules *modules,
                       int64_t mono_ns, const uint64_t *pcs, size_t pc_count,
                       enum pl_pseudo_frame root);

/* A frame, or a stack of frames there are, as another table had them; PL_NO_STACK as
 * above, UINT32_MAX for a frame. */
uint32_t pl_stacks_put_frame(struct pl_stacks *stacks,
                             const struct pl_stack_frame *frame);
uint32_t pl_stacks_put(struct pl_stacks *stacks, const uint32_t *frames, size_t count);

/* A stack of another table (before its reset) in this one. */
uint32_t pl_stacks_move(struct pl_stacks *to, const struct pl_stacks *from,
                        uint32_t id);

/* The module map changed: forget which address led to which frame. */
void pl_stacks_forget_addresses(struct pl_stacks *stacks);

#endif
