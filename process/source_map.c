/* Mappings are decoded once into one array, sorted by line and column, with an index of
 * lines beside it: a search is a binary search within a line.
 *
 *   "mappings": line;line;…   line: segment,segment,…   segment: 1, 4 or 5 numbers
 *   number: base64 digits of 5 bits, least first, bit 6 says that more follow; its
 *   lowest bit is the sign. Each number is a difference to the segment before; the
 *   generated column begins at 0 in each line.
 *
 * Invariant: every line, source and name in the array has been checked. */
#include "process/source_map.h"

#include "process/source_map_json.h"

#include <stdlib.h>
#include <string.h>

#define NONE       UINT32_MAX
#define LINES_MOST ((size_t)1 << 26)
#define SHORT_NAME 3 /* longer ones are rarely a minifier's */

struct segment {
    uint32_t at;           /* column in the generated line */
    uint32_t source, name; /* NONE */
    uint32_t line, column; /* in the source */
};

struct pl_source_map {
    struct pl_source_map_json json; /* sources, names and their texts */
    struct segment *segments;
    size_t segment_count;
    uint32_t *lines; /* line -> its first segment; one more at the end */
    size_t line_count;
};

/* ---- numbers ---- */

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* False: no number, one of more than 32 bits, or its end is missing. */
static bool read_number(const char **at, const char *end, int64_t *value_out)
{
    uint64_t value = 0;
    for (int shift = 0; *at < end && shift < 35; shift += 5) {
        int bits = digit(*(*at)++);
        if (bits < 0)
            return false;
        value |= (uint64_t)(bits & 31) << shift;
        if (bits & 32)
            continue;
        *value_out = value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
        return true;
    }
    return false;
}

/* ---- one part ---- */

struct decoder {
    struct pl_source_map *map;
    const struct pl_source_map_part *part;
    const char *at, *end;
    uint32_t line;      /* in the whole */
    uint32_t stop_line; /* where the next part begins */
    uint32_t stop_column;
    int64_t state[5]; /* column, source, line, column, name */
};

static bool fits(int64_t value, uint32_t count)
{
    return value >= 0 && value < count;
}

/* Fields 1, 4 or 5 long, each added to the state. False: malformed. */
static bool read_fields(struct decoder *d, int *count_out)
{
    int count = 0;
    while (d->at < d->end && *d->at != ',' && *d->at != ';') {
        int64_t delta;
        if (count == 5 || !read_number(&d->at, d->end, &delta))
            return false;
        d->state[count++] += delta;
    }
    *count_out = count;
    return (count == 0 || count == 1 || count == 4 || count == 5) && d->state[0] >= 0 &&
           d->state[0] < NONE;
}

/* Positions of a part are its own; on its first line, columns too. */
static void add_segment(struct decoder *d, int fields)
{
    uint64_t at = (uint64_t)d->state[0];
    if (d->line == d->part->line)
        at += d->part->column;
    if (at >= NONE || (d->line == d->stop_line && at >= d->stop_column))
        return;
    struct segment *s = &d->map->segments[d->map->segment_count++];
    *s = (struct segment){.at = (uint32_t)at, .source = NONE, .name = NONE};
    if (fields < 4 || !fits(d->state[1], d->part->sources) ||
        !fits(d->state[2], NONE) || !fits(d->state[3], NONE))
        return;
    s->source = d->part->first_source + (uint32_t)d->state[1];
    s->line = (uint32_t)d->state[2];
    s->column = (uint32_t)d->state[3];
    if (fields == 5 && fits(d->state[4], d->part->names))
        s->name = d->part->first_name + (uint32_t)d->state[4];
}

static int compare_segments(const void *left, const void *right)
{
    const struct segment *a = left, *b = right;
    return (a->at > b->at) - (a->at < b->at);
}

/* Nearly always sorted; else stably, as qsort need not be. */
static bool sort_line(struct segment *segments, size_t count)
{
    size_t i = 1;
    while (i < count && segments[i - 1].at <= segments[i].at)
        i++;
    if (i >= count)
        return true;
    struct segment *sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t from = 0; from < count; from += 2 * width) {
            size_t middle = from + width < count ? from + width : count;
            size_t end = middle + width < count ? middle + width : count;
            for (size_t a = from, b = middle, to = from; to < end; to++)
                sorted[to] =
                    b == end || (a < middle &&
                                 compare_segments(&segments[a], &segments[b]) <= 0)
                        ? segments[a++]
                        : segments[b++];
        }
        memcpy(segments, sorted, count * sizeof *sorted);
    }
    free(sorted);
    return true;
}

