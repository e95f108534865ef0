#include "collector/drain_stacks.h"

#include "base/hash.h"
#include "collector/grow.h"
#include "collector/segment.h"

#define MAX_ITEMS (64u << 20)

void pl_stacks_deinit(struct pl_stacks *s)
{
    free(s->frames);
    free(s->frame_index);
    free(s->stacks);
    free(s->stack_index);
    free(s->words);
    free(s->cache);
    *s = (struct pl_stacks){.frames = NULL};
}

size_t pl_stacks_bytes(const struct pl_stacks *s)
{
    return s->frame_capacity * sizeof *s->frames +
           s->stack_capacity * sizeof *s->stacks +
           (s->word_capacity + s->frame_slots + s->stack_slots) * sizeof *s->words;
}

void pl_stacks_forget_addresses(struct pl_stacks *s)
{
    if (s->cache)
        memset(s->cache, 0, PL_STACK_CACHE * sizeof *s->cache);
}

/* A power of two of slots, at most half full: grow `index` by hashing all again. */
static bool make_room(uint32_t **index, size_t *slots, size_t count,
                      uint64_t (*hash_of)(const struct pl_stacks *, size_t),
                      const struct pl_stacks *s)
{
    if (2 * (count + 1) <= *slots)
        return true;
    size_t wanted = *slots ? 2 * *slots : 1024;
    uint32_t *grown = calloc(wanted, sizeof *grown);
    if (!grown)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)hash_of(s, i) & (wanted - 1);
        while (grown[at])
            at = (at + 1) & (wanted - 1);
        grown[at] = (uint32_t)i + 1;
    }
    free(*index);
    *index = grown;
    *slots = wanted;
    return true;
}

static uint64_t hash_frame(const struct pl_stack_frame *f)
{
    uint64_t hash = pl_hash_mix(UINT64_C(0x51ed270b), f->address);
    hash = pl_hash_mix(hash, f->module);
    return pl_hash_mix(hash, (uint64_t)f->exact | (uint64_t)f->pseudo << 1);
}

static uint64_t hash_frame_at(const struct pl_stacks *s, size_t i)
{
    return hash_frame(&s->frames[i]);
}

static uint64_t hash_stack_at(const struct pl_stacks *s, size_t i)
{
    return s->stacks[i].hash;
}

static bool same_frame(const struct pl_stack_frame *a, const struct pl_stack_frame *b)
{
    return a->address == b->address && a->module == b->module && a->exact == b->exact &&
           a->pseudo == b->pseudo;
}

static uint32_t add_frame(struct pl_stacks *s, const struct pl_stack_frame *frame)
{
    if (!make_room(&s->frame_index, &s->frame_slots, s->frame_count, hash_frame_at,
                   s) ||
        !pl_grow(&s->frames, &s->frame_capacity, s->frame_count + 1, sizeof *s->frames,
                 MAX_ITEMS))
        return UINT32_MAX;
    size_t at = (size_t)hash_frame(frame) & (s->frame_slots - 1);
    for (; s->frame_index[at]; at = (at + 1) & (s->frame_slots - 1))
        if (same_frame(&s->frames[s->frame_index[at] - 1], frame))
            return s->frame_index[at] - 1;
    s->frames[s->frame_count] = *frame;
    s->frame_index[at] = (uint32_t)++s->frame_count;
    return s->frame_index[at] - 1;
}

static uint32_t frame_of(struct pl_stacks *s, const struct pl_drain_modules *modules,
                         int64_t mono_ns, uint64_t pc)
{
    if (!s->cache) {
        s->cache = calloc(PL_STACK_CACHE, sizeof *s->cache);
        if (!s->cache)
            return UINT32_MAX;
    }
    struct pl_stack_cache_entry *entry =
        &s->cache[pl_hash_mix(0, pc) >> 16 & (PL_STACK_CACHE - 1)];
    if (pc && entry->pc == pc)
        return entry->frame;
    if (pc == PL_PC_GUESSED) {
        struct pl_stack_frame guessed = {.module = PL_NO_MODULE,
                                         .pseudo = PL_PSEUDO_GUESSED};
        return add_frame(s, &guessed);
    }
    bool exact = pc & PL_PC_EXACT;
    uint64_t address = pc & ~PL_PC_EXACT;
    uint32_t module =
        pl_drain_modules_find(modules, exact ? address : address - 1, mono_ns);
    struct pl_stack_frame frame = {
        .address =
            module == PL_NO_MODULE ? address : address - modules->list[module].bias,
        .mono_ns = mono_ns,
        .module = module,
        .exact = exact,
    };
    uint32_t id = add_frame(s, &frame);
    if (id != UINT32_MAX)
        *entry = (struct pl_stack_cache_entry){pc, id};
    return id;
}

