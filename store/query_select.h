/* Selection: from struct pl_selection to slots, decoded and cut to the tick.
 *
 *   part (candidates by time and session) -> slot (by thread) -> runs
 *
 * A slot is one thread's samples in one part. Which of its ticks lie in the
 * selection, and in which bin of a timeline, is told by a table made once a part.
 * What the file says is checked here: a visitor sees runs that are sound, weights
 * >= 0, and sums over all slots that fit int64_t. */
#ifndef PL_STORE_QUERY_SELECT_H
#define PL_STORE_QUERY_SELECT_H

#include "store/codec.h"
#include "store/query.h"

#define PL_BIN_NONE UINT32_MAX

/* Equal bins from from_ns on; a sample belongs to the one its time is in. At an open
 * end the bin there takes all that lies beyond: stored times are rounded and may
 * stick out of what their part says. */
struct pl_bins {
    int64_t from_ns, to_ns, bin_ns;
    bool open_from, open_to;
};

/* Which bin tick i is in, PL_BIN_NONE outside; the same bin lasts until next[i]. */
struct pl_tick_bins {
    uint32_t *bin, *next;
    size_t count, cap;
};

/* Fill `next` and `count` from the first `count` of `bin`. */
void pl_tick_bins_link(struct pl_tick_bins *table, size_t count);

struct pl_slot_run {
    uint32_t stack; /* 0: no sample */
    uint32_t count : 31;
    uint32_t off_cpu : 1;
};

/* Borrowed, until the visitor returns. Runs cover no more ticks than `bins`. */
struct pl_slot {
    int64_t part_id, session_id;
    uint32_t thread_id;
    bool cpu_known;    /* off_cpu means something */
    int64_t cpu_ns;    /* exact, of the whole slot; -1 unknown */
    int64_t period_ns; /* what a sample weighs if there are no weights */
    const struct pl_slot_run *runs;
    size_t run_count;
    const int64_t *weights_ns;       /* per run and sample; NULL: period_ns */
    const struct pl_ticks *ticks;    /* when each tick was, if the visitor wants it */
    const struct pl_tick_bins *bins; /* NULL: all of it is in `bin` */
    uint32_t bin;
};

/* Part of one run: samples of one stack in one bin. */
struct pl_piece {
    uint32_t stack, bin, samples;
    bool on_cpu; /* takes part in the CPU metric */
    int64_t wall_ns, cpu_ns;
};
struct pl_pieces {
    struct pl_piece *list; /* owned */
    size_t count, cap;
};

/* The slot's samples within the bins. CPU: the slot's exact cpu_ns, spread over
 * its on-CPU samples by weight, each getting the difference of the rounded-down
 * shares up to it and before it, so that the pieces of any cuts add up exactly.
 * Without cpu_ns: their weight. On-CPU samples are those marked so; all, if
 * the slot has no marks or CPU time and no marked sample. False: out of memory. */
PL_MUST_CHECK bool pl_slot_pieces(const struct pl_slot *slot, struct pl_pieces *pieces);

/* All of a slot's samples together. */
struct pl_slot_sum {
    int64_t session_id, samples, wall_ns, cpu_ns;
    uint32_t thread_id, bin;
};

struct pl_slot_visitor {
    void *self;
    enum pl_status (*slot)(void *self, const struct pl_slot *slot,
                           struct pl_error *err);
    bool wants_ticks; /* else parts that are not cut need not read theirs */
    /* Instead of `slot` for parts that lie in one bin, whose slots have their sums
     * beside them: nothing is decoded. NULL: not wanted. Labels rule it out. */
    enum pl_status (*sum)(void *self, const struct pl_slot_sum *sum,
                          struct pl_error *err);
};

/* What was looked at. */
struct pl_selected {
    int64_t from_ns, to_ns; /* of the parts, cut to the selection; 0, 0: none */
};

/* Call `visitor` for each slot with a thread of the selection, parts by time. With
 * `bins` only ticks in them count. `selection->function` is the visitor's affair.
 * The caller holds a read transaction. Errors  INPUT damaged; IO; NOMEM; the
 * visitor's. */
PL_MUST_CHECK enum pl_status
pl_select_slots(struct pl_store *store, const struct pl_selection *selection,
                const struct pl_bins *bins, const struct pl_slot_visitor *visitor,
                struct pl_selected *selected_out, struct pl_error *err);

