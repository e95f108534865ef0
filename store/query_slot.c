/* Decoding for queries: see query_slot.h.
 *
 * Nearly all time of a large query is spent in decode_fast, which takes a word
 * of 16 nibbles at a time: ends found by a mask, digits turned into
 * binary by three multiplications. Whatever is unusual (long
 * numbers, padding, the last bytes, damage) is left to the codec. */
#include "store/query_slot.h"

#include <stdlib.h>
#include <string.h>

enum column { THREAD, SAMPLES, CPU_KNOWN, CPU_NS, NRUNS, RUNS, TICKS, WEIGHTS, UNIT };

void pl_slot_reader_deinit(struct pl_slot_reader *reader)
{
    free(reader->runs);
    free(reader->weights_ns);
    free(reader->part_bins.bin);
    free(reader->part_bins.next);
    free(reader->own_bins.bin);
    free(reader->own_bins.next);
    *reader = (struct pl_slot_reader){0};
}

static enum pl_status damaged(const struct pl_slot_reader *reader,
                              const struct pl_stmt *stmt, const char *what,
                              struct pl_error *err)
{
    return pl_error_set(err, PL_INPUT, "%s is damaged: part %lld, thread %lld: %s",
                        pl_store_path(stmt->store), (long long)reader->part->id,
                        (long long)pl_stmt_column_int(stmt, THREAD), what);
}

/* ---- parts ---- */

enum pl_status pl_part_read(const struct pl_stmt *stmt, struct pl_part_row *part_out,
                            struct pl_error *err)
{
    int64_t value[9];
    for (int i = 0; i < 9; i++)
        value[i] = pl_stmt_column_int(stmt, i);
    *part_out = (struct pl_part_row){
        .id = value[0],
        .session_id = value[1],
        .start_ns = value[2],
        .end_ns = value[3],
        .period_ns = value[4],
        .origin_ns = value[5],
        .unit_ns = value[6],
        .tick_width = value[7],
        .tick_count = value[8],
        .stmt = stmt,
    };
    if (part_out->period_ns >= 0 && part_out->unit_ns >= 0 &&
        part_out->tick_count >= 0 && part_out->tick_count < INT32_MAX)
        return PL_OK;
    return pl_error_set(err, PL_INPUT, "%s is damaged: part %lld has a negative %s",
                        pl_store_path(stmt->store), (long long)part_out->id,
                        part_out->period_ns < 0 ? "period" : "size");
}

static uint32_t bin_of(const struct pl_bins *bins, int64_t time_ns)
{
    if (time_ns < bins->from_ns) {
        if (!bins->open_from)
            return PL_BIN_NONE;
        time_ns = bins->from_ns;
    }
    if (time_ns >= bins->to_ns) {
        if (!bins->open_to)
            return PL_BIN_NONE;
        time_ns = bins->to_ns - 1;
    }
    return (uint32_t)(((uint64_t)time_ns - (uint64_t)bins->from_ns) /
                      (uint64_t)bins->bin_ns);
}

static bool reserve_bins(struct pl_tick_bins *table, size_t count)
{
    if (count > table->cap) {
        uint32_t *bin = realloc(table->bin, count * sizeof *bin);
        if (bin)
            table->bin = bin;
        uint32_t *next = realloc(table->next, count * sizeof *next);
        if (next)
            table->next = next;
        if (!bin || !next)
            return false;
        table->cap = count;
    }
    table->count = count;
    return true;
}

void pl_tick_bins_link(struct pl_tick_bins *table, size_t count)
{
    table->count = count;
    for (size_t i = count; i-- > 0;) {
        bool same = i + 1 < count && table->bin[i + 1] == table->bin[i];
        table->next[i] = same ? table->next[i + 1] : (uint32_t)i + 1;
    }
}

static bool fill_bins(struct pl_tick_bins *table, const struct pl_bins *bins,
                      const struct pl_ticks *ticks)
{
    if (!reserve_bins(table, ticks->count))
        return false;
    for (size_t i = 0; i < ticks->count; i++)
        table->bin[i] = bin_of(bins, pl_ticks_at(ticks, i));
    pl_tick_bins_link(table, ticks->count);
    return true;
}

