/* What the symbol worker and its parent say to each other: over one socket, in
 * this machine's byte order, strictly one answer for each question. The worker
 * reads hostile files, so the parent checks every field of an answer. */
#ifndef PL_PROCESS_WORKER_WIRE_H
#define PL_PROCESS_WORKER_WIRE_H

#include <stdint.h>

#define PL_WIRE_HELLO    UINT32_C(0x594d5350) /* worker's first word */
#define PL_WIRE_QUESTION UINT32_C(0x594d5351)
#define PL_WIRE_ANSWER   UINT32_C(0x594d5352)

#define PL_WIRE_MAX_TEXT      8192u
#define PL_WIRE_MAX_ADDRESSES 8192u
#define PL_WIRE_MAX_ANSWER    (256u << 20)

struct pl_wire_head {
    uint32_t kind;
    uint32_t bytes; /* that follow */
};

/* Then path, build-id and debug root, each with its NUL; then the addresses. */
struct pl_wire_question {
    uint32_t path_bytes, build_id_bytes, debug_root_bytes; /* with the NUL */
    uint32_t address_count;
    uint32_t cpu_seconds; /* limit for this question */
    uint32_t spare;
    uint64_t memory_bytes; /* limit besides the files themselves */
};

/* Then frames, names and texts. Texts start with an empty one and end in a NUL. */
struct pl_wire_answer {
    uint32_t image_status; /* enum pl_image_status */
    uint32_t message;      /* into texts */
    uint32_t frame_count;  /* as many as addresses, in their order */
    uint32_t name_count;
    uint32_t text_bytes;
    uint32_t spare;
};

struct pl_wire_frame {
    uint32_t first_name, name_count; /* none: nothing known of the address */
    uint32_t anonymous;              /* 1: the name is only where it starts; else 0 */
};

struct pl_wire_name {
    uint32_t function, file; /* into texts */
    uint32_t decl_line, line, column;
};

#endif
