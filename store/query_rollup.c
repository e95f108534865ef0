/* Rollups or slots: see query_rollup.h. */
#include "store/query_rollup.h"

#include "store/db.h"
#include "store/rollup.h"

#include <stdlib.h>

static const int64_t hour_ns = PL_HOUR_S * PL_NS_PER_S;

/* A stretch of a session's time that rollups answer for. */
struct span {
    int64_t level, bucket, samples, start_ns, end_ns;
};

struct spans {
    struct span *list; /* owned; by time */
    size_t count, cap;
};

struct choose {
    struct pl_store *store;
    const struct pl_rolled_visitor *visitor;
    struct pl_slot_select *slots;
    int64_t from_ns, to_ns; /* INT64_MIN, INT64_MAX: open */
    int64_t session_id;
    int64_t thread_id; /* of the row in hand */
    struct spans days, hours;
};

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for a selection");
}

/* ---- what there is ---- */

static int64_t span_from(const struct span *span)
{
    return span->bucket * span->level * PL_NS_PER_S;
}

static int64_t span_to(const struct span *span)
{
    return (span->bucket + 1) * span->level * PL_NS_PER_S;
}

static bool add_span(struct spans *spans, struct span span)
{
    if (spans->count == spans->cap) {
        size_t cap = spans->cap ? 2 * spans->cap : 64;
        struct span *grown = realloc(spans->list, cap * sizeof *grown);
        if (!grown)
            return false;
        spans->list = grown;
        spans->cap = cap;
    }
    spans->list[spans->count++] = span;
    return true;
}

static bool covers(const struct span *span, int64_t time_ns)
{
    return span_from(span) <= time_ns && time_ns < span_to(span);
}

/* The last span that begins at `time_ns` or before; NULL: none does. */
static const struct span *find_span(const struct spans *spans, int64_t time_ns)
{
    size_t low = 0, high = spans->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (span_from(&spans->list[middle]) <= time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &spans->list[low - 1] : NULL;
}

static const struct span *covering(const struct spans *spans, int64_t time_ns)
{
    const struct span *span = find_span(spans, time_ns);
    return span && covers(span, time_ns) ? span : NULL;
}

/* Buckets of one level within the selection; hours of a day that was taken are not. */
static enum pl_status list_spans(struct choose *choose, int64_t level,
                                 struct spans *spans, struct pl_error *err)
{
    const int64_t level_ns = level * PL_NS_PER_S, last = INT64_MAX / 4 / level_ns;
    struct pl_stmt *stmt;
    bool row;
    int64_t first = choose->from_ns <= 0 ? 0 : (choose->from_ns - 1) / level_ns + 1;
    int64_t end = choose->to_ns <= 0 ? 0 : choose->to_ns / level_ns;
    spans->count = 0;
    enum pl_status status =
        pl_stmt_get(choose->store, PL_SQL_SELECT_ROLLED, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":session", choose->session_id);
    pl_stmt_int(stmt, ":level", level);
    pl_stmt_int(stmt, ":first", first);
    pl_stmt_int(stmt, ":end", end < last ? end : last);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        const struct span span = {.level = pl_stmt_column_int(stmt, 0),
                                  .bucket = pl_stmt_column_int(stmt, 1),
                                  .samples = pl_stmt_column_int(stmt, 2),
                                  .start_ns = pl_stmt_column_int(stmt, 3),
                                  .end_ns = pl_stmt_column_int(stmt, 4)};
        if (level == PL_HOUR_S && covering(&choose->days, span_from(&span)))
            continue;
        if (!add_span(spans, span)) {
            pl_stmt_reset(stmt);
            return out_of_memory(err);
        }
    }
    return status;
}

/* ---- rollups ---- */