/* Stored times are rounded to unit_ns, so a border that near is looked at closely. */
static bool in_one_bin(const struct pl_bins *bins, const struct pl_part_row *part,
                       uint32_t *bin_out)
{
    int64_t first, last;
    if (__builtin_sub_overflow(part->start_ns, part->unit_ns, &first) ||
        __builtin_add_overflow(part->end_ns, part->unit_ns, &last))
        return false;
    *bin_out = bin_of(bins, first);
    return *bin_out != PL_BIN_NONE && *bin_out == bin_of(bins, last) && first <= last;
}

enum pl_status pl_slot_reader_part(struct pl_slot_reader *reader,
                                   const struct pl_part_row *part, struct pl_error *err)
{
    reader->part = part;
    reader->part_bins.count = (size_t)part->tick_count;
    reader->part_ticks = (struct pl_ticks){0};
    reader->part_whole = in_one_bin(reader->bins, part, &reader->part_bin);
    if (!part->tick_count || (reader->part_whole && !reader->wants_ticks))
        return PL_OK;
    size_t len;
    const void *blob = pl_stmt_column_blob(part->stmt, 9, &len);
    if (!pl_ticks_init(&reader->part_ticks, blob, len, part->tick_width,
                       part->origin_ns, part->period_ns, part->unit_ns) ||
        reader->part_ticks.count != (size_t)part->tick_count)
        return pl_error_set(err, PL_INPUT,
                            "%s is damaged: times of part %lld make no sense",
                            pl_store_path(part->stmt->store), (long long)part->id);
    if (!reader->part_whole &&
        !fill_bins(&reader->part_bins, reader->bins, &reader->part_ticks))
        return pl_error_set(err, PL_NOMEM, "out of memory for the times of a part");
    return PL_OK;
}

/* ---- runs ---- */

static uint64_t load_nibbles(const unsigned char *bytes, size_t at)
{
    uint64_t word;
    memcpy(&word, bytes + at / 2, sizeof word);
    return __builtin_bswap64(word) << (at & 1 ? 4 : 0);
}

struct decoded {
    struct pl_slot_run *runs;
    size_t count, cap;
    uint64_t ticks, samples;
};

static void add_run(struct decoded *decoded, uint32_t stack, uint32_t count,
                    bool off_cpu)
{
    decoded->runs[decoded->count++] = (struct pl_slot_run){
        .stack = stack, .count = count & INT32_MAX, .off_cpu = off_cpu};
    decoded->ticks += count;
    decoded->samples += stack ? count : 0;
}

/* The numbers that end within one word of nibbles; how many nibbles they take. A word
 * whose first number is unusual takes none. */
static size_t decode_word(uint64_t word, struct decoded *decoded)
{
    uint64_t ends = pl_word_ends(word);
    size_t taken = 0;
    while (ends && decoded->count < decoded->cap) {
        unsigned minus = word >> 60 == 0xB ? 4 : 0;
        if (minus)
            ends = ends << 4;
        if (!ends)
            break;
        unsigned bits = (unsigned)__builtin_clzll(ends); /* 4 * digits */
        uint64_t digits = word << minus;
        unsigned end = (unsigned)(digits >> (60 - bits)) & 15;
        if (!bits || end == 0xB)
            break;
        uint64_t number = digits >> (64 - bits);
        uint64_t value = pl_word_value((uint32_t)number);
        uint64_t count = end == 0xA ? 1 : end - 10;
        if (bits > 32) {
            value += UINT64_C(100000000) * pl_word_value((uint32_t)(number >> 32));
            if (value >= (uint64_t)PL_RUN_UNIT) {
                if (end != 0xA)
                    break;
                count = value / (uint64_t)PL_RUN_UNIT;
                value %= (uint64_t)PL_RUN_UNIT;
            }
        }
        add_run(decoded, (uint32_t)value, (uint32_t)count, minus);
        word = bits < 60 ? digits << (bits + 4) : 0;
        ends = bits < 60 ? ends << (bits + 4) : 0;
        taken += (minus + bits) / 4 + 1;
    }
    return taken;
}

