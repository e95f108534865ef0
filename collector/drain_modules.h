/* Modules of one session: a checked copy of the segment's module log, and the way
 * from a captured address to (module, ELF virtual address). */
#ifndef PL_COLLECTOR_DRAIN_MODULES_H
#define PL_COLLECTOR_DRAIN_MODULES_H

#include "base/id.h"
#include "collector/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_NO_MODULE UINT32_MAX

struct pl_drain_module {
    uint64_t start, end, bias;
    int64_t from_ns, to_ns; /* CLOCK_MONOTONIC; to_ns 0: still there */
    char *path;             /* owned */
    uint8_t build_id[20];
    uint8_t build_id_bytes;
    uint8_t flags;
    int64_t told_to_ns; /* what the journal has for to_ns */
    bool rows_done;     /* its rows exist, or cannot be made */
};

/* Indexes are those of the log; a damaged entry is there, with an empty range. */
struct pl_drain_modules {
    struct pl_drain_module *list;
    size_t count, capacity;
    uint64_t version; /* another one after each change, of any session */
    /* The file that names code made at run time, in no module; "": there is none. Its
     * identity is the session's: process numbers are used again. */
    char perf_map[32];
    struct pl_id perf_map_id;
};

/* Read new log entries and the ends of old ones. True if anything changed.
 * A log that cannot be kept for want of memory is read again next time. */
bool pl_drain_modules_refresh(struct pl_drain_modules *modules,
                              const struct pl_segment *seg);
void pl_drain_modules_deinit(struct pl_drain_modules *modules);

/* Index of the module that held `address` at `mono_ns`, else of one that was only
 * noticed later, else PL_NO_MODULE. A return address is looked up by the call
 * before it: pass address - 1. */
uint32_t pl_drain_modules_find(const struct pl_drain_modules *modules, uint64_t address,
                               int64_t mono_ns);

#endif
