/* Selection: see query_select.h. */
#include "store/query_select.h"

#include "base/clock.h"
#include "store/db.h"
#include "store/idmap.h"
#include "store/query_labels.h"
#include "store/query_slot.h"

#include <stdlib.h>

/* Stored times may lie this far outside what their part says. */
#define ROUNDING_NS PL_NS_PER_S

/* ---- slots ---- */

struct pl_slot_select {
    struct pl_store *store;
    const struct pl_selection *selection;
    struct pl_select_binds binds;
    struct pl_bins bins;
    bool all_threads, any_unit;
    struct pl_idmap threads; /* the wanted ones, unless all are */
    struct pl_part_labels labels;
    struct pl_slot_reader reader;
    const struct pl_slot_visitor *visitor;
    struct pl_selected found;
    struct pl_slot_sums sums;
};

static enum pl_status want_threads(struct pl_slot_select *select, struct pl_error *err)
{
    const struct pl_selection *selection = select->selection;
    struct pl_stmt *stmt;
    bool row;
    select->all_threads = !selection->thread_count && !selection->thread_name;
    if (!pl_idmap_init(&select->threads, 0, 0))
        return pl_error_set(err, PL_NOMEM, "out of memory for a selection");
    if (select->all_threads)
        return PL_OK;
    enum pl_status status =
        pl_stmt_get(select->store, PL_SQL_SELECT_THREAD_IDS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_select_bind_threads(stmt, &select->binds, selection);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        int64_t id = pl_stmt_column_int(stmt, 0);
        if (id > 0 && id < UINT32_MAX &&
            pl_idmap_add(&select->threads, (uint32_t)id) == PL_IDMAP_NONE) {
            pl_stmt_reset(stmt);
            return pl_error_set(err, PL_NOMEM, "out of memory for a selection");
        }
    }
    return status;
}

static bool wants_thread(const struct pl_slot_select *select, int64_t id)
{
    return select->all_threads ||
           (id > 0 && id < UINT32_MAX &&
            pl_idmap_find(&select->threads, (uint32_t)id) != PL_IDMAP_NONE);
}

static enum pl_status visit_slots(struct pl_slot_select *select,
                                  const struct pl_part_row *part, struct pl_error *err)
{
    struct pl_stmt *stmt;
    struct pl_slot slot;
    bool row;
    enum pl_status status = pl_stmt_get(select->store, PL_SQL_SELECT_SLOTS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":part", part->id);
    pl_stmt_int(stmt, ":any_unit", select->any_unit);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        int64_t thread_id = pl_stmt_column_int(stmt, 0);
        if (!wants_thread(select, thread_id) ||
            (select->labels.keys && !pl_part_labels_has(&select->labels, thread_id)))
            continue;
        status = pl_slot_read(&select->reader, stmt, &slot, err);
        if (status == PL_OK && select->labels.keys &&
            !pl_part_labels_cut(&select->labels, &slot))
            status = pl_error_set(err, PL_NOMEM, "out of memory for labels");
        if (status == PL_OK)
            status = select->visitor->slot(select->visitor->self, &slot, err);
        if (status != PL_OK)
            break;
    }
    if (status != PL_OK)
        pl_stmt_reset(stmt);
    return status;
}

/* The part's slots by their sums; false: some have to be decoded. */
static enum pl_status visit_sums(struct pl_slot_select *select,
                                 const struct pl_part_row *part, bool *done_out,
                                 struct pl_error *err)
{
    struct pl_slot_sums *sums = &select->sums;
    enum pl_status status = pl_slot_sums_read(sums, select->store, part, done_out, err);
    for (size_t i = 0; i < sums->count && *done_out && status == PL_OK; i++) {
        struct pl_slot_sum *sum = &sums->list[i];
        sum->bin = select->reader.part_bin;
        if (!wants_thread(select, sum->thread_id))
            continue;
        if (pl_slot_select_reserve(select, sum->samples, sum->wall_ns, sum->cpu_ns))
            status = select->visitor->sum(select->visitor->self, sum, err);
        else
            status = pl_error_set(
                err, PL_INPUT,
                "%s is damaged: samples or weights add up to more than 63 bits hold",
                pl_store_path(select->store));
    }
    return status;
}

static enum pl_status visit_part(struct pl_slot_select *select,
                                 const struct pl_part_row *part, struct pl_error *err)
{
    bool done = false;
    enum pl_status status = pl_slot_reader_part(&select->reader, part, err);
    if (status == PL_OK && select->labels.keys)
        status = pl_part_labels_load(&select->labels, select->store, part->id, err);
    if (status == PL_OK && select->visitor->sum && !select->labels.keys &&
        select->reader.part_whole)
        status = visit_sums(select, part, &done, err);
    return status == PL_OK && !done ? visit_slots(select, part, err) : status;
}

