/* Debug ids: what symbol servers call a file by, as Sentry writes them: a UUID in lower
 * case, 8-4-4-4-12. Of an ELF file it is the first 16 bytes of the build-id with the
 * first three fields byte-swapped, as in a GUID. */
#ifndef PL_BASE_DEBUG_ID_H
#define PL_BASE_DEBUG_ID_H

#include <stdbool.h>
#include <stddef.h>

#define PL_DEBUG_ID_TEXT   37  /* 36 and a NUL */
#define PL_BUILD_ID_TEXT   129 /* 64 bytes in hex and a NUL */
#define PL_DEBUG_ID_PREFIX 33  /* what a debug id says of a build-id, and a NUL */

/* Any case, with or without dashes, an age ("-1", "1") behind it is dropped. False: no
 * debug id, and `out` is "". */
bool pl_debug_id_parse(const char *text, char out[static PL_DEBUG_ID_TEXT]);

/* Of a build-id in hex; of fewer than 16 bytes the rest is zero. False: not hex. */
bool pl_debug_id_of_build_id(const char *build_id, char out[static PL_DEBUG_ID_TEXT]);

/* The way back: the first 32 digits of the build-id. `debug_id` as written above. */
void pl_debug_id_build_prefix(const char *debug_id,
                              char out[static PL_DEBUG_ID_PREFIX]);

/* In lower case; false: not an even number of hex digits, none, or too many. */
bool pl_build_id_parse(const char *text, char out[static PL_BUILD_ID_TEXT]);

#endif
