/* Segment: the shared memory between one profiled process and its drain.
 *
 *   profiled process                                  drain (record, or a thread of
 *     signal handlers ──▶ one ring per thread ──┐      the app when linked)
 *     sampler thread  ──▶ its own stack ring  ──┼──▶  reads, advances tails
 *                     ──▶ event ring          ──┘
 *                     ──▶ module log (append-only)
 *     sampler reads control words  ◀────────────────  rows_generation, stop
 *
 * One file per process image in the recording's folder (0700), made with
 * posix_fallocate before it is mapped, so that writing to it never faults on a
 * full disk. The file outlives its process: what was written before a SIGKILL is
 * read after it.
 *
 * Every ring has one producer and one consumer. Head and tail are byte counts
 * that only grow (offset = count & (size - 1)); a producer writes the record,
 * then stores head with release; the consumer loads head with acquire and stores
 * tail with release. A record never wraps: PL_REC_PAD fills the end. A producer
 * without room counts the loss and goes on. Nobody ever waits.
 *
 * The consumer treats every byte of a segment as hostile: sizes, offsets and
 * indexes are checked before use.
 *
 * This header is in the signal-safe set: libc types and stdatomic only. */
#ifndef PL_COLLECTOR_SEGMENT_H
#define PL_COLLECTOR_SEGMENT_H

#include <stdatomic.h>
#include <stdint.h>

#define PL_SEG_MAGIC   UINT64_C(0x3147455353464c50) /* "PLFSSEG1" */
#define PL_SEG_VERSION 3

#define PL_RING_BYTES        (64u * 1024)  /* stack ring of a thread; power of two */
#define PL_QUIET_RING_BYTES  (128u * 1024) /* the sampler's own stack ring */
#define PL_EVENT_RING_SLOTS  8192u         /* events, power of two: 128 KiB */
#define PL_SEG_MAX_THREADS   2048u
#define PL_SEG_MAX_MODULES   2048u
#define PL_SEG_PATHS_BYTES   (128u * 1024)
#define PL_MAX_FRAMES        512u /* addresses kept of one stack, from the leaf */
#define PL_STACK_COPY_BYTES  (16u * 1024) /* most stack of one PL_REC_REGISTERS */
#define PL_LABELS_BYTES      (4u * 1024)  /* most text of one PL_REC_LABELS */
#define PL_THREAD_NAME_BYTES 64u          /* with the NUL; multiple of 8 */

/* Why a sample that was asked for is not in the store. Written by the host's
 * side into the segment; the drain adds its own. Names are the `reason`s of the
 * store's loss table. In a thread's counters each is one sample (or the periods of
 * one); in the segment's, TICK_MISSED and EVENT_FULL are ticks, of all threads,
 * NO_SLOT and NO_MEMORY ticks of one thread, and NO_ANSWER (cpu mode) periods of
 * threads that ended unseen. */
#define PL_LOSS_LIST(X)                                                                \
    X(RING_FULL, "ring_full")         /* the thread's ring had no room */              \
    X(NO_ANSWER, "no_answer")         /* signalled, never ran the handler in time      \
                                         (blocked signal, thread gone) */              \
    X(TICK_MISSED, "tick_missed")     /* the sampler itself woke too late */           \
    X(EVENT_FULL, "event_full")       /* the sampler's event ring had no room */       \
    X(NO_SLOT, "no_slot")             /* more than PL_SEG_MAX_THREADS threads */       \
    X(NO_MEMORY, "no_memory")         /* a ring for the thread could not be made */    \
    X(UNKNOWN_STACK, "unknown_stack") /* a kept stack whose first sample was lost */   \
    X(TOO_LATE, "too_late")           /* arrived after its chunk was sealed */         \
    X(DAMAGED, "damaged")             /* the record did not make sense */

enum pl_loss {
#define X(name, text) PL_LOSS_##name,
    PL_LOSS_LIST(X)
#undef X
        PL_LOSS_COUNT
};