static void extend(struct pl_selected *range, int64_t from_ns, int64_t to_ns,
                   const struct pl_bins *bins)
{
    from_ns = from_ns > bins->from_ns ? from_ns : bins->from_ns;
    to_ns = to_ns < bins->to_ns ? to_ns : bins->to_ns;
    if (from_ns >= to_ns)
        return;
    if (range->from_ns == range->to_ns) {
        *range = (struct pl_selected){from_ns, to_ns};
        return;
    }
    range->from_ns = from_ns < range->from_ns ? from_ns : range->from_ns;
    range->to_ns = to_ns > range->to_ns ? to_ns : range->to_ns;
}

/* `stmt` is bound: one of the statements that give parts. */
static enum pl_status visit_parts(struct pl_slot_select *select, struct pl_stmt *stmt,
                                  struct pl_error *err)
{
    struct pl_part_row part;
    enum pl_status status;
    bool row;
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        status = pl_part_read(stmt, &part, err);
        if (status == PL_OK)
            status = visit_part(select, &part, err);
        if (status != PL_OK)
            break;
        extend(&select->found, part.start_ns, part.end_ns, &select->bins);
    }
    if (status != PL_OK)
        pl_stmt_reset(stmt);
    return status;
}

/* select_parts, bound; candidates a little outside, as stored times are rounded. */
static enum pl_status find_parts(struct pl_slot_select *select,
                                 struct pl_stmt **stmt_out, struct pl_error *err)
{
    enum pl_status status =
        pl_stmt_get(select->store, PL_SQL_SELECT_PARTS, stmt_out, err);
    if (status != PL_OK)
        return status;
    pl_select_bind(*stmt_out, &select->binds, select->selection);
    pl_stmt_int(*stmt_out, ":from", select->bins.from_ns - ROUNDING_NS);
    pl_stmt_int(*stmt_out, ":to", select->bins.to_ns + ROUNDING_NS);
    return PL_OK;
}

/* What a selection asks for, looked up; deinit in any case. */
static enum pl_status prepare(struct pl_slot_select *select, struct pl_store *store,
                              const struct pl_selection *selection,
                              const struct pl_bins *bins,
                              const struct pl_slot_visitor *visitor,
                              struct pl_error *err)
{
    *select = (struct pl_slot_select){
        .store = store, .selection = selection, .visitor = visitor};
    select->bins = (struct pl_bins){.from_ns = pl_select_from(selection),
                                    .to_ns = pl_select_to(selection),
                                    .open_from = !selection->from_ns,
                                    .open_to = !selection->to_ns};
    select->bins.bin_ns = select->bins.to_ns - select->bins.from_ns;
    if (bins)
        select->bins = *bins;
    select->reader.bins = &select->bins;
    select->reader.wants_ticks = visitor && visitor->wants_ticks;
    enum pl_status status = pl_select_binds_init(&select->binds, selection, err);
    if (status == PL_OK)
        status = want_threads(select, err);
    if (status == PL_OK)
        status = pl_part_labels_init(&select->labels, store, selection, err);
    return status;
}

static void deinit(struct pl_slot_select *select)
{
    pl_slot_reader_deinit(&select->reader);
    free(select->sums.list);
    pl_part_labels_deinit(&select->labels);
    pl_idmap_deinit(&select->threads);
    pl_select_binds_deinit(&select->binds);
}

enum pl_status pl_select_slots(struct pl_store *store,
                               const struct pl_selection *selection,
                               const struct pl_bins *bins,
                               const struct pl_slot_visitor *visitor,
                               struct pl_selected *selected_out, struct pl_error *err)
{
    struct pl_slot_select select;
    struct pl_stmt *stmt = NULL;
    enum pl_status status = prepare(&select, store, selection, bins, visitor, err);
    if (status == PL_OK && select.bins.bin_ns > 0)
        status = find_parts(&select, &stmt, err);
    if (status == PL_OK && stmt)
        status = visit_parts(&select, stmt, err);
    if (status == PL_OK)
        *selected_out = select.found;
    deinit(&select);
    return status;
}

static enum pl_status list_parts(struct pl_stmt *stmt, struct pl_part_list *list,
                                 struct pl_error *err)
{
    enum pl_status status;
    size_t cap = 0;
    bool row;
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        if (list->count == cap) {
            cap = cap ? cap * 2 : 256;
            struct pl_part_ref *grown = realloc(list->list, cap * sizeof *grown);
            if (!grown) {
                pl_stmt_reset(stmt);
                return pl_error_set(err, PL_NOMEM, "out of memory for parts");
            }
            list->list = grown;
        }
        list->list[list->count++] = (struct pl_part_ref){pl_stmt_column_int(stmt, 0),
                                                         pl_stmt_column_int(stmt, 2)};
    }
    return status;
}

enum pl_status pl_select_part_list(struct pl_store *store,
                                   const struct pl_selection *selection,
                                   struct pl_part_list *list_out, struct pl_error *err)
{
    struct pl_slot_select select;
    struct pl_part_list list = {0};
    struct pl_stmt *stmt = NULL;
    enum pl_status status = prepare(&select, store, selection, NULL, NULL, err);
    if (status == PL_OK && select.bins.bin_ns > 0)
        status = find_parts(&select, &stmt, err);
    if (status == PL_OK && stmt)
        status = list_parts(stmt, &list, err);
    if (status == PL_OK)
        *list_out = list;
    else
        free(list.list);
    deinit(&select);
    return status;
}

