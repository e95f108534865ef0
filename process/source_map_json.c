/* Over yajl, which tells of a string where it stands: the mappings, most of a map, are
 * not copied. A path of at most six keys says what a value is; deeper is nothing of
 * ours:
 *
 *   {sources: [], names: [], mappings, sourceRoot, version, debugId,
 *    sections: [{offset: {line, column}, map: {as above, without sections}}]} */
#include "process/source_map_json.h"

#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#define TEXT_BYTES ((size_t)1 << 30)
#define DEPTH_MOST 64
#define PARTS_MOST ((size_t)1 << 20)

enum key {
    NOTHING,
    VERSION,
    SOURCES,
    NAMES,
    MAPPINGS,
    SOURCE_ROOT,
    DEBUG_ID,
    SECTIONS,
    OFFSET,
    MAP,
    LINE,
    COLUMN,
};

/* What the container at each depth is. */
enum place {
    ELSEWHERE,
    IN_MAP,      /* of the whole, or of a section */
    IN_LIST,     /* sources or names */
    IN_SECTIONS, /* the array */
    IN_SECTION,
    IN_OFFSET,
};

struct reader {
    struct pl_source_map_json *to;
    const char *from, *end; /* the document */
    enum place places[DEPTH_MOST + 1];
    int depth;
    enum key key;          /* of the value that comes next, where keys are looked at */
    enum key list;         /* SOURCES or NAMES, in a list */
    bool indexed;          /* has sections, so the outermost map is no part */
    bool has_part;         /* this map has one: for a section's, since it began */
    uint32_t line, column; /* of the section */
    const char *wrong;     /* what to say; NULL: yajl's word */
    bool no_memory;
};

static int stop(struct reader *r, const char *wrong)
{
    r->wrong = wrong;
    return 0;
}

static int out_of_memory(struct reader *r)
{
    r->no_memory = true;
    return 0;
}

static uint32_t put_text(struct reader *r, const char *text, size_t len)
{
    struct pl_buf *texts = &r->to->texts;
    uint32_t at = (uint32_t)texts->len;
    const char *end = len ? memchr(text, '\0', len) : NULL;
    if (end)
        len = (size_t)(end - text);
    if (!len)
        return 0;
    pl_buf_append(texts, text, len);
    pl_buf_putc(texts, '\0');
    return texts->failed ? 0 : at;
}

/* ---- parts ---- */

static uint32_t count_of(const struct pl_buf *list)
{
    return (uint32_t)(list->len / sizeof(uint32_t));
}

/* Room by powers of two. */
static bool begin_part(struct reader *r)
{
    struct pl_source_map_json *to = r->to;
    size_t count = to->part_count;
    if (!(count & (count - 1))) {
        struct pl_source_map_part *grown =
            realloc(to->parts, (count ? 2 * count : 1) * sizeof *grown);
        if (!grown)
            return false;
        to->parts = grown;
    }
    to->parts[to->part_count++] = (struct pl_source_map_part){
        .line = r->line,
        .column = r->column,
        .first_source = count_of(&to->sources),
        .first_name = count_of(&to->names),
    };
    return true;
}

/* The part of the map whose keys are being read. */
static struct pl_source_map_part *part(struct reader *r)
{
    if (r->indexed && r->depth == 1)
        r->wrong = "a source map with sections and more";
    else if (!r->has_part)
        r->no_memory = !(r->has_part = begin_part(r));
    return r->has_part && !r->wrong ? &r->to->parts[r->to->part_count - 1] : NULL;
}

/* ---- values ---- */

/* In a list, so the part is there. */
static int list_element(struct reader *r, const char *text, size_t len)
{
    struct pl_source_map_part *p = &r->to->parts[r->to->part_count - 1];
    bool sources = r->list == SOURCES;
    uint32_t at = put_text(r, text, len);
    pl_buf_append(sources ? &r->to->sources : &r->to->names, &at, sizeof at);
    *(sources ? &p->sources : &p->names) += 1;
    return 1;
}

static int mappings(struct reader *r, struct pl_source_map_part *p, const char *text,
                    size_t len)
{
    bool stays = text >= r->from && text < r->end;
    free(p->owned);
    p->owned = stays ? NULL : malloc(len + 1);
    if (!stays && !p->owned)
        return out_of_memory(r);
    if (!stays) /* had escapes */
        memcpy(p->owned, text, len);
    p->mappings = stays ? text : p->owned;
    p->mappings_len = len;
    return 1;
}

