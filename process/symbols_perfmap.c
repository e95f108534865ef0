/* perf maps: the text file /tmp/perf-PID.map in which a JIT names the code it
 * made, one "START SIZE name" a line, numbers in hex. Addresses are absolute. A
 * later line wins over an earlier one for the same bytes (code gets re-used). */
#include "process/symbols.h"

#include "process/demangle.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_BYTES ((size_t)256 << 20)

struct entry {
    uint64_t lo, hi;
    size_t order; /* line number */
    const char *name;
};

struct pl_perfmap {
    char *text; /* names point into it */
    struct entry *rows;
    size_t count, cap;
};

bool pl_perfmap_is(const char *path)
{
    static const char prefix[] = "/tmp/perf-";
    if (strncmp(path, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *digits = path + sizeof prefix - 1;
    size_t len = strspn(digits, "0123456789");
    return len > 0 && strcmp(digits + len, ".map") == 0;
}

static char *read_all(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
        (uint64_t)st.st_size > MAX_FILE_BYTES)
        return NULL;
    size_t size = (size_t)st.st_size, used = 0;
    char *text = malloc(size + 1);
    while (text && used < size) {
        ssize_t got = pread(fd, text + used, size - used, (off_t)used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    if (text)
        text[used] = '\0';
    return text;
}

static bool parse_line(char *line, struct entry *entry_out)
{
    char *end;
    uint64_t start = strtoull(line, &end, 16);
    if (end == line || *end != ' ')
        return false;
    char *size_text = end + 1;
    uint64_t size = strtoull(size_text, &end, 16);
    if (end == size_text || *end != ' ' || !end[1] || size > UINT64_MAX - start)
        return false;
    if (strlen(end + 1) >= PL_DEMANGLED_BYTES)
        end[PL_DEMANGLED_BYTES] = '\0';
    *entry_out = (struct entry){.lo = start, .hi = start + size, .name = end + 1};
    return size > 0;
}

static bool add_entry(struct pl_perfmap *map, struct entry entry)
{
    if (map->count == map->cap) {
        size_t cap = map->cap ? map->cap * 2 : 256;
        struct entry *rows = realloc(map->rows, cap * sizeof rows[0]);
        if (!rows)
            return false;
        map->rows = rows;
        map->cap = cap;
    }
    entry.order = map->count;
    map->rows[map->count++] = entry;
    return true;
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->lo != b->lo)
        return a->lo < b->lo ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

struct pl_perfmap *pl_perfmap_open(int fd)
{
    struct pl_perfmap *map = calloc(1, sizeof *map);
    if (!map || !(map->text = read_all(fd))) {
        free(map);
        return NULL;
    }
    char *rest = map->text, *line;
    while ((line = strsep(&rest, "\n"))) {
        struct entry entry;
        if (parse_line(line, &entry) && !add_entry(map, entry))
            break;
    }
    if (map->count)
        qsort(map->rows, map->count, sizeof map->rows[0], compare);
    return map;
}

void pl_perfmap_close(struct pl_perfmap *map)
{
    if (!map)
        return;
    free(map->rows);
    free(map->text);
    free(map);
}

const char *pl_perfmap_find(struct pl_perfmap *map, uint64_t address)
{
    size_t lo = 0, hi = map->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (map->rows[mid].lo <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    const struct entry *best = NULL;
    for (size_t back = 0; back < 64 && lo > 0; back++, lo--) {
        const struct entry *entry = &map->rows[lo - 1];
        if (address < entry->hi && (!best || entry->order > best->order))
            best = entry;
    }
    return best ? best->name : NULL;
}
