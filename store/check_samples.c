/* Check of the samples: ticks, slots, and that the views show what was decoded.
 *
 * Blobs go through the codec one number at a time, not through the queries' quick
 * decoder, so that a fault of one of them shows. */
#include "base/clock.h"
#include "store/check_state.h"
#include "store/codec.h"

#include <stdio.h>

enum part_column {
    P_ID,
    P_CHUNK,
    P_START,
    P_END,
    P_PERIOD,
    P_ORIGIN,
    P_UNIT,
    P_WIDTH,
    P_COUNT,
    P_TICKS,
    P_FIRST
};
enum slot_column {
    S_ID,
    S_N,
    S_ON,
    S_KNOWN,
    S_CPU,
    S_WEIGHT,
    S_NRUNS,
    S_RUNS,
    S_TICKS,
    S_WEIGHTS,
    S_UNIT
};

/* A thread may have used its CPU time before the first tick it was seen at. */
#define CPU_SLACK_NS (60 * PL_NS_PER_S)

/* The parts of one chunk, which come one after the other. */
struct totals {
    int64_t chunk_id; /* 0: none yet */
    int64_t samples, weight;
    bool sound; /* all slots could be decoded */
};

struct part {
    int64_t id, start_ns, end_ns, period_ns, origin_ns, unit_ns, tick_count;
    int64_t first_stack; /* of the epoch it is of */
    struct pl_ticks ticks;
};

struct slot_sums {
    int64_t runs, ticks, n, n_on, weight;
};

/* ---- ticks ---- */

/* In the part, and not falling. NULL, or what is wrong. */
static const char *check_ticks(const struct part *part, const struct pl_ticks *ticks)
{
    int64_t before = INT64_MIN;
    for (size_t i = 0; i < ticks->count; i++) {
        const unsigned char *group = ticks->bytes + i * ticks->width;
        bool missed = pl_ticks_missed(ticks, i);
        for (unsigned b = 0; b < ticks->width; b++)
            if (missed ? group[b] != 0xff : group[b] >> 4 > 9 || (group[b] & 15) > 9)
                return "its ticks are no digits";
        if (missed)
            continue;
        int64_t at = pl_ticks_at(ticks, i);
        if (at < part->start_ns - part->unit_ns || at > part->end_ns + part->unit_ns)
            return "a tick lies outside it";
        if (at < before)
            return "its ticks go backwards";
        before = at;
    }
    return NULL;
}

static void check_part(struct pl_check *check, const struct pl_stmt *stmt,
                       struct part *part)
{
    size_t len;
    const void *blob = pl_stmt_column_blob(stmt, P_TICKS, &len);
    const char *wrong = NULL;
    *part = (struct part){
        .id = pl_stmt_column_int(stmt, P_ID),
        .start_ns = pl_stmt_column_int(stmt, P_START),
        .end_ns = pl_stmt_column_int(stmt, P_END),
        .period_ns = pl_stmt_column_int(stmt, P_PERIOD),
        .origin_ns = pl_stmt_column_int(stmt, P_ORIGIN),
        .unit_ns = pl_stmt_column_int(stmt, P_UNIT),
        .tick_count = pl_stmt_column_int(stmt, P_COUNT),
        .first_stack = pl_stmt_column_int(stmt, P_FIRST),
    };
    if (part->period_ns < 0 ||
        !pl_ticks_init(&part->ticks, blob, len, pl_stmt_column_int(stmt, P_WIDTH),
                       part->origin_ns, part->period_ns, part->unit_ns) ||
        part->tick_count < 0 || (size_t)part->tick_count != part->ticks.count)
        wrong = "its ticks make no sense";
    else if (part->start_ns >= 0 && part->end_ns < INT64_MAX / 2)
        wrong = check_ticks(part, &part->ticks);
    if (wrong)
        pl_check_found(check, PL_CHECK_TICKS, "part %lld: %s", (long long)part->id,
                       wrong);
}

/* ---- slots ---- */

static bool add_run(struct slot_sums *sums, const struct pl_run *run, int64_t weight,
                    bool cpu_known)
{
    int64_t of_run;
    sums->runs++;
    sums->ticks += run->count;
    if (!run->stack)
        return true;
    sums->n += run->count;
    sums->n_on += cpu_known && !run->off_cpu ? run->count : 0;
    return !__builtin_mul_overflow(weight, (int64_t)run->count, &of_run) &&
           !__builtin_add_overflow(sums->weight, of_run, &sums->weight);
}

/* NULL, or what is wrong. */
static const char *sum_runs(const struct pl_check *check, const struct pl_stmt *stmt,
                            const struct part *part, struct slot_sums *sums)
{
    struct pl_weights weights = {0};
    struct pl_digits digits;
    struct pl_run run;
    size_t len;
    int64_t nruns = pl_stmt_column_int(stmt, S_NRUNS);
    bool known = pl_stmt_column_int(stmt, S_KNOWN) != 0;
    bool weighted = !pl_stmt_column_is_null(stmt, S_WEIGHTS);
    const void *blob = pl_stmt_column_blob(stmt, S_WEIGHTS, &len);
    if (nruns < 0)
        return "less than no runs";
    if (weighted && nruns &&
        !pl_weights_init(&weights, blob, len, (size_t)nruns,
                         pl_stmt_column_int(stmt, S_UNIT)))
        return "its weights make no sense";
    blob = pl_stmt_column_blob(stmt, S_RUNS, &len);
    pl_digits_init(&digits, blob, len);
    while (pl_runs_next(&digits, &run)) {
        int64_t weight =
            weighted ? pl_weights_at(&weights, (size_t)sums->runs) : part->period_ns;
        if (run.stack && (run.stack >= check->depth_count || !check->depths[run.stack]))
            return "a sample of a stack that is not there";
        if (run.stack && run.stack < part->first_stack)
            return "a sample of a stack of an older generation";
        if (!add_run(sums, &run, weight, known))
            return "its weights add up to more than 292 years";
    }
    if (digits.damaged)
        return "its runs make no sense";
    return sums->runs == nruns ? NULL : "not as many runs as it says";
}

