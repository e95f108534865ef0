/* Segment reader: the consumer's half of segment.h.
 *
 * Maps a segment file of another process and gives out checked copies of what is
 * in it. The other side may write anything at any time: every record is copied
 * before it is looked at, and the reader trusts its own tails, not the shared
 * ones. Threads  one at a time. */
#ifndef PL_COLLECTOR_SEGMENT_READER_H
#define PL_COLLECTOR_SEGMENT_READER_H

#include "base/error.h"
#include "collector/segment.h"

#include <stdbool.h>
#include <stddef.h>

/* The largest record: registers and a stack copy. */
#define PL_SEG_RECORD_BYTES                                                            \
    (sizeof(struct pl_rec) + sizeof(struct pl_registers) + PL_STACK_COPY_BYTES + 64)

/* What the segment says about its process, copied and checked at open. */
struct pl_segment_facts {
    uint32_t pid, parent_pid;
    uint64_t pid_start;
    uint8_t session_id[16], parent_session_id[16];
    bool cpu_mode;
    int64_t period_ns;
    int64_t mono_origin_ns, wall_origin_ns;
    char app[64];
    char exe[1024];
};

struct pl_segment_reader {
    int fd;
    bool copied; /* `seg` is no mapping of the file */
    struct pl_segment *seg;
    uint32_t rings;  /* the file holds */
    uint8_t *window; /* what was read of one ring: positions `window_from` up to .. */
    uint64_t window_from, window_to; /* .. this, of slot `window_slot` */
    uint32_t window_slot;
    uint64_t event_tail, quiet_tail;
    uint64_t tails[PL_SEG_MAX_THREADS];
    bool moved; /* a tail, since they were last published */
    uint64_t unpublished[PL_SEG_MAX_THREADS / 64]; /* slots whose tail moved */
    uint64_t released[PL_SEG_MAX_THREADS / 64];
    uint32_t drained[PL_SEG_MAX_THREADS]; /* generations of those */
    struct pl_segment_facts facts;
};

/* Bytes of a segment file with that many rings, and where the rings begin. */
size_t pl_segment_rings_offset(void);
size_t pl_segment_file_bytes(uint32_t ring_count);

/* Caller's storage. Close it after success only. `copied`: read what is in the file now
 * instead of mapping it, and again with each refresh: it may be cut at any time, and
 * reading from a mapping that has no file behind it any more is death.
 * Errors  BUSY the process is not done with setting it up, try again later;
 *         INPUT it is no segment; IO. */
PL_MUST_CHECK enum pl_status pl_segment_open(struct pl_segment_reader *reader,
                                             int dir_fd, const char *name, bool copied,
                                             struct pl_error *err);
void pl_segment_close(struct pl_segment_reader *reader);

/* Follow the file's growth. False: it shrank, and must not be touched again. */
PL_MUST_CHECK bool pl_segment_refresh(struct pl_segment_reader *reader);

/* Have its sampler stop, for good. */
void pl_segment_stop(struct pl_segment_reader *reader);

/* Events published so far, to be read with pl_segment_event up to this count. A
 * head that makes no sense skips what is there and sets *damaged_out. */
uint64_t pl_segment_event_head(struct pl_segment_reader *reader, bool *damaged_out);
struct pl_event pl_segment_event(struct pl_segment_reader *reader);

enum pl_segment_read { PL_READ_NONE, PL_READ_RECORD, PL_READ_DAMAGED };

/* The next record of a thread's ring, or of the sampler's with PL_SEG_QUIET, as a
 * checked copy in `buffer` (8-aligned, PL_SEG_RECORD_BYTES). The record is the next
 * one until pl_segment_take. DAMAGED: the ring's content was skipped. */
#define PL_SEG_QUIET UINT32_MAX
PL_MUST_CHECK enum pl_segment_read pl_segment_peek(struct pl_segment_reader *reader,
                                                   uint32_t slot, void *buffer);
void pl_segment_take(struct pl_segment_reader *reader, uint32_t slot,
                     const void *buffer);

/* Are there records that were not taken? */
bool pl_segment_has_more(struct pl_segment_reader *reader, uint32_t slot);

/* A thread begins in this slot: its ring may have been given a new place. */
void pl_segment_slot_begin(struct pl_segment_reader *reader, uint32_t slot);
/* Everything of the slot's thread has been read: the sampler may re-use it. */
void pl_segment_slot_release(struct pl_segment_reader *reader, uint32_t slot,
                             uint32_t generation);

/* Tell the host how far all rings have been read and which slots are released: it
 * may write there again from now on. Until then a reader that starts anew, where the
 * shared tails point, reads the same once more. */
void pl_segment_publish(struct pl_segment_reader *reader);

#endif
