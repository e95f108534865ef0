/* Sums per stack: see rollup_sums.h. */
#include "store/rollup_sums.h"

#include "store/codec.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS = 6 };

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for sums of an hour");
}

enum pl_status pl_sums_init(struct pl_sums *sums, int64_t first, int64_t last,
                            struct pl_error *err)
{
    *sums = (struct pl_sums){0};
    return pl_idmap_init(&sums->stacks, first, last) ? PL_OK : out_of_memory(err);
}

void pl_sums_deinit(struct pl_sums *sums)
{
    pl_idmap_deinit(&sums->stacks);
    free(sums->list);
    free(sums->pieces.list);
    *sums = (struct pl_sums){0};
}

void pl_sums_clear(struct pl_sums *sums)
{
    pl_idmap_clear(&sums->stacks);
    sums->total = (struct pl_stack_sum){0};
}

static bool grow(struct pl_sums *sums)
{
    uint32_t cap = sums->cap ? sums->cap * 2 : 1024;
    struct pl_stack_sum *grown = cap ? realloc(sums->list, cap * sizeof *grown) : NULL;
    if (!grown)
        return false;
    sums->list = grown;
    sums->cap = cap;
    return true;
}

/* NULL: out of memory. */
static struct pl_stack_sum *sum_of(struct pl_sums *sums, uint32_t stack)
{
    uint32_t known = sums->stacks.count;
    uint32_t place = pl_idmap_add(&sums->stacks, stack);
    if (place == PL_IDMAP_NONE || (place >= sums->cap && !grow(sums)))
        return NULL;
    if (place == known)
        sums->list[place] = (struct pl_stack_sum){0};
    return &sums->list[place];
}

/* False: it leaves int64_t. All parts are >= 0. */
static bool add(struct pl_stack_sum *to, const struct pl_stack_sum *from)
{
    if (__builtin_add_overflow(to->squares, from->squares, &to->squares))
        to->squares = INT64_MAX;
    return !__builtin_add_overflow(to->samples, from->samples, &to->samples) &&
           !__builtin_add_overflow(to->cpu_samples, from->cpu_samples,
                                   &to->cpu_samples) &&
           !__builtin_add_overflow(to->wall_ns, from->wall_ns, &to->wall_ns) &&
           !__builtin_add_overflow(to->cpu_ns, from->cpu_ns, &to->cpu_ns);
}

/* One stack's sum is part of the total: if that fits, it does. */
static enum pl_status add_sum(struct pl_sums *sums, uint32_t stack,
                              const struct pl_stack_sum *sum, struct pl_error *err)
{
    struct pl_stack_sum *of = sum_of(sums, stack);
    if (!of)
        return out_of_memory(err);
    if (!add(&sums->total, sum))
        return pl_error_set(err, PL_INPUT, "an hour of more than 292 years");
    (void)add(of, sum);
    return PL_OK;
}

enum pl_status pl_sums_add_slot(struct pl_sums *sums, const struct pl_slot *slot,
                                struct pl_error *err)
{
    enum pl_status status = PL_OK;
    if (!pl_slot_pieces(slot, &sums->pieces))
        return out_of_memory(err);
    sums->each_ns = slot->period_ns;
    for (size_t i = 0; i < sums->pieces.count && status == PL_OK; i++) {
        const struct pl_piece *piece = &sums->pieces.list[i];
        const struct pl_stack_sum sum = {
            .samples = piece->samples,
            .cpu_samples = piece->on_cpu ? piece->samples : 0,
            .wall_ns = piece->wall_ns,
            .cpu_ns = piece->cpu_ns,
            .squares = (int64_t)piece->samples * piece->samples,
        };
        status = add_sum(sums, piece->stack, &sum, err);
    }
    return status;
}

/* ---- rows ---- */

void pl_rollup_row_read(const struct pl_stmt *stmt, int first_column, bool whole,
                        struct pl_rollup_row *row_out)
{
    *row_out = (struct pl_rollup_row){
        .total = {.samples = pl_stmt_column_int(stmt, first_column),
                  .cpu_samples = pl_stmt_column_int(stmt, first_column + 1),
                  .wall_ns = pl_stmt_column_int(stmt, first_column + 2),
                  .cpu_ns = pl_stmt_column_int(stmt, first_column + 3)},
        .each_ns = pl_stmt_column_int(stmt, first_column + 4),
    };
    if (whole)
        row_out->blob = pl_stmt_column_blob(stmt, first_column + 5, &row_out->len);
}

