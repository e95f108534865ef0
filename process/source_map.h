/* A source map: from a position in a generated file (a bundle, minified) to where it
 * came from. Version 3, plain or indexed.
 *
 * In the symbol worker only: maps are hostile. Texts live as long as the map. */
#ifndef PL_PROCESS_SOURCE_MAP_H
#define PL_PROCESS_SOURCE_MAP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_source_map;

/* `json` is not needed afterwards.
 * Errors  INPUT not a source map; NOMEM. */
PL_MUST_CHECK enum pl_status pl_source_map_open(const char *json, size_t len,
                                                struct pl_source_map **map_out,
                                                struct pl_error *err);
void pl_source_map_close(struct pl_source_map *map); /* NULL is fine */

/* What the map says it belongs to, as written; "" if it does not. */
const char *pl_source_map_debug_id(const struct pl_source_map *map);

/* All lines and columns count from 0 here. */
struct pl_source_position {
    uint32_t generated_column; /* where the mapping begins; its line is the one asked */
    const char *source;        /* NULL: this stretch comes from no source */
    uint32_t line, column;     /* in the source */
    const char *name;          /* of what stands there; NULL: none is kept */
};

/* The mapping that covers a position: of its line, the last one that does not begin
 * after `column`; of several that begin at `column`, the first. False: none. */
bool pl_source_map_find(const struct pl_source_map *map, uint32_t line, uint32_t column,
                        struct pl_source_position *position_out);

/* What the function is called in its source that is called `minified` and begins at a
 * position: where a JavaScript engine says a function begins, at its parameters or at
 * "=>"'s left side. That is the name of the mapping that stands before it, where one
 * does; else, if `minified` is short, of the one that covers the position. NULL: the
 * map does not tell, or it has no name ("", "<anonymous>"). */
const char *pl_source_map_function(const struct pl_source_map *map, uint32_t line,
                                   uint32_t column, const char *minified);

#endif
