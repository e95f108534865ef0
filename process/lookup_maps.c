/* Source maps and mappings as lookups of the symbol worker.
 *
 *   SOURCE_MAP  line and column (from 1), function as minified → one row: where it
 * comes from, and its name there, "" if the map does not tell PROGUARD    module (the
 * class), function, file (the method's signature, "" unknown), line → the method and
 * what was inlined into it, each with its class. `anonymous`: only the class is known,
 * or only the signature was put into words */
#include "process/lookup_files.h"
#include "process/proguard.h"
#include "process/source_map.h"

#include <stdlib.h>

/* ---- source maps ---- */

struct map_lookup {
    struct pl_lookup_files files; /* first */
    struct pl_source_map *map;
};

static void *open_map(const struct pl_lookup_request *request)
{
    struct map_lookup *self = calloc(1, sizeof *self);
    if (self)
        pl_lookup_files_open(&self->files, request);
    return self;
}

static void close_map(void *from)
{
    struct map_lookup *self = from;
    pl_source_map_close(self->map);
    pl_lookup_files_close(&self->files);
    free(self);
}

static enum pl_status read_map(void *self, const char *bytes, size_t len,
                               struct pl_error *err)
{
    return pl_source_map_open(bytes, len, &((struct map_lookup *)self)->map, err);
}

static bool find_position(void *from, const struct pl_lookup_key *key,
                          struct pl_symbol_list *list_out)
{
    struct map_lookup *self = from;
    struct pl_source_position at;
    uint32_t line = key->line - 1, column = key->column - 1;
    if (!pl_lookup_files_read(&self->files, read_map, self) || !key->line ||
        !key->column || !pl_source_map_find(self->map, line, column, &at) || !at.source)
        return false;
    list_out->rows[list_out->count++] = (struct pl_symbol){
        .function = pl_source_map_function(self->map, line, column, key->function),
        .file = at.source,
        .line = at.line + 1,
        .column = at.column + 1,
    };
    return true;
}

const struct pl_lookup pl_source_map_lookup = {
    .open = open_map,
    .close = close_map,
    .status = pl_lookup_files_status,
    .message = pl_lookup_files_message,
    .file_bytes = pl_lookup_files_bytes,
    .find = find_position,
};

/* ---- mappings ---- */

struct mapping_lookup {
    struct pl_lookup_files files; /* first */
    struct pl_proguard *mapping;
};

static void *open_mapping(const struct pl_lookup_request *request)
{
    struct mapping_lookup *self = calloc(1, sizeof *self);
    if (self)
        pl_lookup_files_open(&self->files, request);
    return self;
}

static void close_mapping(void *from)
{
    struct mapping_lookup *self = from;
    pl_proguard_close(self->mapping);
    pl_lookup_files_close(&self->files);
    free(self);
}

static enum pl_status read_mapping(void *self, const char *bytes, size_t len,
                                   struct pl_error *err)
{
    return pl_proguard_open(bytes, len, &((struct mapping_lookup *)self)->mapping, err);
}

static bool find_method(void *from, const struct pl_lookup_key *key,
                        struct pl_symbol_list *list_out)
{
    struct mapping_lookup *self = from;
    const struct pl_proguard_method method = {
        .class_name = key->module,
        .name = key->function,
        .signature = key->file,
        .line = key->line,
    };
    struct pl_proguard_rows rows;
    if (!pl_lookup_files_read(&self->files, read_mapping, self))
        return false;
    list_out->anonymous =
        pl_proguard_find(self->mapping, &method, &rows) != PL_PROGUARD_METHOD;
    for (size_t i = 0; i < rows.count && i < PL_MAX_INLINES; i++)
        list_out->rows[list_out->count++] = (struct pl_symbol){
            .function = rows.rows[i].name,
            .file = rows.rows[i].file,
            .module = rows.rows[i].class_name,
            .line = rows.rows[i].line,
        };
    return list_out->count > 0;
}

const struct pl_lookup pl_proguard_lookup = {
    .open = open_mapping,
    .close = close_mapping,
    .status = pl_lookup_files_status,
    .message = pl_lookup_files_message,
    .file_bytes = pl_lookup_files_bytes,
    .find = find_method,
};
