/* Chunk builder: a complete window of a timeline becomes a part for the sink.
 *
 * Only what the window's runs use goes in: stacks, their frames, those frames'
 * modules. The part owns everything it points to, because a sink that fails gets
 * it again later. */
#ifndef PL_COLLECTOR_CHUNK_BUILDER_H
#define PL_COLLECTOR_CHUNK_BUILDER_H

#include "collector/drain_modules.h"
#include "collector/drain_timeline.h"
#include "store/chunk_sink.h"

struct pl_chunk_thread {
    char name[PL_THREAD_NAME_BYTES + 1];
    struct pl_sink_run *runs;
    int64_t *times_ns;
};

struct pl_chunk {
    struct pl_sink_part part; /* points into the arrays below */
    int64_t *ticks_ns;
    struct pl_sink_module *modules;
    char **module_texts; /* two a module: path, build-id */
    struct pl_sink_frame *frames;
    struct pl_sink_stack *stacks;
    uint32_t *stack_words;
    struct pl_sink_thread *threads;
    struct pl_chunk_thread *thread_texts;
    struct pl_sink_loss *losses;
    struct pl_sink_label *labels;
    char *label_text;
    size_t bytes; /* about what it takes to keep */
    uint64_t samples, lost;
};

/* "ring_full" and so on, for enum pl_loss. */
const char *pl_chunk_loss_name(unsigned reason);

/* The timeline's first window, which must be ready. `lost` counts, by reason, what
 * no single thread lost. *chunk_out is NULL if there is nothing to tell.
 * Ownership  caller frees.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_chunk_build(const struct pl_drain_timeline *timeline,
                                            const struct pl_drain_modules *modules,
                                            const uint64_t lost[static PL_LOSS_COUNT],
                                            const struct pl_id *session_id,
                                            struct pl_chunk **chunk_out,
                                            struct pl_error *err);
void pl_chunk_free(struct pl_chunk *chunk); /* NULL is fine */

#endif