/* Runs of up to fifteen nibbles, as long as 9 bytes are left and there is room; moves
 * digits->at past them. */
static void decode_fast(struct pl_digits *digits, struct decoded *decoded)
{
    while (digits->at + 18 <= digits->end) {
        size_t taken = decode_word(load_nibbles(digits->bytes, digits->at), decoded);
        if (!taken)
            return;
        digits->at += taken;
    }
}

static bool reserve_runs(struct pl_slot_reader *reader, size_t count)
{
    if (count <= reader->run_cap)
        return true;
    struct pl_slot_run *grown = realloc(reader->runs, count * sizeof *grown);
    if (!grown)
        return false;
    reader->runs = grown;
    reader->run_cap = count;
    return true;
}

/* NULL, or what is wrong. */
static const char *decode_runs(struct decoded *decoded, const void *blob, size_t len)
{
    struct pl_digits digits;
    struct pl_run run;
    pl_digits_init(&digits, blob, len);
    decode_fast(&digits, decoded);
    while (pl_runs_next(&digits, &run)) {
        if (decoded->count == decoded->cap || run.count > INT32_MAX)
            return "more runs than it says";
        add_run(decoded, run.stack, run.count, run.off_cpu);
        decode_fast(&digits, decoded);
    }
    if (digits.damaged)
        return "runs make no sense";
    return decoded->count == decoded->cap ? NULL : "fewer runs than it says";
}

static enum pl_status read_runs(struct pl_slot_reader *reader,
                                const struct pl_stmt *stmt, struct decoded *decoded,
                                struct pl_error *err)
{
    size_t len;
    const void *blob = pl_stmt_column_blob(stmt, RUNS, &len);
    int64_t nruns = pl_stmt_column_int(stmt, NRUNS);
    if (nruns < 0 || (uint64_t)nruns > (uint64_t)len * 2)
        return damaged(reader, stmt, "the number of runs makes no sense", err);
    *decoded = (struct decoded){.cap = (size_t)nruns};
    reader->run_bytes += len;
    if (!reserve_runs(reader, decoded->cap))
        return pl_error_set(err, PL_NOMEM, "out of memory for a part");
    decoded->runs = reader->runs;
    const char *wrong = decode_runs(decoded, blob, len);
    if (!wrong && decoded->samples != (uint64_t)pl_stmt_column_int(stmt, SAMPLES))
        wrong = "not as many samples as it says";
    return wrong ? damaged(reader, stmt, wrong, err) : PL_OK;
}

/* ---- times and weights ---- */

/* Where each tick is, and that there are enough of them. */
static enum pl_status read_times(struct pl_slot_reader *reader,
                                 const struct pl_stmt *stmt, uint64_t tick_count,
                                 struct pl_slot *slot, struct pl_error *err)
{
    const struct pl_part_row *part = reader->part;
    slot->bin = reader->part_bin;
    size_t have = reader->part_bins.count;
    slot->ticks = &reader->part_ticks;
    if (!pl_stmt_column_is_null(stmt, TICKS)) {
        size_t len;
        const void *blob = pl_stmt_column_blob(stmt, TICKS, &len);
        if (!pl_ticks_init(&reader->own_ticks, blob, len, 4, part->origin_ns,
                           part->period_ns, part->unit_ns) ||
            reader->own_ticks.count > INT32_MAX)
            return damaged(reader, stmt, "its times make no sense", err);
        slot->ticks = &reader->own_ticks;
        have = reader->own_ticks.count;
        if (!reader->part_whole) {
            if (!fill_bins(&reader->own_bins, reader->bins, &reader->own_ticks))
                return pl_error_set(err, PL_NOMEM, "out of memory for a part");
            slot->bins = &reader->own_bins;
        }
    } else if (!reader->part_whole) {
        slot->bins = &reader->part_bins;
    }
    return tick_count <= have ? PL_OK
                              : damaged(reader, stmt, "more samples than times", err);
}

