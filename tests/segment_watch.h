/* Watch: a small drain for tests. Follows the segments of a folder, compiles rows
 * for their modules and counts what comes out of them. */
#ifndef PL_TESTS_SEGMENT_WATCH_H
#define PL_TESTS_SEGMENT_WATCH_H

#include "collector/segment_reader.h"

#include <stdbool.h>
#include <stdint.h>

#define WATCH_SESSIONS 256
#define WATCH_NAMES    4096

struct watch_session {
    char file[64];
    struct pl_segment_reader reader;
    uint32_t modules;
    bool done;
    uint64_t ticks, starts, ends, signalled, quiet, same; /* events */
    uint64_t records, quiet_records, shipped, periods;    /* records */
    uint64_t walks[PL_WALK_COUNT];
    uint64_t wrong; /* what the contract does not allow */
    uint32_t tids[PL_SEG_MAX_THREADS];
    char names[PL_SEG_MAX_THREADS][17];
    char all_names[WATCH_NAMES]; /* ",name,name,": every name ever told */
};

struct watch {
    char dir[64];
    int dir_fd;
    struct pl_rowcache *rows;
    unsigned count;
    struct watch_session *sessions[WATCH_SESSIONS];
    /* Called for each record; may be NULL. */
    void (*each)(struct watch_session *session, const struct pl_rec *rec);
};

/* Makes a folder of its own. */
void watch_open(struct watch *watch);
/* One round over all segments; `final` reads also those whose process is gone. */
void watch_step(struct watch *watch);
void watch_close(struct watch *watch); /* and removes the folder */

/* The session of a process, NULL if there is none; the last one if it exec'd. */
struct watch_session *watch_find(struct watch *watch, int pid);
uint64_t watch_lost(const struct watch_session *session, enum pl_loss reason);
bool watch_has_name(const struct watch_session *session, const char *name);

#endif
