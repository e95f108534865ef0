/* Row keep: unwind rows that outlive a recording, so that the next one of the same
 * program has them from its first tick.
 *
 *   <folder>/<key>.rows   as in rows.h, with their checksum; the key as in rows_key.h
 *   <folder>/<key>.uses   names of the row files that recordings of the program with
 *                         this key needed, one a line
 *
 * The folder is the user's own (0700), and bounded: what was used longest ago goes
 * first. Programs never map a file of it: what is valid is copied into the
 * recording's folder, so that nobody can cut it short under them. Every byte read is
 * hostile. All errors mean doing without. Threads  the drain's only. */
#ifndef PL_COLLECTOR_ROWKEEP_H
#define PL_COLLECTOR_ROWKEEP_H

#include "collector/cfi.h"

#include <stdbool.h>

struct pl_rowkeep;

/* Make the folder (its parent, too) or use it; NULL when it cannot be trusted. */
struct pl_rowkeep *pl_rowkeep_open(const char *folder);

/* Writes down what was used and keeps within bounds. NULL is fine. */
void pl_rowkeep_close(struct pl_rowkeep *keep);

/* The recording needs rows of that name. */
void pl_rowkeep_use(struct pl_rowkeep *keep, const char *name);

/* Copy the kept file of that name into the folder `to_fd`; false if there is none
 * that makes sense. */
bool pl_rowkeep_take(struct pl_rowkeep *keep, const char *name, int to_fd);

/* Keep rows just made. */
void pl_rowkeep_put(struct pl_rowkeep *keep, const char *name,
                    const struct pl_cfi_rows *rows);

/* The recording is of the program whose row file has that name: copy all that its
 * earlier recordings used to `to_fd`. */
void pl_rowkeep_take_all(struct pl_rowkeep *keep, const char *program, int to_fd);

#endif
