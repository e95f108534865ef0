/* Frames -> functions: see dictionary_frames.h.
 *
 * What the pass has found (frame_name) goes before what the source said
 * (frame_raw.function_id), and that before module+0xaddress. */
#include "store/dictionary_frames.h"

#include "base/hash.h"
#include "store/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Read row by row when fewer than one in this many is wanted. */
#define SPARSE     8
#define INLINE_MAX 256

enum column {
    ID,
    MODULE,
    ADDRESS,
    RAW_FUNCTION,
    RAW_IN_APP,
    FUNCTION,
    IN_APP,
    RAW_LINE,
    LINE,
    TRIM
};

/* A function of the tree and its double for one line. */
struct at_line {
    uint32_t function, line, at; /* at: 0 empty, else the double + 1 */
};

/* Functions and modules met so far, by row id. */
struct loader {
    struct pl_store *store;
    struct pl_tree *tree;
    struct pl_frame_table *table;
    struct pl_idmap functions;
    uint32_t *known; /* place in functions -> function of the tree */
    uint32_t known_cap;
    struct at_line *lines; /* hash, for trees that want lines */
    uint32_t line_count, line_mask;
};

enum pl_status pl_frame_table_init(struct pl_frame_table *table, struct pl_store *store,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    *table = (struct pl_frame_table){0};
    enum pl_status status = pl_stmt_get(store, PL_SQL_FRAME_RANGE, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!pl_idmap_init(&table->frames, pl_stmt_column_int(stmt, 0),
                       pl_stmt_column_int(stmt, 1)))
        status = pl_error_set(err, PL_NOMEM, "out of memory for frames");
    pl_stmt_reset(stmt);
    return status;
}

void pl_frame_table_deinit(struct pl_frame_table *table)
{
    pl_idmap_deinit(&table->frames);
    free(table->of);
    free(table->calls);
    *table = (struct pl_frame_table){0};
}

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for function names");
}

static enum pl_status missing(struct pl_store *store, const char *what, int64_t id,
                              struct pl_error *err)
{
    return pl_error_set(err, PL_INPUT, "%s is damaged: %s %" PRId64 " is missing",
                        pl_store_path(store), what, id);
}

/* ---- one function ---- */

