/* Row map: a module's row file, mapped into the profiled process. Raw system calls
 * only: the sampler's. */
#ifndef PL_COLLECTOR_ROWMAP_H
#define PL_COLLECTOR_ROWMAP_H

#include "collector/rows.h"
#include "collector/rows_key.h"

/* The checked rows of the module, or NULL if they are not there (yet) or make no
 * sense. For a module without build-id, inode, size and time are filled in. Stays
 * mapped; not passed on by fork. */
const struct pl_rows_header *pl_rowmap_open(const char *dir,
                                            struct pl_rows_identity *id);

#endif
