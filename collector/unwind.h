/* Unwind: from a thread's pc, sp and bp to the addresses of its callers.
 *
 * Works from the rows of rows.h and a table of the executable ranges of the
 * process. No calls into libc, no locks, no allocation; every read is inside the
 * thread's known stack or goes through the kernel, which answers "no" where a load
 * would fault. Used in signal context (the thread itself) and by the sampler (a
 * blocked thread, seen from outside). Signal-safe set. */
#ifndef PL_COLLECTOR_UNWIND_H
#define PL_COLLECTOR_UNWIND_H

#include "collector/memo.h"
#include "collector/rows.h"
#include "collector/segment.h"

#include <stdbool.h>
#include <stdint.h>

/* One executable range. Ranges without `rows` either belong to a module whose
 * rows are not there (yet), or to no module (code made at run time). */
struct pl_code_range {
    uint64_t start, end;
    uint64_t base; /* runtime address that row offsets count from */
    const uint32_t *page;
    const struct pl_row *rows;
    const struct pl_wide_rule *wide;
    uint32_t page_count, wide_count;
    bool in_module;
};

/* Immutable once published. Ranges are sorted by start and do not overlap. */
struct pl_code_table {
    uint64_t version; /* no other table ever published has it */
    uint64_t count;
    struct pl_code_range ranges[];
};

/* What a thread's walks leave for its next one: rows found lately, and the last walk
 * itself. Forgotten when the table changes. Starts as zero bytes. */
#define PL_CACHE_ENTRIES 512u
struct pl_row_cache {
    uint64_t version; /* of the table the entries are from */
    struct {
        uint64_t key; /* address and whether it is exact; 0: empty */
        struct pl_row row;
    } entries[PL_CACHE_ENTRIES];
    struct pl_memo memo;
};

/* How a walk may read memory. Addresses in [lo, hi) are loaded directly: they are
 * sure to stay mapped during the walk. Anything else goes through a window, a copy
 * made by the kernel; `window_bytes` 0: not at all. */
struct pl_walk_memory {
    uint64_t lo, hi;
    uint8_t *window;
    uint32_t window_bytes;
    uint32_t refills;              /* how often the window may still be moved */
    uint64_t window_lo, window_hi; /* what it holds now; start with 0, 0 */
    int tid;                       /* a live thread of this process */
    struct pl_memo *memo;          /* the walk's own: told of direct loads, or NULL */
};

struct pl_walk {
    /* in */
    const struct pl_code_table *code;
    struct pl_row_cache *cache; /* NULL: none */
    struct pl_walk_memory memory;
    uint64_t pc, sp, bp;
    bool bp_known;
    /* The other registers, as in ucontext_t's gregs, and which are known: bit
     * 1 << REG_x. NULL: none. Some rules of a leaf refer to them. */
    const long long *registers;
    uint32_t registers_known;
    bool guess_bp; /* look for a frame record on the stack where BP is not known */
    uint32_t max_frames;
    uint64_t *pcs; /* room for max_frames; leaf first, PL_PC_EXACT where exact */
    /* out */
    uint32_t count;
    enum pl_walk_end end;
    bool need_registers; /* only libunwind can go on: ship registers and stack */
    bool unknown_code;   /* met an address in no range: the table may be stale */
    /* inside */
    uint32_t guesses;      /* callers guessed so far */
    uint64_t signal_frame; /* the kernel's that the current frame was found in, or 0 */
};

/* Always keeps the leaf. Bounded by max_frames and by memory.refills.
 * Threads  any; the struct is the caller's.  Signals  safe. */
void pl_unwind_walk(struct pl_walk *walk);

/* A word of the stack, as the walk reads it; false if there is none to be had. */
bool pl_walk_load(struct pl_walk_memory *memory, uint64_t address, uint64_t *word);

/* The range that holds `pc`, or NULL. */
const struct pl_code_range *pl_code_find(const struct pl_code_table *code, uint64_t pc);

/* The row for `pc` (already adjusted if it is a return address); kind
 * PL_ROW_NONE where there is none. */
struct pl_row pl_code_row(const struct pl_code_range *range, uint64_t pc);

#endif
