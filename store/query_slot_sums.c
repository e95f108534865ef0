/* What a slot's row says of all its samples: the same as its pieces add up to. */
#include "store/query_slot.h"

#include <stdlib.h>

enum column { THREAD, SAMPLES, ON_CPU, CPU_KNOWN, CPU_NS, WEIGHT, EACH };

/* False: it takes decoding. CPU time as pl_slot_pieces has it. */
static bool read_sum(const struct pl_stmt *stmt, const struct pl_part_row *part,
                     struct pl_slot_sum *sum)
{
    int64_t thread_id = pl_stmt_column_int(stmt, THREAD);
    int64_t on_cpu = pl_stmt_column_int(stmt, ON_CPU);
    *sum = (struct pl_slot_sum){.session_id = part->session_id,
                                .samples = pl_stmt_column_int(stmt, SAMPLES),
                                .wall_ns = pl_stmt_column_int(stmt, WEIGHT),
                                .thread_id = (uint32_t)thread_id};
    if (thread_id <= 0 || thread_id >= UINT32_MAX || sum->samples < 0 ||
        sum->wall_ns < 0 || on_cpu < 0 || on_cpu > sum->samples)
        return false;
    if (!pl_stmt_column_is_null(stmt, CPU_NS))
        sum->cpu_ns = pl_stmt_column_int(stmt, CPU_NS);
    else if (!pl_stmt_column_int(stmt, CPU_KNOWN))
        sum->cpu_ns = sum->wall_ns;
    else if (!pl_stmt_column_int(stmt, EACH) ||
             __builtin_mul_overflow(on_cpu, part->period_ns, &sum->cpu_ns))
        return false;
    return sum->cpu_ns >= 0;
}

static bool add(struct pl_slot_sums *sums, const struct pl_slot_sum *sum)
{
    if (sums->count == sums->cap) {
        size_t cap = sums->cap ? sums->cap * 2 : 64;
        struct pl_slot_sum *grown = realloc(sums->list, cap * sizeof *grown);
        if (!grown)
            return false;
        sums->list = grown;
        sums->cap = cap;
    }
    sums->list[sums->count++] = *sum;
    return true;
}

enum pl_status pl_slot_sums_read(struct pl_slot_sums *sums, struct pl_store *store,
                                 const struct pl_part_row *part, bool *simple_out,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false;
    sums->count = 0;
    *simple_out = true;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SELECT_SLOT_SUMS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":part", part->id);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row && *simple_out) {
        struct pl_slot_sum sum;
        *simple_out = read_sum(stmt, part, &sum);
        if (*simple_out && sum.samples && !add(sums, &sum))
            status = pl_error_set(err, PL_NOMEM, "out of memory for a part");
        if (status != PL_OK)
            break;
    }
    pl_stmt_reset(stmt);
    return status;
}
