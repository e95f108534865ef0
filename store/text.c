#include "store/text.h"

#include <stdlib.h>
#include <string.h>

struct pl_text_block {
    struct pl_text_block *next;
    char text[];
};

/* Length of the valid UTF-8 sequence at `s`, 0 if there is none. */
static size_t sequence(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80) /* stops at the NUL too */
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool outside = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return overlong || outside ? 0 : len;
}

static bool is_clean(const char *text, size_t limit)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t at = 0;
    while (s[at]) {
        size_t len = sequence(s + at);
        at += len;
        if (!len || at > limit)
            return false;
    }
    return true;
}

static const char bad[] = "\xef\xbf\xbd", more[] = "\xe2\x80\xa6";

const char *pl_text_clean(struct pl_text_pool *pool, const char *text, size_t limit)
{
    if (!text || is_clean(text, limit))
        return text;
    struct pl_text_block *block = malloc(sizeof *block + limit + 1);
    if (!block) {
        pool->failed = true;
        return "";
    }
    block->next = pool->blocks;
    pool->blocks = block;
    const unsigned char *s = (const unsigned char *)text;
    size_t at = 0, cut = 0;
    while (*s) {
        size_t len = sequence(s);
        const void *from = len ? (const void *)s : bad;
        size_t size = len ? len : 3;
        if (at + size > limit) {
            memcpy(block->text + cut, more, 3);
            at = cut + 3;
            break;
        }
        memcpy(block->text + at, from, size);
        at += size;
        s += len ? len : 1;
        if (at + 3 <= limit)
            cut = at;
    }
    block->text[at] = '\0';
    return block->text;
}

void pl_text_pool_deinit(struct pl_text_pool *pool)
{
    while (pool->blocks) {
        struct pl_text_block *next = pool->blocks->next;
        free(pool->blocks);
        pool->blocks = next;
    }
    pool->failed = false;
}