/* How a walk ended (pl_rec.end). The first two are complete stacks. */
#define PL_WALK_LIST(X)                                                                \
    X(ROOT, "root")           /* the rules say: outermost frame */                     \
    X(ROOT_ZERO, "root_zero") /* return address 0 */                                   \
    X(DEPTH, "depth")         /* PL_MAX_FRAMES reached: truncated at the root end */   \
    X(NO_MODULE, "no_module") /* address in no known module and no frame pointer */    \
    X(NO_RULE, "no_rule")     /* module without rows, gap, or unsupported rule */      \
    X(LOST_BP, "lost_bp")     /* needs BP, which is not known here */                  \
    X(BAD_STACK, "bad_stack") /* next frame not in the thread's stack, or going back   \
                               */

enum pl_walk_end {
#define X(name, text) PL_WALK_##name,
    PL_WALK_LIST(X)
#undef X
        PL_WALK_COUNT
};

/* ---- records in stack rings ---- */

enum pl_rec_kind {
    PL_REC_PAD = 1,       /* skip `bytes`; may be 8: then it ends after `kind` */
    PL_REC_STACK = 2,     /* pc_count addresses follow, leaf first */
    PL_REC_REGISTERS = 3, /* struct pl_registers, then stack_bytes of stack from
                             registers.sp up: the drain unwinds it with libunwind */
    PL_REC_LABELS = 4, /* pc_count labels follow in stack_bytes of text, each its key,
                          NUL, its value, NUL: those of this thread in all stacks
                          after it in this ring, until the next one */
};

#define PL_LABEL_RECORD_BYTES (sizeof(struct pl_rec) + PL_LABELS_BYTES)

/* An address captured is exact (leaf, or interrupted by a signal) or a return
 * address; exact ones carry this bit (user addresses have it clear). */
#define PL_PC_EXACT (UINT64_C(1) << 63)

/* Stands in a stack where the walk had no rule to go on by: what follows was taken
 * from the stack by its looks, and callers may be missing in between. */
#define PL_PC_GUESSED (UINT64_C(1) << 62)

struct pl_rec {
    uint32_t bytes; /* whole record, multiple of 8 */
    uint8_t kind;
    uint8_t end;         /* enum pl_walk_end */
    uint16_t slot;       /* index of struct pl_seg_thread */
    uint32_t tick;       /* wall: the tick that asked for it; cpu: running number */
    uint32_t periods;    /* cpu mode: 1 + timer overruns; wall: 1 */
    int64_t mono_ns;     /* when captured, CLOCK_MONOTONIC */
    uint32_t generation; /* of the slot, to tell a re-used one */
    uint16_t pc_count;
    uint16_t stack_bytes;
};

struct pl_registers {
    uint64_t pc, sp, bp, bx, r12, r13, r14,
        r15; /* callee-saved: what libunwind needs */
    uint64_t ax, cx, dx, si, di, r8, r9, r10, r11;
    uint64_t pc_known; /* bitmask by position above: 1 the value is real (a quiet
                          capture of a blocked thread knows only pc and sp) */
};

/* ---- events from the sampler ---- */

/* One tick is published at once (one head store), in this order: TICK, then for
 * each thread START/NAME/END/RAN. A live thread without RAN at a tick did not run
 * since the tick before and keeps its stack.
 *   TICK   arg tick number (counts from 0, missed ones skipped), value mono ns
 *   START  slot, arg tid, value its CPU clock ns; flags 1: existed before sampling
 *   NAME   slot, flags n: bytes 8n to 8n+7 of its name in value
 *   RAN    slot, flags: enum pl_ran, value its CPU clock ns, arg tick number
 *   END    slot, value last CPU clock read
 *   MODULES arg module_count now (log grew, or `to_ns` of some were set) */
enum pl_event_kind {
    PL_EVENT_TICK = 1,
    PL_EVENT_START,
    PL_EVENT_NAME,
    PL_EVENT_RAN,
    PL_EVENT_END,
    PL_EVENT_MODULES,
};

enum pl_ran {
    PL_RAN_SIGNALLED = 1, /* a record with this tick will come in the thread's ring */
    PL_RAN_QUIET = 2,     /* found blocked: its record is in the sampler's stack ring */
    PL_RAN_SAME = 3,      /* ran, found blocked where it was: keeps its stack */
};

struct pl_event {
    uint8_t kind;
    uint8_t flags;
    uint16_t slot;
    uint32_t arg;
    uint64_t value;
};

/* ---- modules ---- */

