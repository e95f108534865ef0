/* What can be looked up, shared by both sides of the symbol worker.
 *
 *   kind         a key is                          files come from
 *   ELF          address (ELF's own numbering)     path, folders, uploads
 *   SOURCE_MAP   line, column, function            uploads
 *   PROGUARD     class, method, signature, line    uploads
 *   IDENTIFY     nothing                           the one file it comes with
 *
 * To add a kind: an entry in enum pl_lookup_kind, a struct pl_lookup of its own file in
 * process/, and its row in worker.c. Files are read in the worker only; the parent's
 * side is pl_symbolizer_ask (process/symbolizer.h) with the kind and its places. */
#ifndef PL_PROCESS_LOOKUP_H
#define PL_PROCESS_LOOKUP_H

#include <stdint.h>

enum pl_lookup_kind {
    PL_LOOKUP_ELF,
    PL_LOOKUP_SOURCE_MAP,
    PL_LOOKUP_PROGUARD,
    PL_LOOKUP_IDENTIFY,
};
#define PL_LOOKUP_KINDS 4

/* Where to look, in the order they are listed. */
enum pl_place_kind {
    PL_PLACE_PATH,     /* the module's own path, if it is still that build */
    PL_PLACE_BUILD_ID, /* a folder with .build-id/xx/yyyy.debug, as /usr/lib/debug */
    PL_PLACE_FOLDER,   /* a folder that may have the file by its name */
    PL_PLACE_FILE,     /* a descriptor; the text names the contents, for good */
    PL_PLACE_MINIFIED, /* likewise: the code that the source map before it is of */
};

/* Of a kind's file or files, as the store says it. */
enum pl_image_status {
    PL_IMAGE_FOUND,
    PL_IMAGE_UNKNOWN,     /* nothing is said that could be looked for */
    PL_IMAGE_MISSING,     /* no file, or only one of another build */
    PL_IMAGE_MALFORMED,   /* not what it should be */
    PL_IMAGE_UNSUPPORTED, /* of a kind nobody here reads */
};

struct pl_lookup_key {
    uint64_t address;
    uint32_t line, column;                /* 0 unknown */
    const char *module, *function, *file; /* NULL or "": none */
};

#endif