/* Lines up to `line` have begun: those in between are empty. */
static void begin_lines(struct pl_source_map *map, size_t line)
{
    while (map->line_count <= line)
        map->lines[map->line_count++] = (uint32_t)map->segment_count;
}

static enum pl_status malformed(struct pl_error *err)
{
    return pl_error_set(err, PL_INPUT, "a source map with malformed mappings");
}

static enum pl_status decode_part(struct decoder *d, struct pl_error *err)
{
    struct pl_source_map *map = d->map;
    begin_lines(map, d->line);
    for (;;) {
        int fields;
        if (!read_fields(d, &fields))
            return malformed(err);
        if (fields)
            add_segment(d, fields);
        bool more = d->at < d->end;
        if (more && *d->at++ == ',')
            continue;
        size_t first = map->lines[d->line];
        if (!sort_line(map->segments + first, map->segment_count - first))
            return pl_error_set(err, PL_NOMEM, "out of memory for a source map");
        if (!more || d->line == d->stop_line) /* the rest is the next part's */
            return PL_OK;
        begin_lines(map, ++d->line);
        d->state[0] = 0;
    }
}

/* ---- all parts ---- */

static size_t count_of(const struct pl_source_map_part *part, char what)
{
    size_t count = 0;
    for (size_t i = 0; i < part->mappings_len; i++)
        count += part->mappings[i] == what;
    return count;
}

static bool make_room(struct pl_source_map *map, struct pl_error *err)
{
    size_t segments = 0, lines = 1;
    for (size_t i = 0; i < map->json.part_count; i++) {
        const struct pl_source_map_part *part = &map->json.parts[i];
        size_t ends = count_of(part, ';');
        segments += ends + count_of(part, ',') + 1;
        if (lines < part->line + ends + 1)
            lines = part->line + ends + 1;
    }
    if (lines > LINES_MOST || segments >= NONE) {
        pl_error_set(err, PL_INPUT, "a source map of too many lines");
        return false;
    }
    map->segments = malloc((segments + 1) * sizeof *map->segments);
    map->lines = malloc((lines + 2) * sizeof *map->lines);
    if (!map->segments || !map->lines)
        pl_error_set(err, PL_NOMEM, "out of memory for a source map");
    return map->segments && map->lines;
}

static enum pl_status decode(struct pl_source_map *map, struct pl_error *err)
{
    const struct pl_source_map_json *json = &map->json;
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < json->part_count && status == PL_OK; i++) {
        const struct pl_source_map_part *part = &json->parts[i];
        const struct pl_source_map_part *next =
            i + 1 < json->part_count ? part + 1 : NULL;
        if (!part->mappings) /* an empty section */
            continue;
        struct decoder d = {
            .map = map,
            .part = part,
            .at = part->mappings,
            .end = part->mappings + part->mappings_len,
            .line = part->line,
            .stop_line = next ? next->line : NONE,
            .stop_column = next ? next->column : NONE,
        };
        status = decode_part(&d, err);
    }
    map->lines[map->line_count] = (uint32_t)map->segment_count;
    return status;
}

enum pl_status pl_source_map_open(const char *json, size_t len,
                                  struct pl_source_map **map_out, struct pl_error *err)
{
    struct pl_error local;
    struct pl_error *why = err ? err : &local;
    struct pl_source_map *map = calloc(1, sizeof *map);
    if (!map)
        return pl_error_set(err, PL_NOMEM, "out of memory for a source map");
    enum pl_status status = pl_source_map_json_read(json, len, &map->json, why);
    if (status == PL_OK)
        status = make_room(map, why) ? decode(map, why) : why->status;
    if (status != PL_OK) {
        pl_source_map_close(map);
        return status;
    }
    for (size_t i = 0; i < map->json.part_count; i++)
        map->json.parts[i].mappings = NULL; /* the document goes */
    *map_out = map;
    return PL_OK;
}

void pl_source_map_close(struct pl_source_map *map)
{
    if (!map)
        return;
    pl_source_map_json_deinit(&map->json);
    free(map->segments);
    free(map->lines);
    free(map);
}

const char *pl_source_map_debug_id(const struct pl_source_map *map)
{
    return map->json.texts.data + map->json.debug_id;
}

/* ---- searching ---- */

