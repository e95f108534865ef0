/* Label table: what each thread is labelled with at this moment, for the signal
 * handler and the sampler to read.
 *
 *   thread ──▶ its block: labels, spans, a name     (labels.c writes)
 *                 │ read by its own signal handler, or by the sampler when blocked
 *                 ▼
 *             PL_REC_LABELS in a ring, when the block's version has moved
 *
 * One mapping, made when a program first uses a label and never given back: a block
 * may be read at any moment, whatever became of its thread. Who interrupts the thread
 * that owns a block sees what was there before a change or after it, never half of
 * one: entries are filled first and made visible by one store. Who reads from another
 * thread looks at the version before and after.
 *
 * The table is the library's own, or that of the preload library when the program
 * runs under `proflite record`. Signal-safe set. */
#ifndef PL_COLLECTOR_LABEL_TABLE_H
#define PL_COLLECTOR_LABEL_TABLE_H

#include "collector/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_LABEL_BLOCKS      PL_SEG_MAX_THREADS
#define PL_LABEL_COUNT       16u /* labels of a thread at one time */
#define PL_LABEL_KEY_BYTES   64u /* with the NUL, as all of these */
#define PL_LABEL_VALUE_BYTES 256u
#define PL_SPAN_DEPTH        32u /* open spans of a thread that have a name */
#define PL_SPAN_NAME_BYTES   128u

struct pl_label {
    _Atomic uint32_t shown; /* 0 none, else 1 + which of the values counts */
    char key[PL_LABEL_KEY_BYTES];
    char value[2][PL_LABEL_VALUE_BYTES];
};

struct pl_label_span {
    _Atomic uint64_t id;              /* 0: over, by whoever exchanged it */
    uint8_t trace_id[16], span_id[8]; /* of a root; else zero */
    bool root;
    char name[PL_SPAN_NAME_BYTES];
};

struct pl_label_block {
    _Atomic int32_t tid;      /* 0: free, -1: being taken */
    _Atomic uint32_t version; /* odd while its thread changes something */
    _Atomic uint32_t epoch;   /* the table's when it was taken */
    _Atomic uint32_t depth;   /* spans below this may be open */
    _Atomic uint32_t named;   /* odd while the name changes; 0: none */
    uint64_t next_id, random; /* owner only; random 0: to be seeded */
    char name[PL_THREAD_NAME_BYTES];
    struct pl_label labels[PL_LABEL_COUNT];
    struct pl_label_span spans[PL_SPAN_DEPTH];
};

struct pl_label_table {
    uint64_t magic;           /* of this layout: two libraries may share it */
    _Atomic uint32_t epoch;   /* what blocks of another one say is over */
    _Atomic uint32_t high;    /* blocks ever used: indexes below this one */
    _Atomic uint32_t changes; /* blocks taken and given back */
    _Atomic uint32_t renamed;
    struct pl_label_block blocks[PL_LABEL_BLOCKS];
};

#define PL_LABEL_TABLE_MAGIC                                                           \
    (UINT64_C(0x504c4c4142000000) ^ (uint64_t)sizeof(struct pl_label_table))

/* The one this library's capture reads; NULL until there are labels. */
extern _Atomic(struct pl_label_table *) pl_label_table_current;

/* The table, made if need be. NULL: no memory. Threads  any. */
struct pl_label_table *pl_label_table_make(void);

/* What a stream of records has told of a thread's labels. */
struct pl_label_stream {
    uint32_t version;
    bool any;
};

/* Has `block` moved on since? It may be NULL or another thread's by now: then its
 * thread has no labels. */
bool pl_label_changed(const struct pl_label_block *block, int tid,
                      const struct pl_label_stream *told);

/* Make a PL_REC_LABELS of them at `to` (PL_LABEL_RECORD_BYTES), of which `rec` gives
 * what all records have; `told` then counts on its being committed. Returns its size, 0
 * if there is nothing to tell after all. `foreign`: the caller is not the thread itself,
 * and 0 may also mean that it is not blocked. */
uint32_t pl_label_put(const struct pl_label_block *block, int tid, bool foreign,
                      const struct pl_rec *rec, uint8_t *to,
                      struct pl_label_stream *told);

/* The name its thread was given; false if none, or it is being changed. */
bool pl_label_name(const struct pl_label_block *block, int tid,
                   char name[static PL_THREAD_NAME_BYTES]);

/* Around fork, by whoever owns the table; `tid` is that of the thread that forks, in
 * the parent. In the child only its block stays, with its labels and without spans.
 * Twice is fine. */
void pl_label_table_after_fork(int parent_tid);

#endif
