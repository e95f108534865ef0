/* Recorded: what the preload library of `proflite record` tells libproflite when both
 * are in one program. Found by name; the size tells another version's. */
#ifndef PL_COLLECTOR_RECORDED_H
#define PL_COLLECTOR_RECORDED_H

#include "collector/label_table.h"

#include <stdbool.h>
#include <stdint.h>

#define PL_RECORDED_SYMBOL "proflite_recorded"

struct pl_recorded {
    uint32_t bytes; /* sizeof(struct pl_recorded) */
    /* False when this process is not recorded (any more); else its session's id. */
    bool (*session)(uint8_t id_out[static 16]);
    /* Where its recording looks for labels. NULL: no memory. */
    struct pl_label_table *(*labels)(void);
};

/* Is `proflite record` at work in this process? Then its session's id: one capture is
 * enough. */
bool pl_recorded_session(uint8_t id_out[static 16]);

/* Where labels are to go: to that recording, else to this library's own capture.
 * NULL: no memory, or a table of another version. */
struct pl_label_table *pl_recorded_labels(void);

#endif