static bool reserve_weights(struct pl_slot_reader *reader, size_t count)
{
    if (count <= reader->weight_cap)
        return true;
    int64_t *grown = realloc(reader->weights_ns, count * sizeof *grown);
    if (!grown)
        return false;
    reader->weights_ns = grown;
    reader->weight_cap = count;
    return true;
}

static enum pl_status read_weights(struct pl_slot_reader *reader,
                                   const struct pl_stmt *stmt, struct pl_slot *slot,
                                   struct pl_error *err)
{
    if (pl_stmt_column_is_null(stmt, WEIGHTS) || !slot->run_count)
        return PL_OK;
    struct pl_weights weights;
    size_t len;
    const void *blob = pl_stmt_column_blob(stmt, WEIGHTS, &len);
    if (!pl_weights_init(&weights, blob, len, slot->run_count,
                         pl_stmt_column_int(stmt, UNIT)))
        return damaged(reader, stmt, "its weights make no sense", err);
    if (!reserve_weights(reader, slot->run_count))
        return pl_error_set(err, PL_NOMEM, "out of memory for a part");
    for (size_t i = 0; i < slot->run_count; i++) {
        reader->weights_ns[i] = pl_weights_at(&weights, i);
        if (reader->weights_ns[i] < 0)
            return damaged(reader, stmt, "a negative weight", err);
    }
    slot->weights_ns = reader->weights_ns;
    return PL_OK;
}

/* False: the sums of all slots leave int64_t. */
static bool add_totals(struct pl_slot_reader *reader, const struct pl_slot *slot,
                       uint64_t samples)
{
    int64_t sum = 0, of_run;
    if (!slot->weights_ns && __builtin_mul_overflow(samples, slot->period_ns, &sum))
        return false;
    for (size_t i = 0; slot->weights_ns && i < slot->run_count; i++)
        if (__builtin_mul_overflow((int64_t)slot->runs[i].count, slot->weights_ns[i],
                                   &of_run) ||
            __builtin_add_overflow(sum, of_run, &sum))
            return false;
    /* Without an exact CPU time the weight stands in for it. */
    int64_t cpu_ns = slot->cpu_ns >= 0 ? slot->cpu_ns : sum;
    return !__builtin_add_overflow(reader->total_samples, samples,
                                   &reader->total_samples) &&
           !__builtin_add_overflow(reader->total_ns, sum, &reader->total_ns) &&
           !__builtin_add_overflow(reader->total_cpu_ns, cpu_ns, &reader->total_cpu_ns);
}

enum pl_status pl_slot_read(struct pl_slot_reader *reader, const struct pl_stmt *stmt,
                            struct pl_slot *slot_out, struct pl_error *err)
{
    struct decoded decoded;
    int64_t thread_id = pl_stmt_column_int(stmt, THREAD);
    *slot_out = (struct pl_slot){
        .part_id = reader->part->id,
        .session_id = reader->part->session_id,
        .thread_id = (uint32_t)thread_id,
        .cpu_known = pl_stmt_column_int(stmt, CPU_KNOWN) != 0,
        .cpu_ns = -1,
        .period_ns = reader->part->period_ns,
    };
    if (thread_id <= 0 || thread_id >= UINT32_MAX)
        return damaged(reader, stmt, "no such thread can be", err);
    if (!pl_stmt_column_is_null(stmt, CPU_NS)) {
        slot_out->cpu_ns = pl_stmt_column_int(stmt, CPU_NS);
        if (slot_out->cpu_ns < 0)
            return damaged(reader, stmt, "a negative CPU time", err);
    }
    enum pl_status status = read_runs(reader, stmt, &decoded, err);
    if (status != PL_OK)
        return status;
    slot_out->runs = decoded.runs;
    slot_out->run_count = decoded.count;
    status = read_times(reader, stmt, decoded.ticks, slot_out, err);
    if (status == PL_OK)
        status = read_weights(reader, stmt, slot_out, err);
    if (status == PL_OK && !add_totals(reader, slot_out, decoded.samples))
        status = damaged(reader, stmt,
                         "samples or weights add up to more than 63 bits hold", err);
    return status;
}
