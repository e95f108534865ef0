/* One slot's runs -> pieces: cut at the borders of bins, CPU time spread. */
#include "store/query_select.h"

#include <stdlib.h>

__extension__ typedef unsigned __int128 wide;

struct spread {
    bool marked;   /* only runs not marked off_cpu take part */
    bool by_count; /* units are samples, else ns of weight */
    bool known;    /* cpu_ns is to be spread; else a sample's weight counts */
    uint64_t cpu_ns;
    uint64_t total;  /* units of all samples that take part; > 0 if known */
    uint64_t so_far; /* units before the current piece */
    int64_t given;   /* CPU handed out so far */
};

static bool takes_part(const struct spread *spread, const struct pl_slot_run *run)
{
    return run->stack && !(spread->marked && run->off_cpu);
}

static uint64_t count_units(const struct pl_slot *slot, const struct spread *spread)
{
    uint64_t units = 0;
    for (size_t i = 0; i < slot->run_count; i++) {
        uint64_t each = spread->by_count ? 1 : (uint64_t)slot->weights_ns[i];
        if (takes_part(spread, &slot->runs[i]))
            units += slot->runs[i].count * each;
    }
    return units;
}

static struct spread plan_spread(const struct pl_slot *slot)
{
    struct spread spread = {.marked = slot->cpu_known,
                            .by_count = !slot->weights_ns,
                            .known = slot->cpu_ns >= 0};
    if (!spread.known)
        return spread;
    spread.cpu_ns = (uint64_t)slot->cpu_ns;
    spread.total = count_units(slot, &spread);
    if (!spread.total && spread.marked && spread.cpu_ns) {
        spread.marked = false;
        spread.total = count_units(slot, &spread);
    }
    if (!spread.total) { /* samples that weigh nothing, or none */
        spread.by_count = true;
        spread.total = count_units(slot, &spread);
    }
    return spread;
}

static int64_t share(struct spread *spread, uint64_t units)
{
    uint64_t product;
    int64_t up_to;
    spread->so_far += units;
    if (!__builtin_mul_overflow(spread->cpu_ns, spread->so_far, &product))
        up_to = (int64_t)(product / spread->total);
    else
        up_to = (int64_t)((wide)spread->cpu_ns * spread->so_far / spread->total);
    int64_t part = up_to - spread->given;
    spread->given = up_to;
    return part;
}

static bool push(struct pl_pieces *pieces, struct pl_piece piece)
{
    if (pieces->count == pieces->cap) {
        size_t cap = pieces->cap ? pieces->cap * 2 : 4096;
        struct pl_piece *grown = realloc(pieces->list, cap * sizeof *grown);
        if (!grown)
            return false;
        pieces->list = grown;
        pieces->cap = cap;
    }
    pieces->list[pieces->count++] = piece;
    return true;
}

bool pl_slot_pieces(const struct pl_slot *slot, struct pl_pieces *pieces)
{
    struct spread spread = plan_spread(slot);
    uint32_t tick = 0;
    pieces->count = 0;
    for (size_t i = 0; i < slot->run_count; i++) {
        const struct pl_slot_run *run = &slot->runs[i];
        int64_t weight = slot->weights_ns ? slot->weights_ns[i] : slot->period_ns;
        uint64_t unit = spread.by_count ? 1 : (uint64_t)weight;
        bool on_cpu = takes_part(&spread, run);
        uint32_t end = tick + run->count;
        if (!run->stack)
            tick = end;
        while (tick < end) {
            uint32_t bin = slot->bin, cut = end;
            if (slot->bins) {
                bin = slot->bins->bin[tick];
                cut = slot->bins->next[tick] < end ? slot->bins->next[tick] : end;
            }
            struct pl_piece piece = {run->stack, bin, cut - tick, on_cpu, 0, 0};
            piece.wall_ns = weight * piece.samples;
            if (on_cpu)
                piece.cpu_ns =
                    spread.known ? share(&spread, piece.samples * unit) : piece.wall_ns;
            if (bin != PL_BIN_NONE && !push(pieces, piece))
                return false;
            tick = cut;
        }
    }
    return true;
}
