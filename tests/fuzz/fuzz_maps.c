/* Fuzz target of the files that name JavaScript and Android code: source maps and
 * mappings of ProGuard, read and asked as the symbol worker does.
 *
 * With clang's libFuzzer: fuzz_maps -max_total_time=60 CORPUS. Built with -DSTANDALONE
 * it runs the files it is given, and mutants of them: that is what ctest does. A file
 * that begins with "{" or ")" is a source map. */
#include "process/proguard.h"
#include "process/source_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ask_map(const struct pl_source_map *map)
{
    static const char *const names[] = {"", "n", "Cart.total", "get size",
                                        "<anonymous>"};
    struct pl_source_position at;
    size_t bytes = strlen(pl_source_map_debug_id(map));
    for (uint32_t line = 0; line < 6; line++)
        for (uint32_t column = 0; column < 200; column += 1 + column / 20) {
            if (pl_source_map_find(map, line, column, &at))
                bytes +=
                    strlen(at.source ? at.source : "") + strlen(at.name ? at.name : "");
            const char *name =
                pl_source_map_function(map, line, column, names[column % 5]);
            bytes += name ? strlen(name) : 0;
        }
    if (pl_source_map_find(map, UINT32_MAX, UINT32_MAX, &at) || bytes == SIZE_MAX)
        abort();
}

static void ask_mapping(struct pl_proguard *mapping)
{
    static const char *const classes[] = {"a.b", "a.c", "", "x"};
    static const char *const methods[] = {"c", "d", "f", "i", "<init>", ""};
    static const char *const signatures[] = {"", "([I)I", "()Z", "(La/c;[La/b;)V",
                                             "(L"};
    struct pl_proguard_rows rows;
    for (int i = 0; i < 4 * 6 * 5; i++)
        for (uint32_t line = 0; line < 12; line += 3) {
            const struct pl_proguard_method method = {
                classes[i % 4], methods[i / 4 % 6], signatures[i / 24], line};
            enum pl_proguard_match match = pl_proguard_find(mapping, &method, &rows);
            if (match == PL_PROGUARD_METHOD && !rows.count)
                abort();
            for (size_t r = 0; r < rows.count; r++)
                if (strlen(rows.rows[r].class_name) + strlen(rows.rows[r].name) +
                        strlen(rows.rows[r].file) ==
                    SIZE_MAX)
                    abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct pl_source_map *map = NULL;
    struct pl_proguard *mapping = NULL;
    char *text = malloc(len ? len : 1); /* so that its end is seen to be kept to */
    if (!text)
        return 0;
    if (len)
        memcpy(text, bytes, len);
    bool is_map = len && (*text == '{' || *text == ')');
    if (is_map && pl_source_map_open(text, len, &map, NULL) == PL_OK)
        ask_map(map);
    if (!is_map && pl_proguard_open(text, len, &mapping, NULL) == PL_OK)
        ask_mapping(mapping);
    pl_source_map_close(map);
    pl_proguard_close(mapping);
    free(text);
    return 0;
}

#ifdef STANDALONE

#define FILE_MOST ((size_t)64 << 10)
#define MUTANTS   3000 /* of each file */

static uint32_t seed = 1;

static uint32_t chance(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* A few bytes changed, taken out or repeated. */
static size_t mutate(uint8_t *bytes, size_t len)
{
    static const char words[] = "0123456789AZaz+/;,:-><(){}[]\"\\# \n";
    for (uint32_t i = 1 + chance(6); i-- && len > 2;) {
        size_t at = chance((uint32_t)len), count = 1 + chance(40);
        uint32_t what = chance(8);
        count = at + count > len ? len - at : count;
        if (what == 0)
            len = at;
        else if (what == 1 && len + count <= FILE_MOST) {
            memmove(bytes + at + count, bytes + at, len - at);
            len += count;
        } else if (what == 2) {
            memmove(bytes + at, bytes + at + count, len - at - count);
            len -= count;
        } else {
            bytes[at] = (uint8_t)words[chance(sizeof words - 1)];
        }
    }
    return len;
}

int main(int argc, char **argv)
{
    static uint8_t original[FILE_MOST], bytes[FILE_MOST];
    size_t runs = 0;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        size_t len = file ? fread(original, 1, FILE_MOST, file) : 0;
        if (file)
            (void)fclose(file);
        for (uint32_t mutant = 0; len && mutant < MUTANTS; mutant++, runs++) {
            memcpy(bytes, original, len);
            (void)LLVMFuzzerTestOneInput(bytes, mutant ? mutate(bytes, len) : len);
        }
    }
    printf("%zu inputs\n", runs);
    return runs ? 0 : 1;
}

#endif