struct pl_seg_module {
    uint64_t start, end;    /* whole mapped range, runtime addresses */
    uint64_t bias;          /* runtime address - ELF virtual address */
    int64_t from_ns;        /* CLOCK_MONOTONIC when first seen */
    _Atomic int64_t to_ns;  /* when seen gone; 0 still there */
    uint32_t path;          /* offset into paths, NUL-terminated */
    uint8_t build_id_bytes; /* 0: none */
    uint8_t flags;          /* enum pl_module_flag */
    uint8_t build_id[20];
    uint8_t spare[2];
};
enum pl_module_flag {
    PL_MODULE_VDSO = 1,
    PL_MODULE_MAIN = 2, /* the program itself */
};

/* ---- threads ---- */

struct pl_seg_thread {
    _Atomic uint32_t generation; /* 0: never used, else odd; stays after the thread's
                                    END. Set by the sampler; a slot is re-used, with
                                    the next odd number, only after the drain set
                                    `drained` to this one and tail == head */
    _Atomic uint32_t drained;    /* last generation the drain is finished with */
    uint32_t tid;
    uint32_t ring;               /* offset / PL_RING_BYTES into the rings area */
    uint64_t stack_lo, stack_hi; /* readable bounds of its stack; 0: unknown */
    _Atomic uint64_t head;
    _Atomic uint64_t tail;
    _Atomic uint64_t lost[PL_LOSS_COUNT];
};

/* ---- the segment ---- */

enum pl_seg_state {
    PL_SEG_STARTING, /* not to be read yet */
    PL_SEG_LIVE,
    PL_SEG_EXITED, /* exit(), _exit() or return from main: exit_status is set */
    PL_SEG_EXECED, /* replaced by another program */
};

struct pl_segment {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes; /* sizeof(struct pl_segment) */
    _Atomic uint32_t state;
    _Atomic int32_t exit_status;
    uint32_t pid, parent_pid;
    uint64_t pid_start; /* field 22 of /proc/pid/stat: tells a re-used pid */
    uint8_t session_id[16], parent_session_id[16];
    uint32_t cpu_mode; /* 0 wall, 1 cpu */
    uint32_t spare0;
    int64_t period_ns;
    int64_t mono_origin_ns, wall_origin_ns; /* one pair, read together at start */
    char app[64];                           /* name of the program image */
    char exe[1024];                         /* its path */

    /* Host -> drain */
    _Atomic int64_t heartbeat_ns; /* mono, of the last tick */
    _Atomic uint32_t thread_high; /* slots ever used: indexes below this one */
    _Atomic uint32_t ring_count;  /* rings the file holds now */
    _Atomic uint64_t event_head;  /* in events */
    _Atomic uint64_t event_tail;
    _Atomic uint64_t quiet_head;
    _Atomic uint64_t quiet_tail;
    _Atomic uint64_t lost[PL_LOSS_COUNT]; /* not of one thread */
    _Atomic uint64_t slowed_ticks;        /* left out to keep within max_overhead */
    _Atomic uint32_t module_count;
    _Atomic uint32_t paths_used;
    _Atomic uint32_t maps_stale;  /* handler: "address in no module I know" */
    _Atomic int64_t maps_read_ns; /* mono: the module log is as it was then, or newer */

    /* Drain -> host */
    _Atomic uint32_t rows_generation; /* grows when row files were added */
    _Atomic uint32_t stop;            /* 1: stop sampling, for good */
    _Atomic uint32_t drain_pid;       /* who reads; 0: nobody has yet */

    struct pl_seg_module modules[PL_SEG_MAX_MODULES];
    char paths[PL_SEG_PATHS_BYTES];
    struct pl_seg_thread threads[PL_SEG_MAX_THREADS];
    struct pl_event events[PL_EVENT_RING_SLOTS];
    uint8_t quiet_ring[PL_QUIET_RING_BYTES];
    /* then ring_count * PL_RING_BYTES, from the next page boundary */
};

/* Recording folder (environment variable PROFLITE_DIR for preloaded programs):
 *   <dir>/<pid>-<8 hex of session id>.seg   segments; written under a name that
 *                                           starts with a dot, then renamed
 *   <dir>/rows/<key>.rows                   unwind rows, key = build-id hex, or
 *                                           "p" + hash of path, inode, size, mtime
 *                                           (collector/rows_key.h)
 * The folder is <shm>/proflite-<uid>/<recording id>/, <shm> being /dev/shm. */
#define PL_ROWS_DIR "rows"

#endif