/* The entry's fields, with what was left out; false: they cannot be. */
static bool read_entry(const struct pl_rollup_row *row, const int64_t *fields,
                       size_t count, struct pl_stack_sum *sum)
{
    if (count < 2 || fields[0] <= 0 || fields[0] >= PL_STACK_ID_LIMIT)
        return false;
    for (size_t i = 1; i < count; i++)
        if (fields[i] < 0)
            return false;
    sum->samples = fields[1];
    sum->squares = count > 2 ? fields[2] : fields[1];
    if (count > 5)
        sum->wall_ns = fields[5];
    else if (__builtin_mul_overflow(sum->samples, row->each_ns, &sum->wall_ns))
        return false;
    sum->cpu_ns = count > 3 ? fields[3] : sum->wall_ns;
    sum->cpu_samples = count > 4 ? fields[4] : sum->samples;
    return true;
}

static bool same(const struct pl_stack_sum *a, const struct pl_stack_sum *b)
{
    return a->samples == b->samples && a->cpu_samples == b->cpu_samples &&
           a->wall_ns == b->wall_ns && a->cpu_ns == b->cpu_ns;
}

const char *pl_rollup_row_walk(const struct pl_rollup_row *row,
                               const struct pl_sums_visitor *visitor, bool *failed_out)
{
    struct pl_stack_sum sum, total = {0};
    struct pl_digits digits;
    int64_t fields[FIELDS];
    size_t count;
    *failed_out = false;
    if (row->each_ns < 0)
        return "a negative weight";
    pl_digits_init(&digits, row->blob, row->len);
    while (pl_digits_fields(&digits, fields, FIELDS, &count)) {
        if (!read_entry(row, fields, count, &sum) || !add(&total, &sum))
            return "a sum that cannot be";
        if (!visitor->entry(visitor->self, (uint32_t)fields[0], &sum)) {
            *failed_out = true;
            return NULL;
        }
    }
    if (digits.damaged)
        return "its sums make no sense";
    return same(&total, &row->total) ? NULL : "its sums do not make up what it says";
}

struct add_row {
    struct pl_sums *sums;
    enum pl_status status;
    struct pl_error *err;
};

static bool add_entry(void *self, uint32_t stack, const struct pl_stack_sum *sum)
{
    struct add_row *to = self;
    to->status = add_sum(to->sums, stack, sum, to->err);
    return to->status == PL_OK;
}

enum pl_status pl_sums_add_row(struct pl_sums *sums, const struct pl_rollup_row *row,
                               struct pl_error *err)
{
    struct add_row to = {sums, PL_OK, err};
    const struct pl_sums_visitor visitor = {&to, add_entry};
    bool failed;
    const char *wrong = pl_rollup_row_walk(row, &visitor, &failed);
    if (wrong)
        return pl_error_set(err, PL_INPUT, "%s", wrong);
    sums->each_ns = row->each_ns;
    return to.status;
}

/* How many fields say something. */
static size_t fill_entry(const struct pl_stack_sum *sum, int64_t each_ns,
                         int64_t fields[FIELDS])
{
    int64_t usual_ns;
    fields[1] = sum->samples;
    fields[2] = sum->squares;
    fields[3] = sum->cpu_ns;
    fields[4] = sum->cpu_samples;
    fields[5] = sum->wall_ns;
    if (__builtin_mul_overflow(sum->samples, each_ns, &usual_ns) ||
        usual_ns != sum->wall_ns)
        return 6;
    if (sum->cpu_samples != sum->samples)
        return 5;
    if (sum->cpu_ns != sum->wall_ns)
        return 4;
    return sum->squares != sum->samples ? 3 : 2;
}

static int compare_ids(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

enum pl_status pl_sums_encode(const struct pl_sums *sums, struct pl_nibbles *nibbles,
                              struct pl_rollup_row *row_out, struct pl_error *err)
{
    uint32_t count = sums->stacks.count;
    uint32_t *ids = malloc(((size_t)count + 1) * sizeof *ids);
    if (!ids)
        return out_of_memory(err);
    if (count)
        memcpy(ids, sums->stacks.ids, count * sizeof *ids);
    qsort(ids, count, sizeof *ids, compare_ids);
    pl_nibbles_clear(nibbles);
    for (uint32_t i = 0; i < count; i++) {
        const struct pl_stack_sum *sum =
            &sums->list[pl_idmap_find(&sums->stacks, ids[i])];
        int64_t fields[FIELDS] = {ids[i]};
        pl_nibbles_fields(nibbles, fields, fill_entry(sum, sums->each_ns, fields));
    }
    free(ids);
    *row_out = (struct pl_rollup_row){.total = sums->total, .each_ns = sums->each_ns};
    row_out->len = pl_nibbles_finish(nibbles);
    row_out->blob = nibbles->bytes;
    return nibbles->failed ? out_of_memory(err) : PL_OK;
}