static enum pl_status read_function(struct loader *loader, int64_t id, int8_t in_app,
                                    uint32_t *function_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status =
        pl_stmt_find(loader->store, PL_SQL_LOAD_FUNCTION, ":id", id, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return missing(loader->store, "function", id, err);
    int64_t line = pl_stmt_column_int(stmt, 3);
    *function_out =
        pl_tree_function(loader->tree, pl_stmt_column_text(stmt, 0),
                         pl_stmt_column_text(stmt, 1), pl_stmt_column_text(stmt, 2),
                         line > 0 && line < INT32_MAX ? (uint32_t)line : 0, in_app);
    pl_stmt_reset(stmt);
    return *function_out == PL_NO_INDEX ? out_of_memory(err) : PL_OK;
}

static enum pl_status named_function(struct loader *loader, int64_t id, int8_t in_app,
                                     uint32_t *function_out, struct pl_error *err)
{
    if (id < 0 || id >= UINT32_MAX)
        return missing(loader->store, "function", id, err);
    uint32_t place = pl_idmap_find(&loader->functions, (uint32_t)id);
    if (place != PL_IDMAP_NONE) {
        *function_out = loader->known[place];
        pl_tree_function_in_app(loader->tree, *function_out, in_app);
        return PL_OK;
    }
    enum pl_status status = read_function(loader, id, in_app, function_out, err);
    if (status != PL_OK)
        return status;
    place = pl_idmap_add(&loader->functions, (uint32_t)id);
    if (place == PL_IDMAP_NONE)
        return out_of_memory(err);
    if (place >= loader->known_cap) {
        uint32_t cap = loader->known_cap ? loader->known_cap * 2 : 1024;
        uint32_t *grown = realloc(loader->known, cap * sizeof *grown);
        if (!grown)
            return out_of_memory(err);
        loader->known = grown;
        loader->known_cap = cap;
    }
    loader->known[place] = *function_out;
    return PL_OK;
}

/* "libc.so.6+0x9ab10" of /usr/lib/.../libc.so.6, or "0x7f10..." of nothing. */
static enum pl_status unnamed_function(struct loader *loader, int64_t module,
                                       uint64_t address, int8_t in_app,
                                       uint32_t *function_out, struct pl_error *err)
{
    char name[4200];
    struct pl_stmt *stmt = NULL;
    const char *path = "";
    bool row = false;
    snprintf(name, sizeof name, "0x%" PRIx64, address);
    if (module) {
        enum pl_status status = pl_stmt_find(loader->store, PL_SQL_LOAD_MODULE, ":id",
                                             module, &stmt, &row, err);
        if (status != PL_OK)
            return status;
        if (!row)
            return missing(loader->store, "module", module, err);
        path = pl_stmt_column_text(stmt, 0);
        snprintf(name, sizeof name, "%.4096s+0x%" PRIx64, pl_stmt_column_text(stmt, 1),
                 address);
    }
    *function_out = pl_tree_function(loader->tree, name, path, "", 0, in_app);
    if (row)
        pl_stmt_reset(stmt);
    return *function_out == PL_NO_INDEX ? out_of_memory(err) : PL_OK;
}

/* ---- lines ---- */

static struct at_line *find_line(struct at_line *lines, uint32_t mask,
                                 uint32_t function, uint32_t line)
{
    uint32_t at = (uint32_t)pl_hash_mix(function, line) & mask;
    while (lines[at].at && (lines[at].function != function || lines[at].line != line))
        at = (at + 1) & mask;
    return &lines[at];
}

static bool grow_lines(struct loader *loader)
{
    uint32_t mask = loader->lines ? loader->line_mask * 2 + 1 : 1023;
    struct at_line *lines = calloc((size_t)mask + 1, sizeof *lines);
    if (!lines)
        return false;
    for (uint32_t i = 0; loader->lines && i <= loader->line_mask; i++) {
        const struct at_line *old = &loader->lines[i];
        if (old->at)
            *find_line(lines, mask, old->function, old->line) = *old;
    }
    free(loader->lines);
    loader->lines = lines;
    loader->line_mask = mask;
    return true;
}

/* Turn *function into its double for the row's line. */
static bool at_line(struct loader *loader, const struct pl_stmt *stmt, bool passed,
                    uint32_t *function)
{
    int64_t line = pl_stmt_column_int(stmt, passed ? LINE : RAW_LINE);
    if (line < 0 || line > INT32_MAX)
        line = 0;
    if (loader->line_count >= loader->line_mask / 2 && !grow_lines(loader))
        return false;
    struct at_line *entry =
        find_line(loader->lines, loader->line_mask, *function, (uint32_t)line);
    if (!entry->at) {
        uint32_t at = pl_tree_function_line(loader->tree, *function, (uint32_t)line);
        if (at == PL_NO_INDEX)
            return false;
        *entry = (struct at_line){*function, (uint32_t)line, at + 1};
        loader->line_count++;
    }
    *function = entry->at - 1;
    return true;
}

/* ---- frames ---- */

static int8_t tristate(int64_t value)
{
    return value < 0 ? -1 : value > 0;
}

static bool add_call(struct pl_frame_table *table, uint32_t place, uint32_t function)
{
    if (table->call_count == table->call_cap) {
        uint32_t cap = table->call_cap ? table->call_cap * 2 : 4096;
        struct pl_call *grown = cap ? realloc(table->calls, cap * sizeof *grown) : NULL;
        if (!grown)
            return false;
        table->calls = grown;
        table->call_cap = cap;
    }
    struct pl_frame_calls *of = &table->of[place];
    if (!of->count)
        of->first = table->call_count;
    table->calls[table->call_count++] =
        (struct pl_call){.function = function & INT32_MAX, .inlined = of->count > 0};
    of->count++;
    return true;
}

/* A row of load_frames or load_frame; rows of a frame come together. */
static enum pl_status take_row(struct loader *loader, const struct pl_stmt *stmt,
                               struct pl_error *err)
{
    int64_t id = pl_stmt_column_int(stmt, ID);
    if (id <= 0 || id >= UINT32_MAX)
        return PL_OK;
    uint32_t place = pl_idmap_find(&loader->table->frames, (uint32_t)id), function;
    if (place == PL_IDMAP_NONE)
        return PL_OK;
    if (loader->table->of[place].count >= INLINE_MAX)
        return pl_error_set(err, PL_INPUT,
                            "%s is damaged: frame %" PRId64 " has more than %d names",
                            pl_store_path(loader->store), id, INLINE_MAX);
    int64_t function_id = pl_stmt_column_int(stmt, FUNCTION);
    bool passed = !pl_stmt_column_is_null(stmt, FUNCTION);
    int8_t in_app = tristate(pl_stmt_column_int(stmt, passed ? IN_APP : RAW_IN_APP));
    if (!function_id)
        function_id = pl_stmt_column_int(stmt, RAW_FUNCTION);
    enum pl_status status =
        function_id ? named_function(loader, function_id, in_app, &function, err)
                    : unnamed_function(loader, pl_stmt_column_int(stmt, MODULE),
                                       (uint64_t)pl_stmt_column_int(stmt, ADDRESS),
                                       in_app, &function, err);
    passed = passed && pl_stmt_column_int(stmt, FUNCTION);
    if (status == PL_OK && pl_tree_wants_lines(loader->tree) &&
        !at_line(loader, stmt, passed, &function))
        status = out_of_memory(err);
    if (status == PL_OK && !add_call(loader->table, place, function))
        status = out_of_memory(err);
    int64_t trim = pl_stmt_column_int(stmt, TRIM);
    loader->table->of[place].trim =
        trim == PL_TRIM_ROOT || trim == PL_TRIM_LEAF ? (unsigned)trim & 3 : 0;
    loader->table->trims += loader->table->of[place].trim != 0;
    return status;
}

static enum pl_status take_rows(struct loader *loader, struct pl_stmt *stmt,
                                struct pl_error *err)
{
    enum pl_status status;
    bool row;
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        status = take_row(loader, stmt, err);
        if (status != PL_OK) {
            pl_stmt_reset(stmt);
            break;
        }
    }
    return status;
}

