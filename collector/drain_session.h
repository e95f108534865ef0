/* Session of the drain: one segment, that is one program image of one process,
 * from attach to end. */
#ifndef PL_COLLECTOR_DRAIN_SESSION_H
#define PL_COLLECTOR_DRAIN_SESSION_H

#include "collector/drain.h"
#include "collector/drain_modules.h"
#include "collector/drain_queue.h"
#include "collector/drain_timeline.h"
#include "collector/remote.h"
#include "collector/rowcache.h"
#include "collector/segment_reader.h"

/* What all sessions of a drain share. */
struct pl_drain_shared {
    struct pl_id recording_id;
    char *app, *release, *environment, *dist;             /* owned, nullable */
    char *in_app_include, *in_app_exclude, *project_root; /* likewise */
    char host[256];
    int64_t chunk_ns;
    size_t memory_bytes; /* that a session may use before its chunk is cut */
    int dir_fd;          /* of the segments; -1: they are gone */
    int journal_fd;      /* of the folder for journals; -1: none are written */
    bool salvage; /* another drain's sessions: leave their segments as they are */
    struct pl_rowcache *rows;
    struct pl_remote *remote; /* NULL: no stack has been shipped for a while */
    int64_t remote_used_ns;
    struct pl_drain_queue queue;
    uint64_t walks[PL_WALK_COUNT];
    uint64_t lost; /* samples that did not even make it into a part */
    _Alignas(8) unsigned char record[PL_SEG_RECORD_BYTES];
};

struct pl_drain_session {
    struct pl_drain_session *next;
    char name[256]; /* of the segment's file */
    uint64_t inode;
    struct pl_segment_reader reader;
    struct pl_drain_timeline timeline;
    struct pl_drain_modules modules;
    struct pl_journal journal;
    bool journaled; /* `journal` is one */
    struct pl_id id;
    bool begun;      /* the sink has been, or will be, told of it */
    bool skip_group; /* of events, after a TICK that made no sense */
    bool rows_wanted;
    bool replaced;  /* the process executes another program, which has a segment */
    bool last_look; /* recording ends: look at the process however lively it seems */
    bool stopped;   /* it ended sampling by itself; the program goes on */
    int process_fd; /* process_state.h; -1 */
    int wait_status;
    bool wait_known;
    uint64_t release[PL_SEG_MAX_THREADS / 64]; /* slots whose thread ended */
    /* seg->lost as last read, and how much of it parts tell of. */
    uint64_t host_now[PL_LOSS_COUNT], host_lost[PL_LOSS_COUNT];
    uint64_t slowed_now, slowed_told; /* ticks left out for max_overhead */
    uint64_t lost_before;             /* samples of parts that were dropped */
    int64_t attached_ns;
    int64_t heartbeat_ns, heartbeat_changed_ns, next_look_ns, next_maps_ns;
    int64_t flush_ns; /* Unix: of the newest tick when a flush began */
};

/* Errors  as pl_segment_open. */
PL_MUST_CHECK enum pl_status
pl_drain_session_open(struct pl_drain_shared *shared, const char *name, uint64_t inode,
                      struct pl_drain_session **session_out, struct pl_error *err);
/* An empty one, not attached; NULL when memory is short. */
struct pl_drain_session *pl_drain_session_new(void);
/* A session that is known from its journal finds its segment. False: it is gone, or is
 * not the one; the session is what its journal says. */
bool pl_drain_session_attach(struct pl_drain_shared *shared,
                             struct pl_drain_session *session);
/* The store has every part queued so far. */
void pl_drain_session_settle(struct pl_drain_session *session, int64_t now_ns);
/* The store has all of it: segment and journal go. */
void pl_drain_session_remove(struct pl_drain_shared *shared,
                             struct pl_drain_session *session);
/* Frees; the segment's file and the journal stay. NULL is fine. */
void pl_drain_session_close(struct pl_drain_session *session);

/* Hand the open window over as far as it goes, for whoever watches. */
void pl_drain_session_show(struct pl_drain_shared *shared, struct pl_drain_session *s);

/* drain_read.c: all there is, into the timeline. `final`: what was left in a ring until
 * its module is known comes, too. */
void pl_drain_session_read(struct pl_drain_shared *shared,
                           struct pl_drain_session *session, int64_t now_ns,
                           bool final);

/* Read all there is, resolve, and queue what is complete. */
void pl_drain_session_pump(struct pl_drain_shared *shared,
                           struct pl_drain_session *session, int64_t now_ns);

/* Resolve, and queue what is complete; `final`: nothing more will come. */
void pl_drain_session_advance(struct pl_drain_shared *shared,
                              struct pl_drain_session *session, int64_t now_ns,
                              bool final);

enum pl_drain_life {
    PL_LIFE_ON,
    PL_LIFE_EXITED, /* by itself, and said so */
    PL_LIFE_GONE,   /* without a word; wait_status may tell */
    PL_LIFE_EXECED,
    PL_LIFE_DAMAGED, /* the file is not what it was: do not touch it again */
};
enum pl_drain_life pl_drain_session_life(struct pl_drain_session *session,
                                         int64_t now_ns);

/* Its segment says that sampling is over for good. */
bool pl_drain_session_said_exit(const struct pl_drain_session *session);

/* Read the rest, queue it, and queue the session's end. `abandoned`: it goes on
 * without us. */
void pl_drain_session_finish(struct pl_drain_shared *shared,
                             struct pl_drain_session *session, enum pl_drain_life life,
                             bool abandoned, int64_t now_ns);

/* Compile rows that the session's modules lack, main program and libc first, until
 * `deadline_ns` (mono) has passed. */
void pl_drain_session_rows(struct pl_drain_shared *shared,
                           struct pl_drain_session *session, int64_t deadline_ns);

#endif