enum pl_status pl_select_part(struct pl_store *store,
                              const struct pl_selection *selection, int64_t part_id,
                              const struct pl_slot_visitor *visitor,
                              struct pl_error *err)
{
    struct pl_slot_select select;
    struct pl_stmt *stmt;
    enum pl_status status = prepare(&select, store, selection, NULL, visitor, err);
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_SELECT_PART, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_int(stmt, ":part", part_id);
        status = visit_parts(&select, stmt, err);
    }
    deinit(&select);
    return status;
}

/* ---- a session at a time ---- */

enum pl_status pl_slot_select_open(struct pl_store *store,
                                   const struct pl_selection *selection,
                                   const struct pl_slot_visitor *visitor,
                                   struct pl_slot_select **select_out,
                                   struct pl_error *err)
{
    struct pl_slot_select *select = calloc(1, sizeof *select);
    if (!select)
        return pl_error_set(err, PL_NOMEM, "out of memory for a selection");
    select->store = store;
    select->selection = selection;
    select->visitor = visitor;
    select->reader.bins = &select->bins;
    select->reader.wants_ticks = visitor->wants_ticks;
    enum pl_status status = pl_select_binds_init(&select->binds, selection, err);
    if (status == PL_OK)
        status = want_threads(select, err);
    if (status == PL_OK)
        *select_out = select;
    else
        pl_slot_select_close(select);
    return status;
}

void pl_slot_select_close(struct pl_slot_select *select)
{
    if (!select)
        return;
    deinit(select);
    free(select);
}

static void set_bins(struct pl_slot_select *select, int64_t from_ns, int64_t to_ns)
{
    select->bins =
        (struct pl_bins){.from_ns = from_ns > PL_TIME_MIN ? from_ns : PL_TIME_MIN,
                         .to_ns = to_ns < PL_TIME_MAX ? to_ns : PL_TIME_MAX,
                         .open_from = from_ns == INT64_MIN,
                         .open_to = to_ns == INT64_MAX};
    select->bins.bin_ns = select->bins.to_ns - select->bins.from_ns;
}

enum pl_status pl_slot_select_session(struct pl_slot_select *select, int64_t session_id,
                                      int64_t from_ns, int64_t to_ns,
                                      struct pl_error *err)
{
    struct pl_stmt *stmt;
    set_bins(select, from_ns, to_ns);
    if (select->bins.bin_ns <= 0)
        return PL_OK;
    enum pl_status status =
        pl_stmt_get(select->store, PL_SQL_SELECT_SESSION_PARTS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":session", session_id);
    pl_stmt_int(stmt, ":from", select->bins.from_ns - ROUNDING_NS);
    pl_stmt_int(stmt, ":to", select->bins.to_ns + ROUNDING_NS);
    return visit_parts(select, stmt, err);
}

bool pl_slot_select_reserve(struct pl_slot_select *select, int64_t samples,
                            int64_t wall_ns, int64_t cpu_ns)
{
    struct pl_slot_reader *reader = &select->reader;
    return samples >= 0 && wall_ns >= 0 && cpu_ns >= 0 &&
           !__builtin_add_overflow(reader->total_samples, samples,
                                   &reader->total_samples) &&
           !__builtin_add_overflow(reader->total_ns, wall_ns, &reader->total_ns) &&
           !__builtin_add_overflow(reader->total_cpu_ns, cpu_ns, &reader->total_cpu_ns);
}

bool pl_slot_select_wants(const struct pl_slot_select *select, int64_t thread_id)
{
    return wants_thread(select, thread_id);
}

void pl_slot_select_found(struct pl_slot_select *select, int64_t from_ns, int64_t to_ns)
{
    const struct pl_bins all = {.from_ns = PL_TIME_MIN, .to_ns = PL_TIME_MAX};
    extend(&select->found, from_ns, to_ns, &all);
}

struct pl_selected pl_slot_select_result(const struct pl_slot_select *select)
{
    return select->found;
}

enum pl_status pl_select_chunk(struct pl_store *store, int64_t chunk_id,
                               const struct pl_slot_visitor *visitor,
                               struct pl_error *err)
{
    struct pl_slot_select select = {
        .store = store,
        .visitor = visitor,
        .all_threads = true,
        .any_unit = true,
        .bins = {PL_TIME_MIN, PL_TIME_MAX, INT64_MAX, true, true}};
    struct pl_stmt *stmt;
    select.reader.bins = &select.bins;
    select.reader.wants_ticks = visitor->wants_ticks;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SELECT_CHUNK_PARTS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":chunk", chunk_id);
    status = visit_parts(&select, stmt, err);
    deinit(&select);
    return status;
}