static const char *check_times(const struct pl_stmt *stmt, const struct part *part,
                               int64_t tick_count)
{
    struct pl_ticks ticks;
    size_t len;
    if (pl_stmt_column_is_null(stmt, S_TICKS))
        return tick_count <= part->tick_count ? NULL : "more samples than ticks";
    const void *blob = pl_stmt_column_blob(stmt, S_TICKS, &len);
    if (!pl_ticks_init(&ticks, blob, len, 4, part->origin_ns, part->period_ns,
                       part->unit_ns))
        return "its times make no sense";
    if ((uint64_t)tick_count > ticks.count)
        return "more samples than times";
    return part->start_ns >= 0 && part->end_ns < INT64_MAX / 2
               ? check_ticks(part, &ticks)
               : NULL;
}

static const char *check_sums(const struct pl_stmt *stmt, const struct part *part,
                              const struct slot_sums *sums)
{
    int64_t cpu_ns = pl_stmt_column_int(stmt, S_CPU), most;
    if (pl_stmt_column_int(stmt, S_N) != sums->n)
        return "not as many samples as it says (n)";
    if (pl_stmt_column_int(stmt, S_ON) != sums->n_on)
        return "not as many samples on CPU as it says (n_on)";
    if (pl_stmt_column_int(stmt, S_WEIGHT) != sums->weight)
        return "its samples weigh something else than it says (weight)";
    if (pl_stmt_column_is_null(stmt, S_CPU))
        return NULL;
    if (cpu_ns < 0 || __builtin_sub_overflow(part->end_ns, part->start_ns, &most) ||
        __builtin_add_overflow(most, CPU_SLACK_NS, &most) || cpu_ns > most)
        return "more CPU time than there was (cpu_ns)";
    return NULL;
}

static void check_slot(struct pl_check *check, const struct pl_stmt *stmt,
                       const struct part *part, struct totals *totals)
{
    struct slot_sums sums = {0};
    const char *wrong = sum_runs(check, stmt, part, &sums);
    if (wrong)
        totals->sound = false;
    else
        wrong = check_times(stmt, part, sums.ticks);
    if (!wrong)
        wrong = check_sums(stmt, part, &sums);
    if (wrong)
        pl_check_found(check, PL_CHECK_SLOT, "slot %lld of part %lld: %s",
                       (long long)pl_stmt_column_int(stmt, S_ID), (long long)part->id,
                       wrong);
    check->result.slots++;
    check->result.samples += sums.n;
    totals->samples += sums.n;
    if (__builtin_add_overflow(totals->weight, sums.weight, &totals->weight))
        totals->sound = false;
}

static enum pl_status check_slots(struct pl_check *check, const struct part *part,
                                  struct totals *totals, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status =
        pl_stmt_get(check->store, PL_SQL_CHECK_SLOT_ROWS, &stmt, err);
    if (status == PL_OK)
        pl_stmt_int(stmt, ":part", part->id);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row)
        check_slot(check, stmt, part, totals);
    return status;
}

/* ---- totals ---- */

/* What the view says of the chunk that was just read. */
static enum pl_status check_totals(struct pl_check *check, const struct totals *totals,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false;
    if (!totals->chunk_id || !totals->sound)
        return PL_OK;
    enum pl_status status = pl_stmt_find(check->store, PL_SQL_CHECK_VIEW, ":chunk",
                                         totals->chunk_id, &stmt, &row, err);
    if (!row)
        return pl_check_settle(check, status, err);
    int64_t samples = pl_stmt_column_int(stmt, 0), weight = pl_stmt_column_int(stmt, 1);
    pl_stmt_reset(stmt);
    if (samples != totals->samples || weight != totals->weight)
        pl_check_found(check, PL_CHECK_TOTAL,
                       "chunk %lld: the views show %lld samples of weight %lld, it has "
                       "%lld of %lld",
                       (long long)totals->chunk_id, (long long)samples,
                       (long long)weight, (long long)totals->samples,
                       (long long)totals->weight);
    return PL_OK;
}

static enum pl_status read_part(struct pl_check *check, const struct pl_stmt *stmt,
                                struct totals *totals, struct pl_error *err)
{
    struct part part;
    int64_t chunk_id = pl_stmt_column_int(stmt, P_CHUNK);
    enum pl_status status = PL_OK;
    if (chunk_id != totals->chunk_id) {
        status = check_totals(check, totals, err);
        *totals = (struct totals){.chunk_id = chunk_id, .sound = true};
    }
    check->result.parts++;
    check_part(check, stmt, &part);
    return status == PL_OK ? check_slots(check, &part, totals, err) : status;
}

static enum pl_status read_parts(struct pl_check *check, struct pl_error *err)
{
    struct totals totals = {0};
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status =
        pl_stmt_get(check->store, PL_SQL_CHECK_PART_ROWS, &stmt, err);
    if (status != PL_OK)
        return status;
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        status = read_part(check, stmt, &totals, err);
        if (status != PL_OK) {
            pl_stmt_reset(stmt);
            return status;
        }
    }
    return status == PL_OK ? check_totals(check, &totals, err) : status;
}

enum pl_status pl_check_samples(struct pl_check *check, struct pl_error *err)
{
    if (!check->depths) /* the dictionary could not be read: nothing to compare with */
        return PL_OK;
    return pl_check_settle(check, read_parts(check, err), err);
}