static enum pl_status get_bucket(struct choose *choose, enum pl_sql sql,
                                 const struct span *span, struct pl_stmt **stmt_out,
                                 struct pl_error *err)
{
    enum pl_status status = pl_stmt_get(choose->store, sql, stmt_out, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(*stmt_out, ":level", span->level);
    pl_stmt_int(*stmt_out, ":bucket", span->bucket);
    pl_stmt_int(*stmt_out, ":session", choose->session_id);
    return PL_OK;
}

/* Spans whose rows are not all there are dropped: slots answer. */
static enum pl_status keep_whole(struct choose *choose, struct spans *spans,
                                 struct pl_error *err)
{
    enum pl_status status = PL_OK;
    size_t kept = 0;
    for (size_t i = 0; i < spans->count && status == PL_OK; i++) {
        struct pl_stmt *stmt;
        int64_t samples = 0;
        status = get_bucket(choose, PL_SQL_SELECT_ROLLUP_SAMPLES, &spans->list[i],
                            &stmt, err);
        if (status == PL_OK)
            status = pl_stmt_id(stmt, &samples, err);
        if (samples == spans->list[i].samples)
            spans->list[kept++] = spans->list[i];
    }
    spans->count = kept;
    return status;
}

static bool pass_on(void *self, uint32_t stack, const struct pl_stack_sum *sum)
{
    struct choose *choose = self;
    return choose->visitor->sum(choose->visitor->self, choose->thread_id, stack, sum);
}

static enum pl_status visit_row(struct choose *choose, const struct span *span,
                                const struct pl_stmt *stmt, struct pl_error *err)
{
    const struct pl_rolled_visitor *of = choose->visitor;
    const struct pl_sums_visitor visitor = {choose, pass_on};
    struct pl_rollup_row row;
    bool failed = false;
    choose->thread_id = pl_stmt_column_int(stmt, 0);
    if (!pl_slot_select_wants(choose->slots, choose->thread_id))
        return PL_OK;
    pl_rollup_row_read(stmt, 1, !of->total, &row);
    const char *wrong = "its sums make no sense";
    if (choose->thread_id > 0 && choose->thread_id < UINT32_MAX &&
        pl_slot_select_reserve(choose->slots, row.total.samples, row.total.wall_ns,
                               row.total.cpu_ns))
        wrong = of->total ? NULL : pl_rollup_row_walk(&row, &visitor, &failed);
    if (!wrong && of->total)
        failed = !of->total(of->self, choose->thread_id, &row.total);
    if (failed)
        return out_of_memory(err);
    if (!wrong)
        return PL_OK;
    return pl_error_set(err, PL_INPUT,
                        "%s is damaged: rollup %lld of %lld s, thread %lld: %s",
                        pl_store_path(choose->store), (long long)span->bucket,
                        (long long)span->level, (long long)choose->thread_id, wrong);
}

static enum pl_status visit_spans(struct choose *choose, const struct spans *spans,
                                  struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < spans->count && status == PL_OK; i++) {
        struct pl_stmt *stmt;
        bool row;
        status = get_bucket(choose, PL_SQL_SELECT_ROLLUP, &spans->list[i], &stmt, err);
        while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK &&
               row) {
            status = visit_row(choose, &spans->list[i], stmt, err);
            if (status != PL_OK)
                pl_stmt_reset(stmt);
        }
        if (status == PL_OK)
            pl_slot_select_found(choose->slots, spans->list[i].start_ns,
                                 spans->list[i].end_ns);
    }
    return status;
}

/* ---- slots of what is left ---- */

/* The start of the session's next part from `from_ns` on; INT64_MAX: none. */
static enum pl_status next_part(struct choose *choose, int64_t from_ns,
                                int64_t *start_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false;
    *start_out = INT64_MAX;
    enum pl_status status =
        pl_stmt_get(choose->store, PL_SQL_SELECT_NEXT_PART, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":session", choose->session_id);
    pl_stmt_int(stmt, ":from", from_ns);
    pl_stmt_int(stmt, ":to", choose->to_ns);
    status = pl_stmt_row(stmt, &row, err);
    if (row) {
        *start_out = pl_stmt_column_int(stmt, 0);
        pl_stmt_reset(stmt);
    }
    return status;
}

/* From the hour of `start_ns` to the next that a rollup answers for. */
static int64_t gap_end(const struct choose *choose, int64_t start_ns)
{
    int64_t end = INT64_MAX;
    const struct spans *levels[] = {&choose->days, &choose->hours};
    for (int i = 0; i < 2; i++) {
        const struct span *span = find_span(levels[i], start_ns);
        const struct span *next = span ? span + 1 : levels[i]->list;
        if (next < levels[i]->list + levels[i]->count && span_from(next) < end)
            end = span_from(next);
    }
    return end;
}