static enum pl_status take_frames(struct loader *loader, struct pl_error *err)
{
    const struct pl_idmap *frames = &loader->table->frames;
    bool sparse = frames->count < frames->span / SPARSE;
    struct pl_stmt *stmt;
    enum pl_status status = PL_OK;
    for (uint32_t i = 0; i < (sparse ? frames->count : 1) && status == PL_OK; i++) {
        status = pl_stmt_get(
            loader->store, sparse ? PL_SQL_LOAD_FRAME : PL_SQL_LOAD_FRAMES, &stmt, err);
        if (status != PL_OK)
            break;
        if (sparse)
            pl_stmt_int(stmt, ":id", frames->ids[i]);
        status = take_rows(loader, stmt, err);
    }
    for (uint32_t i = 0; i < frames->count && status == PL_OK; i++)
        if (!loader->table->of[i].count)
            status = missing(loader->store, "frame", frames->ids[i], err);
    return status;
}

enum pl_status pl_frame_table_load(struct pl_frame_table *table, struct pl_store *store,
                                   struct pl_tree *tree, struct pl_error *err)
{
    struct loader loader = {.store = store, .tree = tree, .table = table};
    enum pl_status status;
    table->of = calloc((size_t)table->frames.count + 1, sizeof *table->of);
    if (table->of && pl_idmap_init(&loader.functions, 0, 0))
        status = take_frames(&loader, err);
    else
        status = out_of_memory(err);
    pl_idmap_deinit(&loader.functions);
    free(loader.known);
    free(loader.lines);
    return status;
}
