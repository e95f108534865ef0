/* The JSON of a source map, read once: which parts it has, their texts, and where
 * their mappings stand, not decoded yet (process/source_map.c does that).
 *
 * In the symbol worker only. The document is borrowed until deinit. */
#ifndef PL_PROCESS_SOURCE_MAP_JSON_H
#define PL_PROCESS_SOURCE_MAP_JSON_H

#include "base/buf.h"

/* A plain map is one part; an indexed one has a part for each section. */
struct pl_source_map_part {
    uint32_t line, column;          /* where it begins in the generated file, from 0 */
    uint32_t source_root;           /* text */
    uint32_t first_source, sources; /* of the map's */
    uint32_t first_name, names;
    const char *mappings; /* in the document, or in `owned` */
    size_t mappings_len;
    char *owned;
};

struct pl_source_map_json {
    struct pl_source_map_part *parts;
    size_t part_count;
    struct pl_buf sources, names; /* of uint32_t: texts; sources with their root */
    struct pl_buf texts;          /* each with its NUL; 0: "" */
    uint32_t debug_id;            /* text: 32 hex digits, dashes and all, as written */
};

/* `json` may begin with a byte order mark and with ")]}'" and the rest of that line.
 * Contents of sources are passed over.
 * Errors  INPUT not a source map of version 3; NOMEM. `out` is to be deinited in any
 * case. */
PL_MUST_CHECK enum pl_status pl_source_map_json_read(const char *json, size_t len,
                                                     struct pl_source_map_json *out,
                                                     struct pl_error *err);
void pl_source_map_json_deinit(struct pl_source_map_json *map);

#endif