/* First of [lo, hi) that begins at `column` or after it. */
static size_t lower_bound(const struct pl_source_map *map, size_t lo, size_t hi,
                          uint64_t column)
{
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (map->segments[middle].at < column)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* NULL: the line has none that early. */
static const struct segment *find(const struct pl_source_map *map, uint32_t line,
                                  uint32_t column)
{
    if (line >= map->line_count)
        return NULL;
    size_t first = map->lines[line], end = map->lines[line + 1];
    size_t at = lower_bound(map, first, end, column);
    if (at < end && map->segments[at].at == column)
        return &map->segments[at];
    return at > first ? &map->segments[at - 1] : NULL;
}

static const char *list_text(const struct pl_source_map *map, const struct pl_buf *list,
                             uint32_t index)
{
    uint32_t at;
    memcpy(&at, list->data + (size_t)index * sizeof at, sizeof at);
    return map->json.texts.data + at;
}

static const char *name_of(const struct pl_source_map *map, const struct segment *s)
{
    return s->name == NONE ? NULL : list_text(map, &map->json.names, s->name);
}

bool pl_source_map_find(const struct pl_source_map *map, uint32_t line, uint32_t column,
                        struct pl_source_position *position_out)
{
    const struct segment *s = find(map, line, column);
    if (!s)
        return false;
    *position_out = (struct pl_source_position){
        .generated_column = s->at,
        .source =
            s->source == NONE ? NULL : list_text(map, &map->json.sources, s->source),
        .line = s->line,
        .column = s->column,
        .name = name_of(map, s),
    };
    return true;
}

/* ---- functions ---- */

/* "Cart.add", "get total": the last word is what stands in the code. */
static const char *last_word(const char *name)
{
    const char *word = name;
    for (; *name; name++)
        if (*name == '.' || *name == ' ')
            word = name + 1;
    return word;
}

/* What stands between the name of a function and where it begins. */
static const char *const betweens[] = {
    "",           /* function name(   and methods */
    "=",          /* name=( name:( name=x=> */
    "=async",     /* name=async( */
    "=async ",    /* name=async x=> */
    "=function",  /* name=function( */
    "=function*", /* name=function*( */
    "=async function",
    "=async function*",
};

/* Where the first mapping of the line behind `column` is. */
static uint32_t next_after(const struct pl_source_map *map, uint32_t line,
                           uint32_t column)
{
    size_t end = map->lines[line + 1];
    size_t at = lower_bound(map, map->lines[line], end, (uint64_t)column + 1);
    return at < end ? map->segments[at].at : NONE;
}

/* Does the mapping at `s` stand for a name of `len`, and the function begin at `column`
 * behind it? Then there is no other mapping on the way but, where "=" or ":" stands
 * between them, the function's own. */
static bool names_function(const struct pl_source_map *map, const struct segment *s,
                           uint32_t line, uint32_t len, uint32_t column)
{
    uint32_t own = s->at + len + 1, next = next_after(map, line, s->at);
    if (own == column + 1)
        return next >= column;
    return next == own && next_after(map, line, own) >= column;
}

/* The mapping that begins at `column`, if one does. */
static const struct segment *find_exact(const struct pl_source_map *map, uint32_t line,
                                        uint32_t column)
{
    const struct segment *s = find(map, line, column);
    return s && s->at == column ? s : NULL;
}

/* Engines call a constructor by its class: "class n{constructor(". */
static bool is_constructor(const struct pl_source_map *map, uint32_t line,
                           uint32_t column)
{
    const uint32_t len = sizeof "constructor" - 1;
    const struct segment *s = column > len ? find_exact(map, line, column - len) : NULL;
    const char *name = s ? name_of(map, s) : NULL;
    return s && next_after(map, line, s->at) >= column &&
           (!name || strcmp(name, "constructor") == 0);
}

static const char *name_of_class(const struct pl_source_map *map, uint32_t line,
                                 uint32_t column, size_t len)
{
    const size_t before = len + sizeof "{constructor" - 1;
    const struct segment *s =
        before <= column ? find_exact(map, line, column - (uint32_t)before) : NULL;
    return s ? name_of(map, s) : NULL;
}

const char *pl_source_map_function(const struct pl_source_map *map, uint32_t line,
                                   uint32_t column, const char *minified)
{
    const struct segment *s = find(map, line, column);
    const char *word = last_word(minified);
    size_t len = strlen(word);
    if (!s || !len || *word == '<' || strcmp(word, "anonymous") == 0)
        return NULL;
    for (size_t i = 0; i < sizeof betweens / sizeof betweens[0]; i++) {
        size_t before = len + strlen(betweens[i]);
        const struct segment *named =
            before <= column ? find_exact(map, line, column - (uint32_t)before) : NULL;
        if (named && names_function(map, named, line, (uint32_t)len, column))
            return name_of(map, named); /* or it is unchanged */
    }
    if (is_constructor(map, line, column))
        return name_of_class(map, line, column, len);
    return len <= SHORT_NAME ? name_of(map, s) : NULL;
}
