/* What is a file that somebody wants to bring names from? Asked of the symbol worker,
 * which reads it (process/identify.c). */
#ifndef PL_PROCESS_SYMBOL_KIND_H
#define PL_PROCESS_SYMBOL_KIND_H

#include "base/debug_id.h"
#include "process/symbolizer.h"

struct pl_symbol_kind {
    char kind[16];                   /* as in store/symbol_files.h */
    char debug_id[PL_DEBUG_ID_TEXT]; /* "" if it says none */
    char build_id[PL_BUILD_ID_TEXT]; /* elf */
    char content[PL_DEBUG_ID_TEXT];  /* a hash of all of it */
    bool has_debug;                  /* elf: DWARF */
    bool has_symbols;                /* elf: a symbol table of its own */
};

/* `fd` is borrowed; `name` is for messages.
 * Errors  INPUT none of the kinds we know, or damaged, and why; IO no worker; NOMEM. */
PL_MUST_CHECK enum pl_status pl_symbol_identify(struct pl_symbolizer *symbolizer,
                                                int fd, const char *name,
                                                struct pl_symbol_kind *kind_out,
                                                struct pl_error *err);

#endif