static int map_text(struct reader *r, const char *text, size_t len)
{
    if (r->key == VERSION)
        return stop(r, "a source map of another version than 3");
    if (r->key == DEBUG_ID && len)
        r->to->debug_id = put_text(r, text, len);
    if (r->key != MAPPINGS && r->key != SOURCE_ROOT)
        return 1;
    struct pl_source_map_part *p = part(r);
    if (!p)
        return 0;
    if (r->key == MAPPINGS)
        return mappings(r, p, text, len);
    p->source_root = put_text(r, text, len);
    return 1;
}

static int on_string(void *self, const unsigned char *text, size_t len)
{
    struct reader *r = self;
    if (r->places[r->depth] == IN_LIST)
        return list_element(r, (const char *)text, len);
    return r->places[r->depth] == IN_MAP ? map_text(r, (const char *)text, len) : 1;
}

static uint32_t small_number(const char *text, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++)
        if (value <= UINT32_MAX)
            value = 10 * value + (uint64_t)(text[i] - '0');
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static int on_number(void *self, const char *text, size_t len)
{
    struct reader *r = self;
    enum place place = r->places[r->depth];
    if (place == IN_LIST) /* names have been numbers, too */
        return list_element(r, text, len);
    if (place == IN_MAP && r->key == VERSION && small_number(text, len) != 3)
        return stop(r, "a source map of another version than 3");
    if (place == IN_OFFSET && r->key == LINE)
        r->line = small_number(text, len);
    if (place == IN_OFFSET && r->key == COLUMN)
        r->column = small_number(text, len);
    return 1;
}

static int on_null(void *self)
{
    struct reader *r = self;
    return r->places[r->depth] == IN_LIST ? list_element(r, "", 0) : 1;
}

static int on_boolean(void *self, int value)
{
    (void)value;
    return on_null(self);
}

/* ---- containers ---- */

static int on_key(void *self, const unsigned char *text, size_t len)
{
    static const struct {
        enum place in;
        enum key key;
        const char *text;
    } keys[] = {
        {IN_MAP, VERSION, "version"},   {IN_MAP, SOURCES, "sources"},
        {IN_MAP, NAMES, "names"},       {IN_MAP, MAPPINGS, "mappings"},
        {IN_MAP, DEBUG_ID, "debugId"},  {IN_MAP, SOURCE_ROOT, "sourceRoot"},
        {IN_MAP, DEBUG_ID, "debug_id"}, {IN_MAP, SECTIONS, "sections"},
        {IN_SECTION, MAP, "map"},       {IN_SECTION, OFFSET, "offset"},
        {IN_OFFSET, LINE, "line"},      {IN_OFFSET, COLUMN, "column"},
    };
    struct reader *r = self;
    r->key = NOTHING;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].in == r->places[r->depth] && strlen(keys[i].text) == len &&
            memcmp(keys[i].text, text, len) == 0)
            r->key = keys[i].key;
    return 1;
}

static int open_place(struct reader *r, enum place place)
{
    if (r->depth == DEPTH_MOST)
        return stop(r, "nested too deeply for a source map");
    r->places[++r->depth] = place;
    r->key = NOTHING;
    return 1;
}

static int on_map(void *self)
{
    struct reader *r = self;
    enum place in = r->places[r->depth];
    if (!r->depth)
        return open_place(r, IN_MAP);
    if (in == IN_LIST) /* nothing, in its place */
        return list_element(r, "", 0) && open_place(r, ELSEWHERE);
    if (in == IN_SECTIONS) {
        r->line = r->column = 0;
        r->has_part = false;
        return open_place(r, IN_SECTION);
    }
    if (in == IN_SECTION && r->key == MAP)
        return open_place(r, IN_MAP);
    return open_place(r, in == IN_SECTION && r->key == OFFSET ? IN_OFFSET : ELSEWHERE);
}

static int on_array(void *self)
{
    struct reader *r = self;
    enum place in = r->places[r->depth];
    if (!r->depth)
        return stop(r, "not a source map");
    if (in == IN_LIST)
        return list_element(r, "", 0) && open_place(r, ELSEWHERE);
    if (in == IN_MAP && r->key == SECTIONS) {
        if (r->has_part || r->indexed)
            return stop(r, "a source map with sections and more");
        r->indexed = true;
        return open_place(r, IN_SECTIONS);
    }
    if (in != IN_MAP || (r->key != SOURCES && r->key != NAMES))
        return open_place(r, ELSEWHERE);
    const struct pl_source_map_part *p = part(r);
    if (p && (r->key == SOURCES ? p->sources : p->names))
        return stop(r, "a source map with two lists of sources or names");
    r->list = r->key;
    return p ? open_place(r, IN_LIST) : 0;
}

/* Sections come in order: that is what makes them one map. */
static bool end_section(struct reader *r)
{
    if (!r->has_part)
        return true;
    struct pl_source_map_part *last = &r->to->parts[r->to->part_count - 1];
    last->line = r->line;
    last->column = r->column;
    if (last == r->to->parts)
        return true;
    const struct pl_source_map_part *before = last - 1;
    return before->line < last->line ||
           (before->line == last->line && before->column <= last->column);
}

