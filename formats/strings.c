#include "formats/strings.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define LARGE ((size_t)1 << 20) /* then what is not used yet counts, too */

static bool charge(struct pl_budget *budget, size_t bytes)
{
    if (budget->exceeded || bytes > budget->limit - budget->used) {
        budget->exceeded = true;
        return false;
    }
    budget->used += bytes;
    return true;
}

bool pl_budget_grow(struct pl_budget *budget, void **array, size_t count, size_t *cap,
                    size_t size)
{
    if (count < *cap)
        return !budget->exceeded;
    size_t more = *cap * size > LARGE ? *cap / 8 : *cap ? *cap / 2 + 1 : 64;
    if (!charge(budget, more * size))
        return false;
    void *grown = realloc(*array, (*cap + more) * size);
    if (!grown) {
        budget->exceeded = true;
        return false;
    }
    *array = grown;
    *cap += more;
    return true;
}

void pl_strings_init(struct pl_strings *strings, struct pl_budget *budget)
{
    *strings = (struct pl_strings){.budget = budget};
}

void pl_strings_deinit(struct pl_strings *strings)
{
    free(strings->bytes);
    free(strings->table);
    *strings = (struct pl_strings){0};
}

static bool reserve_bytes(struct pl_strings *s, size_t len)
{
    if (s->len + len <= s->cap)
        return true;
    size_t cap = s->cap ? s->cap : 4096;
    while (cap < s->len + len)
        cap += cap / 2;
    if (cap > UINT32_MAX / 2 || !charge(s->budget, cap - s->cap))
        return false;
    char *bytes = realloc(s->bytes, cap);
    if (!bytes) {
        s->budget->exceeded = true;
        return false;
    }
    s->bytes = bytes;
    s->cap = cap;
    return true;
}

static size_t slot_of(const struct pl_strings *s, const char *text, size_t len)
{
    size_t at = (size_t)pl_hash_bytes(text, len) & (s->table_size - 1);
    for (; s->table[at]; at = (at + 1) & (s->table_size - 1)) {
        const char *known = s->bytes + s->table[at] - 1;
        if (strncmp(known, text, len) == 0 && !known[len])
            break;
    }
    return at;
}

static bool grow_table(struct pl_strings *s)
{
    size_t old_size = s->table_size;
    uint32_t *old = s->table;
    if (s->count * 2 < old_size)
        return true;
    size_t size = old_size ? old_size * 2 : 1024;
    if (!charge(s->budget, (size - old_size) * sizeof *old))
        return false;
    s->table = calloc(size, sizeof *s->table);
    if (!s->table) {
        s->table = old;
        s->budget->exceeded = true;
        return false;
    }
    s->table_size = size;
    for (size_t i = 0; i < old_size; i++)
        if (old[i]) {
            const char *text = s->bytes + old[i] - 1;
            s->table[slot_of(s, text, strlen(text))] = old[i];
        }
    free(old);
    return true;
}

uint32_t pl_strings_add(struct pl_strings *s, const char *text, size_t len)
{
    const char *nul = len ? memchr(text, '\0', len) : NULL;
    if (nul)
        len = (size_t)(nul - text);
    if (!s->len) { /* "" at offset 0 */
        if (!reserve_bytes(s, 1))
            return 0;
        s->bytes[s->len++] = '\0';
    }
    if (!len || !grow_table(s))
        return 0;
    size_t at = slot_of(s, text, len);
    if (s->table[at])
        return s->table[at] - 1;
    if (!reserve_bytes(s, len + 1))
        return 0;
    uint32_t offset = (uint32_t)s->len;
    memcpy(s->bytes + offset, text, len);
    s->bytes[offset + len] = '\0';
    s->len += len + 1;
    s->table[at] = offset + 1;
    s->count++;
    return offset;
}

const char *pl_strings_get(const struct pl_strings *s, uint32_t at)
{
    return at < s->len ? s->bytes + at : "";
}
