#include "web/node_key.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define BASE       36
#define NAME_LIMIT ((size_t)64 << 20)

/* ---- hashes, in 32 bits as the page has them ---- */

static uint32_t mix(uint32_t hash)
{
    hash = (hash ^ hash >> 16) * 0x85ebca6b;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35;
    return hash ^ hash >> 16;
}

static uint32_t add_unit(uint32_t hash, uint32_t unit)
{
    return (hash ^ unit) * 0x01000193;
}

/* FNV-1a over the text as UTF-16; it is valid UTF-8. */
static uint32_t hash_text(const char *text, uint32_t seed)
{
    uint32_t hash = 0x811c9dc5 ^ seed;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        unsigned more = *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : *s >= 0x80 ? 1 : 0;
        uint32_t point = more ? *s & (0x3fu >> more) : *s;
        for (s++; more; more--)
            point = point << 6 | (*s++ & 0x3f);
        if (point < 0x10000) {
            hash = add_unit(hash, point);
            continue;
        }
        hash = add_unit(hash, 0xd800 + ((point - 0x10000) >> 10));
        hash = add_unit(hash, 0xdc00 + ((point - 0x10000) & 0x3ff));
    }
    return mix(hash);
}

static uint64_t join(uint32_t high, uint32_t low)
{
    return (uint64_t)high << 21 | low >> 11;
}

/* ---- text ---- */

void pl_node_key_format(uint64_t key, char text[PL_NODE_KEY_TEXT])
{
    char digits[PL_NODE_KEY_TEXT];
    size_t count = 0;
    do
        digits[count++] = "0123456789abcdefghijklmnopqrstuvwxyz"[key % BASE];
    while (key /= BASE);
    for (size_t i = 0; i < count; i++)
        text[i] = digits[count - 1 - i];
    text[count] = '\0';
}

uint32_t pl_node_find(const uint64_t *keys, size_t count, const char *text)
{
    char *end = NULL;
    if (!*text)
        return 0;
    uint64_t wanted = strtoull(text, &end, BASE);
    for (size_t i = 1; !*end && i < count; i++)
        if (keys[i] == wanted)
            return (uint32_t)i;
    return PL_NO_INDEX;
}

/* ---- keys ---- */

struct halves {
    uint32_t high, low;
};

static struct halves hash_function(const struct pl_function *function,
                                   struct pl_buf *text)
{
    char key[PL_NODE_KEY_TEXT];
    text->len = 0;
    pl_buf_utf8(text, function->name);
    pl_buf_putc(text, '\n');
    pl_buf_utf8(text, function->module);
    pl_buf_putc(text, '\n');
    pl_buf_utf8(text, function->file);
    if (text->failed)
        return (struct halves){0};
    pl_node_key_format(join(hash_text(text->data, 3), hash_text(text->data, 5)), key);
    return (struct halves){hash_text(key, 11), hash_text(key, 13)};
}

static bool hash_functions(const struct pl_profile *profile, struct halves *hashes)
{
    struct pl_buf text;
    pl_buf_init(&text, NAME_LIMIT);
    for (size_t i = 0; i < profile->function_count; i++)
        hashes[i] = hash_function(&profile->functions[i], &text);
    bool ok = !text.failed;
    pl_buf_deinit(&text);
    return ok;
}

enum pl_status pl_node_keys(const struct pl_profile *profile, uint64_t **keys_out,
                            struct pl_error *err)
{
    enum pl_status status = PL_OK;
    size_t count = profile->node_count;
    uint64_t *keys = calloc(count + 1, sizeof *keys);
    struct halves *paths = calloc(count + 1, sizeof *paths);
    struct halves *functions = calloc(profile->function_count + 1, sizeof *functions);
    *keys_out = NULL;
    if (!keys || !paths || !functions || !hash_functions(profile, functions)) {
        status = pl_error_set(err, PL_NOMEM, "out of memory naming the call tree");
        goto out;
    }
    for (size_t i = 1; i < count; i++) {
        const struct pl_node *node = &profile->nodes[i];
        if (node->parent >= i || node->function >= profile->function_count) {
            status = pl_error_set(err, PL_INPUT, "the aggregated profile is damaged");
            goto out;
        }
        struct halves above = paths[node->parent], own = functions[node->function];
        paths[i].high = mix(above.high ^ own.high);
        paths[i].low = mix(above.low * 0x9e3779b1 ^ own.low);
        keys[i] = join(paths[i].high, paths[i].low);
    }
    *keys_out = keys;
    keys = NULL;
out:
    free(keys);
    free(paths);
    free(functions);
    return status;
}
