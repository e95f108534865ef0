/* What the symbol worker and its parent say to each other: over one socket, in
 * this machine's byte order, strictly one answer for each question. The worker
 * reads hostile files, so the parent checks every field of an answer.
 *
 * A question may name files it does not carry. A worker that has them open from an
 * earlier one answers; else it wants them, and the same question comes again with
 * one descriptor for each (SCM_RIGHTS, with the first byte of its head). */
#ifndef PL_PROCESS_WORKER_WIRE_H
#define PL_PROCESS_WORKER_WIRE_H

#include <stdint.h>

#define PL_WIRE_HELLO      UINT32_C(0x594d5350) /* worker's first word */
#define PL_WIRE_QUESTION   UINT32_C(0x594d5351)
#define PL_WIRE_ANSWER     UINT32_C(0x594d5352)
#define PL_WIRE_WANT_FILES UINT32_C(0x594d5353) /* nothing follows */

#define PL_WIRE_MAX_TEXT   8192u
#define PL_WIRE_MAX_KEYS   8192u
#define PL_WIRE_MAX_PLACES 32u
#define PL_WIRE_MAX_FILES  PL_WIRE_MAX_PLACES
#define PL_WIRE_MAX_TEXTS  (4u << 20)
#define PL_WIRE_MAX_ANSWER (256u << 20)
#define PL_WIRE_MAX_QUESTION                                                           \
    (sizeof(struct pl_wire_question) +                                                 \
     PL_WIRE_MAX_PLACES * sizeof(struct pl_wire_place) +                               \
     PL_WIRE_MAX_KEYS * sizeof(struct pl_wire_key) + PL_WIRE_MAX_TEXTS)

struct pl_wire_head {
    uint32_t kind;
    uint32_t bytes; /* that follow */
};

/* Then places, keys and texts. Texts start with an empty one and end in a NUL;
 * what names one is its offset. */
struct pl_wire_question {
    uint32_t kind;           /* enum pl_lookup_kind */
    uint32_t path, build_id; /* texts */
    uint32_t place_count, key_count, text_bytes;
    uint32_t cpu_seconds;  /* limit for this question */
    uint32_t file_count;   /* descriptors that came along: 0, or one a file place */
    uint64_t memory_bytes; /* limit besides the files themselves */
};

struct pl_wire_place {
    uint32_t kind; /* enum pl_place_kind */
    uint32_t text;
};

/* What is asked for; which fields mean something is the kind's. */
struct pl_wire_key {
    uint64_t address;
    uint32_t line, column;
    uint32_t module, function, file; /* texts */
    uint32_t spare;
};

/* Then frames, names and texts. Texts start with an empty one and end in a NUL. */
struct pl_wire_answer {
    uint32_t image_status; /* enum pl_image_status */
    uint32_t message;      /* into texts */
    uint32_t frame_count;  /* as many as keys, in their order */
    uint32_t name_count;
    uint32_t text_bytes;
    uint32_t lacks_debug; /* 1: a file with more could help; else 0 */
};

struct pl_wire_frame {
    uint32_t first_name, name_count; /* none: nothing known of the key */
    uint32_t anonymous;              /* 1: the name is only where it starts; else 0 */
};

struct pl_wire_name {
    uint32_t function, file, module; /* into texts */
    uint32_t decl_line, line, column;
};

#endif