static int on_end(void *self)
{
    struct reader *r = self;
    enum place place = r->places[r->depth--];
    r->key = NOTHING;
    if (place == IN_SECTION && !end_section(r))
        return stop(r, "a source map with sections out of order");
    if (r->to->part_count > PARTS_MOST)
        return stop(r, "a source map of too many sections");
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_end,
};

/* ---- the whole ---- */

/* "/a.js", "webpack:///a.js": says all of where it is. */
static bool is_absolute(const char *source)
{
    size_t word = strcspn(source, ":/?#");
    return *source == '/' || source[word] == ':';
}

static void put_root(struct pl_source_map_json *to, uint32_t root, uint32_t *source)
{
    struct pl_buf *texts = &to->texts;
    size_t root_len = strlen(texts->data + root),
           len = strlen(texts->data + *source) + 1;
    uint32_t at = (uint32_t)texts->len;
    char *joined = malloc(root_len + 1 + len);
    if (joined) {
        memcpy(joined, texts->data + root, root_len);
        if (joined[root_len - 1] != '/')
            joined[root_len++] = '/';
        memcpy(joined + root_len, texts->data + *source, len);
        pl_buf_append(texts, joined, root_len + len);
    }
    texts->failed |= !joined;
    free(joined);
    *source = texts->failed ? 0 : at;
}

static void put_roots(struct pl_source_map_json *to)
{
    for (size_t i = 0; i < to->part_count; i++) {
        const struct pl_source_map_part *part = &to->parts[i];
        for (uint32_t s = 0; part->source_root && s < part->sources; s++) {
            char *place =
                to->sources.data + (part->first_source + s) * sizeof(uint32_t);
            uint32_t source;
            memcpy(&source, place, sizeof source);
            if (source && !to->texts.failed && !is_absolute(to->texts.data + source))
                put_root(to, part->source_root, &source);
            memcpy(place, &source, sizeof source);
        }
    }
}

static enum pl_status parse(struct reader *r, yajl_handle yajl, struct pl_error *err)
{
    size_t len = (size_t)(r->end - r->from);
    bool done =
        yajl_parse(yajl, (const unsigned char *)r->from, len) == yajl_status_ok &&
        yajl_complete_parse(yajl) == yajl_status_ok;
    struct pl_source_map_json *to = r->to;
    put_roots(to);
    if (r->no_memory || to->texts.failed || to->sources.failed || to->names.failed)
        return pl_error_set(err, PL_NOMEM, "out of memory for a source map");
    if (r->wrong)
        return pl_error_set(err, PL_INPUT, "%s", r->wrong);
    if (!done)
        return pl_error_set(err, PL_INPUT, "not JSON");
    if (!r->indexed && (!to->part_count || !to->parts[0].mappings))
        return pl_error_set(err, PL_INPUT, "not a source map");
    return PL_OK;
}

/* What servers put before JSON that nobody should run as a script. */
static const char *skip_guard(const char *json, const char *end)
{
    if (end - json >= 3 && memcmp(json, "\xef\xbb\xbf", 3) == 0)
        json += 3;
    if (end - json >= 3 && memcmp(json, ")]}", 3) == 0)
        while (json < end && *json != '\n' && *json != '\r')
            json++;
    return json;
}

enum pl_status pl_source_map_json_read(const char *json, size_t len,
                                       struct pl_source_map_json *out,
                                       struct pl_error *err)
{
    struct reader r = {.to = out, .end = json + len};
    *out = (struct pl_source_map_json){0};
    pl_buf_init(&out->texts, TEXT_BYTES);
    pl_buf_init(&out->sources, TEXT_BYTES);
    pl_buf_init(&out->names, TEXT_BYTES);
    pl_buf_putc(&out->texts, '\0');
    r.from = skip_guard(json, r.end);
    yajl_handle yajl = yajl_alloc(&callbacks, NULL, &r);
    if (!yajl)
        return pl_error_set(err, PL_NOMEM, "out of memory for a source map");
    (void)yajl_config(yajl, yajl_dont_validate_strings, 1);
    enum pl_status status = parse(&r, yajl, err);
    yajl_free(yajl);
    return status;
}

void pl_source_map_json_deinit(struct pl_source_map_json *map)
{
    for (size_t i = 0; i < map->part_count; i++)
        free(map->parts[i].owned);
    free(map->parts);
    pl_buf_deinit(&map->texts);
    pl_buf_deinit(&map->sources);
    pl_buf_deinit(&map->names);
    *map = (struct pl_source_map_json){0};
}
