/* What proflite says, for test_maps.js to compare.
 *
 *   map_host GENERATED MAP   of every position of a file, one line each
 *   map_host MAP < PLACES    of functions: lines of line, column and minified name */
#include "process/source_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path, size_t *len_out)
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc((size_t)64 << 20);
    if (!file || !bytes)
        exit(2);
    *len_out = fread(bytes, 1, (size_t)64 << 20, file);
    fclose(file);
    return bytes;
}

static void print_position(const struct pl_source_map *map, uint32_t line,
                           uint32_t column)
{
    struct pl_source_position at;
    if (!pl_source_map_find(map, line, column, &at) || !at.source)
        puts("-");
    else
        printf("%s\t%u\t%u\t%s\n", at.source, at.line + 1, at.column,
               at.name ? at.name : "-");
}

/* Columns count UTF-16 units, as JavaScript's do: that is one for each byte that begins
 * a character, and one more for those of four bytes. */
static void print_positions(const struct pl_source_map *map, const char *code,
                            size_t len)
{
    uint32_t line = 0, column = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)code[i];
        if ((c & 0xc0) == 0x80)
            continue;
        print_position(map, line, column++);
        if (c >= 0xf0)
            print_position(map, line, column++);
        if (c == '\n') {
            line++;
            column = 0;
        }
    }
    for (uint32_t past = 0; past < 3; past++)
        print_position(map, line + past, column + 1000);
}

static void print_functions(const struct pl_source_map *map)
{
    uint32_t line, column;
    char name[256];
    while (scanf("%u %u %255[^\n]", &line, &column, name) == 3) {
        const char *found = pl_source_map_function(map, line, column, name);
        puts(found ? found : "-");
    }
}

int main(int argc, char **argv)
{
    struct pl_source_map *map;
    struct pl_error err;
    size_t code_len = 0, map_len;
    if (argc < 2)
        return 2;
    char *json = read_file(argv[argc - 1], &map_len);
    char *code = argc > 2 ? read_file(argv[1], &code_len) : NULL;
    if (pl_source_map_open(json, map_len, &map, &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    if (code)
        print_positions(map, code, code_len);
    else
        print_functions(map);
    pl_source_map_close(map);
    free(code);
    free(json);
    return 0;
}
