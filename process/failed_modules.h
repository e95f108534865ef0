/* Modules that the symbol worker failed on: not asked for again by this symbolizer. */
#ifndef PL_PROCESS_FAILED_MODULES_H
#define PL_PROCESS_FAILED_MODULES_H

#include "process/symbolizer.h"

struct pl_failed_module {
    enum pl_lookup_kind kind;
    char *path, *build_id;
    enum pl_symbolizer_failure failure;
    char message[256];
};

/* All zero is none. */
struct pl_failed_modules {
    struct pl_failed_module *rows;
    size_t count;
};
void pl_failed_modules_deinit(struct pl_failed_modules *failed);

/* The one the question is about; NULL: it has not failed. */
const struct pl_failed_module *
pl_failed_modules_find(const struct pl_failed_modules *failed,
                       const struct pl_symbol_question *question);

/* Not being able to remember only costs another try. */
void pl_failed_modules_add(struct pl_failed_modules *failed,
                           const struct pl_symbol_question *question,
                           const struct pl_resolved *resolved);

#endif