static enum pl_status visit_gaps(struct choose *choose, struct pl_error *err)
{
    int64_t at = choose->from_ns <= 0 ? INT64_MIN : choose->from_ns / hour_ns * hour_ns;
    enum pl_status status = PL_OK;
    while (status == PL_OK && at < choose->to_ns) {
        int64_t start;
        status = next_part(choose, at, &start, err);
        if (status != PL_OK || start == INT64_MAX)
            return status;
        const struct span *span = covering(&choose->days, start);
        if (!span)
            span = covering(&choose->hours, start);
        if (span) {
            at = span_to(span);
            continue;
        }
        int64_t from = at == INT64_MIN ? INT64_MIN : start / hour_ns * hour_ns;
        int64_t end = gap_end(choose, start);
        from = from > choose->from_ns ? from : choose->from_ns;
        status = pl_slot_select_session(choose->slots, choose->session_id, from,
                                        end < choose->to_ns ? end : choose->to_ns, err);
        at = end;
    }
    return status;
}

/* ---- a session, and all of them ---- */

static enum pl_status visit_session(struct choose *choose, struct pl_error *err)
{
    enum pl_status status = list_spans(choose, PL_DAY_S, &choose->days, err);
    if (status == PL_OK)
        status = keep_whole(choose, &choose->days, err);
    if (status == PL_OK)
        status = list_spans(choose, PL_HOUR_S, &choose->hours, err);
    if (status == PL_OK)
        status = keep_whole(choose, &choose->hours, err);
    if (status == PL_OK)
        status = visit_spans(choose, &choose->days, err);
    if (status == PL_OK)
        status = visit_spans(choose, &choose->hours, err);
    if (status == PL_OK && !choose->days.count && !choose->hours.count)
        return pl_slot_select_session(choose->slots, choose->session_id,
                                      choose->from_ns, choose->to_ns, err);
    return status == PL_OK ? visit_gaps(choose, err) : status;
}

static enum pl_status list_sessions(struct pl_store *store,
                                    const struct pl_selection *selection,
                                    struct pl_idmap *sessions, struct pl_error *err)
{
    struct pl_select_binds binds;
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_select_binds_init(&binds, selection, err);
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_SELECT_SESSIONS, &stmt, err);
    if (status == PL_OK)
        pl_select_bind_sessions(stmt, &binds, selection);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        int64_t id = pl_stmt_column_int(stmt, 0);
        if (id > 0 && id < UINT32_MAX &&
            pl_idmap_add(sessions, (uint32_t)id) == PL_IDMAP_NONE) {
            pl_stmt_reset(stmt);
            status = out_of_memory(err);
        }
    }
    pl_select_binds_deinit(&binds);
    return status;
}

static enum pl_status any_rolled(struct pl_store *store, bool *any_out,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t any = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SELECT_ANY_ROLLED, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_id(stmt, &any, err);
    *any_out = any != 0;
    return status;
}

static enum pl_status visit_sessions(struct choose *choose,
                                     const struct pl_selection *selection,
                                     struct pl_error *err)
{
    struct pl_idmap sessions;
    if (!pl_idmap_init(&sessions, 0, 0))
        return out_of_memory(err);
    enum pl_status status = list_sessions(choose->store, selection, &sessions, err);
    for (uint32_t i = 0; i < sessions.count && status == PL_OK; i++) {
        choose->session_id = sessions.ids[i];
        status = visit_session(choose, err);
    }
    pl_idmap_deinit(&sessions);
    return status;
}

enum pl_status pl_select_rolled(struct pl_store *store,
                                const struct pl_selection *selection,
                                const struct pl_rolled_visitor *visitor,
                                struct pl_selected *selected_out, struct pl_error *err)
{
    const struct pl_slot_visitor slots = {
        .self = visitor->self, .slot = visitor->slot, .sum = visitor->slot_sum};
    struct choose choose = {
        .store = store,
        .visitor = visitor,
        .from_ns = selection->from_ns ? selection->from_ns : INT64_MIN,
        .to_ns = selection->to_ns ? selection->to_ns : INT64_MAX,
    };
    bool any = false;
    enum pl_status status = PL_OK;
    if (!selection->label_count) /* sums know nothing of labels */
        status = any_rolled(store, &any, err);
    if (status == PL_OK && !any)
        return pl_select_slots(store, selection, NULL, &slots, selected_out, err);
    if (status == PL_OK)
        status = pl_slot_select_open(store, selection, &slots, &choose.slots, err);
    if (status == PL_OK)
        status = visit_sessions(&choose, selection, err);
    if (status == PL_OK)
        *selected_out = pl_slot_select_result(choose.slots);
    pl_slot_select_close(choose.slots);
    free(choose.days.list);
    free(choose.hours.list);
    return status;
}
