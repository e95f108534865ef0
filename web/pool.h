/* Threads that ask the store. The server library runs handlers on threads with
 * 100 KiB of stack, too little for SQLite; so a handler hands its job over to one
 * of these (2 MiB each, a read-only connection each) and waits. */
#ifndef PL_WEB_POOL_H
#define PL_WEB_POOL_H

#include "base/error.h"

#include <stdint.h>

struct pl_pool;
struct pl_pool_slot;
struct pl_store;

struct pl_job {
    /* Runs on a pool thread. */
    void (*run)(struct pl_job *job, struct pl_pool_slot *slot);
    /* Frees a job nobody waits for any more; on any thread. */
    void (*drop)(struct pl_job *job);
    struct pl_job *next; /* these three are the pool's */
    int state;
    unsigned room;
};

PL_MUST_CHECK enum pl_status pl_pool_start(const char *db_path, int thread_count,
                                           struct pl_pool **pool_out,
                                           struct pl_error *err);

/* From now on pl_pool_run answers BUSY at once, also to those who wait. */
void pl_pool_interrupt(struct pl_pool *pool);

/* Interrupt, wait for what runs, free. Nobody may be in pl_pool_run any more.
 * NULL is fine. */
void pl_pool_stop(struct pl_pool *pool);

/* Run `job` and wait. OK: it ran, and is the caller's again. BUSY: the pool is
 * full, stops, or the job took longer than `timeout_ms`; the job is the pool's and
 * will be dropped. Threads  any but the pool's. */
PL_MUST_CHECK enum pl_status pl_pool_run(struct pl_pool *pool, struct pl_job *job,
                                         int timeout_ms, struct pl_error *err);

/* For jobs: this thread's connection, opened anew when the file at the path is
 * another one than before. Borrowed until the job ends. Errors  as pl_store_open. */
PL_MUST_CHECK enum pl_status pl_pool_store(struct pl_pool_slot *slot,
                                           struct pl_store **store_out,
                                           struct pl_error *err);

/* For jobs, after pl_pool_store: which file that is (device and inode, hashed). */
uint64_t pl_pool_store_file(const struct pl_pool_slot *slot);

/* For jobs: something was wrong with the connection; the next job opens it anew. */
void pl_pool_store_failed(struct pl_pool_slot *slot);

#endif
