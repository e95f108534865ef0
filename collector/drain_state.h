/* What a drain holds between its rounds. For the drain's own files only: drain_open.c
 * makes it, drain_attach.c fills the list of sessions, drain.c runs them. One thread
 * at a time. */
#ifndef PL_COLLECTOR_DRAIN_STATE_H
#define PL_COLLECTOR_DRAIN_STATE_H

#include "collector/drain_session.h"
#include "collector/journal_folder.h"

#include <dirent.h>

struct pl_wait_note {
    pid_t pid;
    int status;
};

struct pl_drain {
    struct pl_drain_shared shared;
    DIR *dir;
    struct pl_journal_folder journals;
    struct pl_error journal_error;
    struct pl_drain_session *sessions;
    struct pl_drain_session *ended; /* read to their end; the sink may lack some */
    uint64_t *ignored; /* inodes of files that are no segments, or are done with */
    size_t ignored_count, ignored_capacity;
    struct pl_wait_note *waits;
    size_t wait_count, wait_capacity;
    struct pl_id *skipped; /* sessions that the store has */
    size_t skipped_count, skipped_capacity;
    int64_t next_look_ns, next_show_ns;
    int64_t folder_ns; /* when its list last changed, as of the last scan */
    bool retry_attach; /* a segment there was not ready */
};

/* Attach to the segments that came into the folder since the last look. */
void pl_drain_scan(struct pl_drain *drain);

#endif