/* The same a session and a stretch of time at a time: [from, to), or with
 * INT64_MIN or INT64_MAX open. `selection` and `visitor` are borrowed until close; of
 * the selection only threads count. */
struct pl_slot_select;
PL_MUST_CHECK enum pl_status pl_slot_select_open(struct pl_store *store,
                                                 const struct pl_selection *selection,
                                                 const struct pl_slot_visitor *visitor,
                                                 struct pl_slot_select **select_out,
                                                 struct pl_error *err);
void pl_slot_select_close(struct pl_slot_select *select); /* NULL is fine */
PL_MUST_CHECK enum pl_status pl_slot_select_session(struct pl_slot_select *select,
                                                    int64_t session_id, int64_t from_ns,
                                                    int64_t to_ns,
                                                    struct pl_error *err);
/* Sums of elsewhere (>= 0) that will be added to those of the slots; false: all
 * together they would leave int64_t. */
PL_MUST_CHECK bool pl_slot_select_reserve(struct pl_slot_select *select,
                                          int64_t samples, int64_t wall_ns,
                                          int64_t cpu_ns);
bool pl_slot_select_wants(const struct pl_slot_select *select, int64_t thread_id);
void pl_slot_select_found(struct pl_slot_select *select, int64_t from_ns,
                          int64_t to_ns);
struct pl_selected pl_slot_select_result(const struct pl_slot_select *select);

/* The same for every slot of a chunk, whole, of whatever unit. */
PL_MUST_CHECK enum pl_status pl_select_chunk(struct pl_store *store, int64_t chunk_id,
                                             const struct pl_slot_visitor *visitor,
                                             struct pl_error *err);

/* Candidate parts of a selection, by time. */
struct pl_part_list {
    struct pl_part_ref {
        int64_t id, start_ns;
    } * list; /* malloc'd, caller frees */
    size_t count;
};
PL_MUST_CHECK enum pl_status pl_select_part_list(struct pl_store *store,
                                                 const struct pl_selection *selection,
                                                 struct pl_part_list *list_out,
                                                 struct pl_error *err);

/* pl_select_slots of one of them. */
PL_MUST_CHECK enum pl_status pl_select_part(struct pl_store *store,
                                            const struct pl_selection *selection,
                                            int64_t part_id,
                                            const struct pl_slot_visitor *visitor,
                                            struct pl_error *err);

/* The time range of all candidate parts, cut to the selection; 0, 0 if none. */
PL_MUST_CHECK enum pl_status pl_select_range(struct pl_store *store,
                                             const struct pl_selection *selection,
                                             struct pl_selected *range_out,
                                             struct pl_error *err);

/* Samples known to be lost in the selection. */
PL_MUST_CHECK enum pl_status pl_select_lost(struct pl_store *store,
                                            const struct pl_selection *selection,
                                            int64_t *lost_out, struct pl_error *err);

/* ---- inside query_*.c ---- */

struct pl_stmt;

/* Open ends. Halved, so that differences of times never overflow. */
#define PL_TIME_MIN (-(INT64_MAX / 2))
#define PL_TIME_MAX (INT64_MAX / 2)
int64_t pl_select_from(const struct pl_selection *selection);
int64_t pl_select_to(const struct pl_selection *selection);

/* The texts a selection's statements bind; keep until they are reset. */
struct pl_select_binds {
    char *sessions, *threads; /* JSON arrays, NULL: open */
};
PL_MUST_CHECK enum pl_status pl_select_binds_init(struct pl_select_binds *binds,
                                                  const struct pl_selection *selection,
                                                  struct pl_error *err);
void pl_select_binds_deinit(struct pl_select_binds *binds);

/* :from :to :app :release :environment :sessions */
void pl_select_bind(struct pl_stmt *stmt, const struct pl_select_binds *binds,
                    const struct pl_selection *selection);
/* :app :release :environment :sessions */
void pl_select_bind_sessions(struct pl_stmt *stmt, const struct pl_select_binds *binds,
                             const struct pl_selection *selection);
/* :threads :name */
void pl_select_bind_threads(struct pl_stmt *stmt, const struct pl_select_binds *binds,
                            const struct pl_selection *selection);

#endif
