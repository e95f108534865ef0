/* What the files of retention share. */
#ifndef PL_STORE_RETENTION_STATE_H
#define PL_STORE_RETENTION_STATE_H

#include "base/buf.h"
#include "store/db.h"
#include "store/idmap.h"
#include "store/retention.h"

#define PL_GC_PAUSE_NS                                                                 \
    3000000 /* between transactions: waiting writers look every 2 ms */

struct pl_gc_pages {
    int64_t count, free, size;
};

struct pl_gc {
    struct pl_store *store;
    const struct pl_retention *retention;
    struct pl_retention_result *result;
    struct pl_idmap sessions;                          /* that lost parts or sums */
    struct pl_buf part_list, chunk_list, session_list; /* of a batch, JSON */
    struct pl_gc_pages pages;
    int64_t before_ns, hours_before_ns, days_before_ns;
    bool hours_stay;  /* some outlive the samples */
    bool days_stay;   /* some outlive the hours */
    int64_t batch;    /* parts at a time */
    int64_t after_ns; /* older ones have been looked at */
    int64_t last_ns;  /* end of the youngest part gone */
};

/* Fills `pages`. */
PL_MUST_CHECK enum pl_status pl_gc_read_pages(struct pl_gc *gc, struct pl_error *err);
int64_t pl_gc_used_bytes(const struct pl_gc *gc);
int64_t pl_gc_excess(const struct pl_gc *gc); /* more than the bound; 0: it fits */
void pl_gc_add_result(struct pl_retention_result *sum,
                      const struct pl_retention_result *gone);
/* The session lost something: threads of it may have nothing left. */
PL_MUST_CHECK enum pl_status pl_gc_add_session(struct pl_gc *gc, int64_t id,
                                               struct pl_error *err);

/* One write transaction: committed if the step says it changed something, then what is
 * `gone` counts. */
typedef enum pl_status pl_gc_step(struct pl_gc *gc, void *self,
                                  struct pl_retention_result *gone, bool *changed_out,
                                  struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_gc_transact(struct pl_gc *gc, pl_gc_step *step,
                                            void *self, struct pl_error *err);
/* The number a statement gives. */
PL_MUST_CHECK enum pl_status pl_gc_number(struct pl_gc *gc, enum pl_sql sql,
                                          int64_t *value_out, struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_gc_run(struct pl_gc *gc, enum pl_sql sql,
                                       struct pl_error *err);

/* Parts that may go, `limit` of them (-1: all), oldest first. */
PL_MUST_CHECK enum pl_status pl_gc_find_parts(struct pl_gc *gc, int64_t before_ns,
                                              int64_t limit, struct pl_stmt **stmt_out,
                                              struct pl_error *err);
/* Count the one the statement is at; about how many bytes it takes. */
int64_t pl_gc_count_part(struct pl_retention_result *result,
                         const struct pl_stmt *stmt);
/* Those that ended before, or with `by_size` the oldest until it fits. */
PL_MUST_CHECK enum pl_status pl_gc_take_parts(struct pl_gc *gc, int64_t before_ns,
                                              bool by_size, struct pl_error *err);
/* Sessions and threads without anything. */
PL_MUST_CHECK enum pl_status pl_gc_take_sessions(struct pl_gc *gc,
                                                 struct pl_error *err);

/* Stacks of epochs that nothing refers to; begins a new epoch if it is time. */
PL_MUST_CHECK enum pl_status pl_gc_take_stacks(struct pl_gc *gc, struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_gc_look_at_stacks(struct pl_gc *gc,
                                                  struct pl_error *err);
/* After stacks went: frames, names, functions, modules and tags. */
PL_MUST_CHECK enum pl_status pl_gc_take_names(struct pl_gc *gc, struct pl_error *err);

/* Symbol files that were fetched, until it fits. */
PL_MUST_CHECK enum pl_status pl_gc_take_fetched(struct pl_gc *gc, struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_gc_look_at_fetched(struct pl_gc *gc,
                                                   struct pl_error *err);

/* Sums of a level (PL_HOUR_S, PL_DAY_S) without samples that ended before, or with
 * `by_size` the oldest until it fits. */
PL_MUST_CHECK enum pl_status pl_gc_take_sums(struct pl_gc *gc, int64_t level,
                                             int64_t before_ns, bool by_size,
                                             struct pl_error *err);
/* How many of them there are. */
PL_MUST_CHECK enum pl_status pl_gc_look_at_sums(struct pl_gc *gc, int64_t level,
                                                int64_t before_ns, int64_t *count_out,
                                                struct pl_error *err);

#endif
