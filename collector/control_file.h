/* Control file: what somebody outside wants of this process (proflite.h). Hostile: it
 * may be anything, at any moment. */
#ifndef PL_COLLECTOR_CONTROL_FILE_H
#define PL_COLLECTOR_CONTROL_FILE_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum pl_control { PL_CONTROL_NONE, PL_CONTROL_START, PL_CONTROL_STOP };

/* What was read last, so that only changes count. All zero: nothing yet. */
struct pl_control_file {
    const char *path; /* borrowed */
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec changed;
};

/* What is wanted, if the file says something new. Never blocks. */
enum pl_control pl_control_look(struct pl_control_file *file);

#endif
