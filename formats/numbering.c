#include "formats/numbering.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define ONE_TEXT ((size_t)1 << 20) /* bytes */

static size_t slot_of(const struct pl_numbering *in, const struct pl_key *key)
{
    size_t at = (size_t)pl_hash_bytes(key, sizeof *key) & (in->slot_count - 1);
    while (in->slots[at] && memcmp(&in->keys[in->slots[at] - 1], key, sizeof *key) != 0)
        at = (at + 1) & (in->slot_count - 1);
    return at;
}

static bool grow_slots(struct pl_numbering *in, struct pl_budget *budget)
{
    if (in->count * 2 < in->slot_count)
        return true;
    size_t size = in->slot_count ? in->slot_count * 2 : 256;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (!slots) {
        budget->exceeded = true;
        return false;
    }
    free(in->slots);
    in->slots = slots;
    in->slot_count = size;
    for (size_t i = 0; i < in->count; i++)
        slots[slot_of(in, &in->keys[i])] = (uint32_t)i + 1;
    return true;
}

uint32_t pl_number(struct pl_numbering *in, struct pl_budget *budget, struct pl_key key)
{
    void *keys = in->keys;
    if (!grow_slots(in, budget))
        return 0;
    size_t at = slot_of(in, &key);
    if (in->slots[at])
        return in->slots[at];
    if (!pl_budget_grow(budget, &keys, in->count, &in->cap, sizeof *in->keys))
        return 0;
    in->keys = keys;
    in->keys[in->count++] = key;
    return in->slots[at] = (uint32_t)in->count;
}

void pl_numbering_deinit(struct pl_numbering *in)
{
    free(in->keys);
    free(in->slots);
    *in = (struct pl_numbering){0};
}

void pl_texts_init(struct pl_texts *texts, struct pl_budget *budget)
{
    *texts = (struct pl_texts){.budget = budget};
    pl_strings_init(&texts->strings, budget);
    pl_buf_init(&texts->scratch, ONE_TEXT);
}

void pl_texts_deinit(struct pl_texts *texts)
{
    pl_strings_deinit(&texts->strings);
    pl_numbering_deinit(&texts->offsets);
    pl_buf_deinit(&texts->scratch);
}

uint32_t pl_texts_add(struct pl_texts *texts, const char *text)
{
    struct pl_buf *clean = &texts->scratch;
    pl_buf_clear(clean);
    pl_buf_utf8(clean, text ? text : "");
    if (clean->failed)
        texts->budget->exceeded = true;
    if (clean->failed || !clean->len)
        return 0;
    uint32_t offset = pl_strings_add(&texts->strings, clean->data, clean->len);
    return pl_number(&texts->offsets, texts->budget, (struct pl_key){{offset}});
}

size_t pl_texts_count(const struct pl_texts *texts)
{
    return texts->offsets.count + 1;
}

char *pl_texts_get(const struct pl_texts *texts, size_t number)
{
    static char empty[1];
    return number ? texts->strings.bytes + texts->offsets.keys[number - 1].part[0]
                  : empty;
}
