#include "collector/drain_labels.h"

#include "base/hash.h"
#include "collector/grow.h"
#include "collector/segment.h"

#define MAX_BLOBS (1u << 24)
#define MAX_TEXT  ((size_t)64 << 20)
#define NO_BLOB   UINT32_MAX

/* ---- byte strings ---- */

static void free_blobs(struct pl_blobs *blobs)
{
    free(blobs->list);
    free(blobs->index);
    free(blobs->text);
    *blobs = (struct pl_blobs){.list = NULL};
}

static size_t bytes_of(const struct pl_blobs *blobs)
{
    return blobs->capacity * sizeof *blobs->list + blobs->slots * sizeof *blobs->index +
           blobs->text_capacity;
}

/* At most half full. */
static bool make_room(struct pl_blobs *blobs)
{
    if (2 * (blobs->count + 1) <= blobs->slots)
        return true;
    size_t wanted = blobs->slots ? 2 * blobs->slots : 64;
    uint32_t *grown = calloc(wanted, sizeof *grown);
    if (!grown)
        return false;
    for (size_t i = 0; i < blobs->count; i++) {
        size_t at = (size_t)blobs->list[i].hash & (wanted - 1);
        while (grown[at])
            at = (at + 1) & (wanted - 1);
        grown[at] = (uint32_t)i + 1;
    }
    free(blobs->index);
    blobs->index = grown;
    blobs->slots = wanted;
    return true;
}

static uint32_t add_blob(struct pl_blobs *blobs, const void *bytes, size_t count)
{
    uint64_t hash = pl_hash_bytes(bytes, count);
    if (!make_room(blobs))
        return NO_BLOB;
    size_t at = (size_t)hash & (blobs->slots - 1);
    for (; blobs->index[at]; at = (at + 1) & (blobs->slots - 1)) {
        const struct pl_blob *other = &blobs->list[blobs->index[at] - 1];
        if (other->hash == hash && other->bytes == count &&
            memcmp(blobs->text + other->first, bytes, count) == 0)
            return blobs->index[at] - 1;
    }
    if (!pl_grow(&blobs->list, &blobs->capacity, blobs->count + 1, sizeof *blobs->list,
                 MAX_BLOBS) ||
        !pl_grow(&blobs->text, &blobs->text_capacity, blobs->text_bytes + count, 1,
                 MAX_TEXT))
        return NO_BLOB;
    memcpy(blobs->text + blobs->text_bytes, bytes, count);
    blobs->list[blobs->count] =
        (struct pl_blob){hash, blobs->text_bytes, (uint32_t)count};
    blobs->text_bytes += count;
    blobs->index[at] = (uint32_t)++blobs->count;
    return blobs->index[at] - 1;
}

/* ---- sets ---- */

void pl_label_sets_deinit(struct pl_label_sets *sets)
{
    free_blobs(&sets->pairs);
    free_blobs(&sets->sets);
}

size_t pl_label_sets_bytes(const struct pl_label_sets *sets)
{
    return bytes_of(&sets->pairs) + bytes_of(&sets->sets);
}

/* Sorted in, unless it is there: spans of one name count once. */
static size_t insert(uint32_t *ids, size_t count, uint32_t id)
{
    size_t at = count;
    while (at && ids[at - 1] > id)
        at--;
    if (at && ids[at - 1] == id)
        return count;
    memmove(ids + at + 1, ids + at, (count - at) * sizeof *ids);
    ids[at] = id;
    return count + 1;
}

static uint32_t add_set(struct pl_label_sets *sets, const uint32_t *ids, size_t count)
{
    uint32_t set = count ? add_blob(&sets->sets, ids, count * sizeof *ids) : NO_BLOB;
    return set == NO_BLOB ? 0 : set + 1;
}

uint32_t pl_label_sets_add(struct pl_label_sets *sets, const char *text, size_t bytes)
{
    uint32_t ids[PL_LABEL_SET_PAIRS];
    size_t count = 0;
    while (bytes && count < PL_LABEL_SET_PAIRS) {
        size_t key = strnlen(text, bytes);
        size_t value = key < bytes ? strnlen(text + key + 1, bytes - key - 1) : 0;
        size_t whole = key + 1 + value + 1;
        if (!key || whole > bytes)
            return 0;
        uint32_t pair = add_blob(&sets->pairs, text, whole);
        if (pair != NO_BLOB)
            count = insert(ids, count, pair);
        text += whole;
        bytes -= whole;
    }
    return add_set(sets, ids, count);
}

bool pl_label_sets_put_pair(struct pl_label_sets *sets, const char *text, size_t bytes,
                            uint32_t *id_out)
{
    size_t key = strnlen(text, bytes);
    if (!key || key + 1 >= bytes ||
        key + 1 + strnlen(text + key + 1, bytes - key - 1) + 1 != bytes)
        return false;
    *id_out = add_blob(&sets->pairs, text, bytes);
    return *id_out != NO_BLOB;
}

bool pl_label_sets_put_set(struct pl_label_sets *sets, const uint32_t *pairs,
                           size_t count, uint32_t *id_out)
{
    uint32_t ids[PL_LABEL_SET_PAIRS];
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (pairs[i] >= sets->pairs.count || kept == PL_LABEL_SET_PAIRS)
            return false;
        kept = insert(ids, kept, pairs[i]);
    }
    *id_out = add_set(sets, ids, kept);
    return *id_out != 0;
}

uint32_t pl_label_sets_move(struct pl_label_sets *to, const struct pl_label_sets *from,
                            uint32_t set)
{
    const uint32_t *pairs;
    uint32_t ids[PL_LABEL_SET_PAIRS];
    size_t count = 0, all = pl_label_set_pairs(from, set, &pairs);
    for (size_t i = 0; i < all; i++) {
        const struct pl_blob *blob = &from->pairs.list[pairs[i]];
        uint32_t pair =
            add_blob(&to->pairs, from->pairs.text + blob->first, blob->bytes);
        if (pair != NO_BLOB)
            count = insert(ids, count, pair);
    }
    return add_set(to, ids, count);
}

size_t pl_label_set_pairs(const struct pl_label_sets *sets, uint32_t set,
                          const uint32_t **pairs_out)
{
    *pairs_out = NULL;
    if (!set || set > sets->sets.count)
        return 0;
    const struct pl_blob *blob = &sets->sets.list[set - 1];
    *pairs_out = (const uint32_t *)(const void *)(sets->sets.text + blob->first);
    return blob->bytes / sizeof **pairs_out;
}

void pl_label_pair(const struct pl_label_sets *sets, uint32_t pair,
                   const char **key_out, const char **value_out)
{
    const struct pl_blob *blob = &sets->pairs.list[pair];
    *key_out = (const char *)sets->pairs.text + blob->first;
    *value_out = *key_out + strlen(*key_out) + 1;
}
