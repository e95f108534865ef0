/* Inside of a journal: operations as they lie in the file. Native byte order and
 * layout: it is read on the machine that wrote it, by the same version; the head
 * tells others apart. Every operation is a multiple of 8 bytes. */
#ifndef PL_COLLECTOR_JOURNAL_WIRE_H
#define PL_COLLECTOR_JOURNAL_WIRE_H

#include "base/hash.h"
#include "collector/drain_timeline.h"
#include "collector/segment.h"

#include <stdint.h>

#define PL_JOURNAL_MAGIC   UINT64_C(0x314c4e4a4c464c50) /* "PLFLJNL1" */
#define PL_JOURNAL_VERSION 1

struct pl_journal_head {
    uint64_t magic;
    uint32_t version, layout;
    uint64_t nonce; /* of this file: an old block of another is no batch of it */
};

struct pl_journal_batch {
    uint64_t bytes; /* of the operations that follow */
    uint64_t hash;  /* of them, of `bytes`, of the place in the file, of the nonce */
};

enum pl_journal_kind {
    /* what came in; body in brackets */
    PL_OP_TICK = 1, /* arg tick [mono_ns, event_full] */
    PL_OP_START,    /* flags, slot, arg tid [CPU clock, generation] */
    PL_OP_NAME,     /* flags, slot [value] */
    PL_OP_RAN,      /* flags, slot, arg tick [value] */
    PL_OP_END,      /* slot [value] */
    PL_OP_ANSWER,   /* flags quiet, slot, arg tick [stack | periods << 32, mono_ns] */
    PL_OP_RING_DAMAGED, /* slot */
    PL_OP_RELEASE,      /* slot */
    PL_OP_TOLD,         /* flags quiet, slot, arg set: labels of answers from here on */
    PL_OP_CUT,
    PL_OP_ADVANCE, /* [now_ns] */
    PL_OP_LOST,    /* flags reason, slot [value] */
    PL_OP_DAMAGED, /* [value] */
    /* tables; an id is the number of its operation since PL_OP_TABLES */
    PL_OP_TABLES,     /* all four that follow are empty now */
    PL_OP_FRAME,      /* flags exact | pseudo << 1, arg module [address, mono_ns] */
    PL_OP_STACK,      /* slot frames kept of the stack before, arg more [frame ids] */
    PL_OP_PAIR,       /* arg bytes [key, NUL, value, NUL] */
    PL_OP_SET,        /* arg count [pairs] */
    PL_OP_MODULE,     /* arg bytes of path [struct pl_journal_module, path] */
    PL_OP_MODULE_END, /* arg index [to_ns] */
    /* positions in the segment */
    PL_OP_EVENT_TAIL, /* [tail] */
    PL_OP_QUIET_TAIL, /* [tail] */
    PL_OP_TAIL,       /* slot [tail] */
    /* state; the arrays are of the thread before */
    PL_OP_SESSION,   /* [struct pl_journal_session] */
    PL_OP_TIMELINE,  /* [struct pl_journal_timeline] */
    PL_OP_EXPLAINED, /* flags reason, slot [losses the parts know of already] */
    PL_OP_WINDOW,    /* arg ticks [struct pl_journal_window, times] */
    PL_OP_THREAD,    /* [struct pl_journal_thread] */
    PL_OP_RUNS,      /* arg count [struct pl_sink_run] */
    PL_OP_LABELS,    /* arg count [struct pl_label_run] */
    PL_OP_TIMES,     /* arg count [Unix ns] */
    PL_OP_QUESTIONS, /* arg count [struct pl_question] */
    PL_OP_ANSWERS,   /* arg count [struct pl_answer] */
    PL_OP_QUIETS,    /* arg count [struct pl_answer] */
    PL_OP_COUNT
};

struct pl_journal_op {
    uint8_t kind;
    uint8_t flags;
    uint16_t slot;
    uint32_t arg;
};

struct pl_journal_module {
    uint64_t start, end, bias;
    int64_t from_ns, to_ns;
    uint8_t build_id[20];
    uint8_t build_id_bytes, flags;
    uint8_t spare[2];
};

struct pl_journal_session {
    char segment[256]; /* name of the file */
    uint64_t inode;
    uint32_t pid, parent_pid;
    uint64_t pid_start;
    uint8_t id[16], parent_id[16];
    uint32_t cpu_mode, spare;
    int64_t period_ns, mono_origin_ns, wall_origin_ns;
    char app[64];
    uint64_t lost_before;
};

struct pl_journal_timeline {
    uint32_t any_tick, newest_tick;
    int64_t newest_ns, newest_answer_ns, sealed_to_ns;
    uint64_t event_full; /* explained */
};

struct pl_journal_window {
    uint32_t base, closed;
    uint64_t skipped;
    int64_t start_ns, limit_ns;
};

struct pl_journal_thread {
    uint32_t slot, generation, tid, in_slot;
    char name[PL_THREAD_NAME_BYTES + 8];
    uint32_t labels, told_labels, told_quietly, spare;
    uint32_t start_tick, next_tick, missed, stack;
    uint32_t ended, end_counted, end_tick, ring_damaged;
    uint32_t damaged_tick, cpu_known;
    uint64_t end_cpu_clock_ns, cpu_clock_ns;
    int64_t cpu_ns;
    uint64_t lost[PL_LOSS_COUNT];
};

/* Another number when any structure of the file, or the meaning of a reason, has
 * changed. */
static inline uint32_t pl_journal_layout(void)
{
    static const uint64_t sizes[] = {
        sizeof(struct pl_journal_session),
        sizeof(struct pl_journal_module),
        sizeof(struct pl_journal_thread),
        sizeof(struct pl_journal_window),
        sizeof(struct pl_sink_run),
        sizeof(struct pl_question),
        sizeof(struct pl_answer),
        sizeof(struct pl_label_run),
        PL_LOSS_COUNT,
        PL_SEG_VERSION,
        PL_OP_COUNT,
    };
    return (uint32_t)pl_hash_bytes(sizes, sizeof sizes);
}

static inline uint64_t pl_journal_hash(uint64_t nonce, uint64_t place,
                                       const void *bytes, uint64_t size)
{
    return pl_hash_mix(nonce ^ place, pl_hash_bytes(bytes, (size_t)size));
}

#endif
