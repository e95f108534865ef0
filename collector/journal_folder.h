/* Folders of journals: <db>-journal.d/<id>/, one for each recorder, 0700.
 *
 * The file `owner` in it says who records: process, recording folder, names to record
 * under. Its writer holds a lock on it for life (flock; no fork inherits it: the
 * descriptor closes on exec, and a linked recorder's is in a table of its own), so
 * whoever gets the lock knows that the recorder is dead, and is alone in dealing with
 * what it left. A folder gets its name only when `owner` is there and locked.
 *
 * Only folders that are ours and nobody else's to write count, no symbolic link is
 * followed, and only names that are made here are ever removed. */
#ifndef PL_COLLECTOR_JOURNAL_FOLDER_H
#define PL_COLLECTOR_JOURNAL_FOLDER_H

#include "base/error.h"
#include "base/id.h"
#include "collector/drain.h"

#include <limits.h>
#include <stdbool.h>

struct pl_journal_folder {
    int base_fd;  /* <db>-journal.d */
    int fd;       /* the recorder's; -1: none */
    int owner_fd; /* locked */
    char name[64];
    char path[PATH_MAX];
};

/* What a dead recorder said of itself; texts are borrowed from `text`. */
struct pl_journal_owner {
    char *text; /* owned */
    uint32_t pid;
    uint64_t pid_start;
    struct pl_drain_options options; /* `dir` may be gone by now */
    const char *host;
};

/* Make the folder of a recorder with these options. Caller's storage.
 * Errors  IO: no journal can be written; *folder_out is closed. */
PL_MUST_CHECK enum pl_status
pl_journal_folder_make(struct pl_journal_folder *folder_out,
                       const struct pl_drain_options *options, struct pl_error *err);

/* The recorder ends. `remove`: the store has everything. */
void pl_journal_folder_close(struct pl_journal_folder *folder, bool remove);

/* Call `each` for the folder of every dead recorder of the store, one after the
 * other, each locked. True from it: done with, remove the folder. What was left over
 * by a removal that did not come to its end is removed on the way. Errors  IO. */
PL_MUST_CHECK enum pl_status
pl_journal_folders(const char *db,
                   bool (*each)(void *self, struct pl_journal_folder *folder,
                                const struct pl_journal_owner *owner),
                   void *self, struct pl_error *err);

/* From now on the folder and the recording folder are only to be removed, whoever
 * finds them. */
void pl_journal_folder_done(struct pl_journal_folder *folder);

/* Keep one journal that cannot be read, instead of the one before. */
void pl_journal_folder_set_aside(struct pl_journal_folder *folder, const char *name);

#endif