/* The last `count` words become a stack, or go if there is one like it. */
static uint32_t finish_stack(struct pl_stacks *s, size_t first)
{
    size_t count = s->word_count - first;
    uint64_t hash = pl_hash_bytes(s->words + first, count * sizeof *s->words);
    if (!make_room(&s->stack_index, &s->stack_slots, s->stack_count, hash_stack_at,
                   s) ||
        !pl_grow(&s->stacks, &s->stack_capacity, s->stack_count + 1, sizeof *s->stacks,
                 MAX_ITEMS)) {
        s->word_count = first;
        return PL_NO_STACK;
    }
    size_t at = (size_t)hash & (s->stack_slots - 1);
    for (; s->stack_index[at]; at = (at + 1) & (s->stack_slots - 1)) {
        const struct pl_stack *other = &s->stacks[s->stack_index[at] - 1];
        if (other->hash == hash && other->frame_count == count &&
            memcmp(s->words + other->first, s->words + first,
                   count * sizeof *s->words) == 0) {
            s->word_count = first;
            return s->stack_index[at] - 1;
        }
    }
    s->stacks[s->stack_count] = (struct pl_stack){hash, first, (uint32_t)count};
    s->stack_index[at] = (uint32_t)++s->stack_count;
    return s->stack_index[at] - 1;
}

uint32_t pl_stacks_add(struct pl_stacks *s, const struct pl_drain_modules *modules,
                       int64_t mono_ns, const uint64_t *pcs, size_t pc_count,
                       enum pl_pseudo_frame root)
{
    size_t first = s->word_count;
    if (!pl_grow(&s->words, &s->word_capacity, first + pc_count + 1, sizeof *s->words,
                 MAX_ITEMS))
        return PL_NO_STACK;
    if (root != PL_PSEUDO_NONE) {
        struct pl_stack_frame frame = {.module = PL_NO_MODULE, .pseudo = (uint8_t)root};
        s->words[s->word_count++] = add_frame(s, &frame);
    }
    for (size_t i = pc_count; i-- > 0;)
        s->words[s->word_count++] = frame_of(s, modules, mono_ns, pcs[i]);
    for (size_t i = first; i < s->word_count; i++) {
        if (s->words[i] == UINT32_MAX) {
            s->word_count = first;
            return PL_NO_STACK;
        }
    }
    return finish_stack(s, first);
}

uint32_t pl_stacks_put_frame(struct pl_stacks *s, const struct pl_stack_frame *frame)
{
    return add_frame(s, frame);
}

uint32_t pl_stacks_put(struct pl_stacks *s, const uint32_t *frames, size_t count)
{
    size_t first = s->word_count;
    if (!pl_grow(&s->words, &s->word_capacity, first + count + 1, sizeof *s->words,
                 MAX_ITEMS))
        return PL_NO_STACK;
    for (size_t i = 0; i < count; i++)
        s->words[s->word_count++] = frames[i];
    return finish_stack(s, first);
}

uint32_t pl_stacks_move(struct pl_stacks *to, const struct pl_stacks *from, uint32_t id)
{
    if (id >= from->stack_count)
        return PL_NO_STACK;
    const struct pl_stack *stack = &from->stacks[id];
    size_t first = to->word_count;
    if (!pl_grow(&to->words, &to->word_capacity, first + stack->frame_count,
                 sizeof *to->words, MAX_ITEMS))
        return PL_NO_STACK;
    for (uint32_t i = 0; i < stack->frame_count; i++) {
        uint32_t frame = add_frame(to, &from->frames[from->words[stack->first + i]]);
        if (frame == UINT32_MAX) {
            to->word_count = first;
            return PL_NO_STACK;
        }
        to->words[to->word_count++] = frame;
    }
    return finish_stack(to, first);
}
