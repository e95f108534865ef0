/* Config file: lines of `key = value`, # begins a comment line. Values are taken
 * without blanks at their ends; a key said twice counts as said last.
 *
 * The file is $XDG_CONFIG_HOME/proflite/config, else ~/.config/proflite/config. */
#ifndef PL_BASE_CONFIG_H
#define PL_BASE_CONFIG_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct pl_config_entry {
    const char *key, *value; /* into the text */
    unsigned line;           /* from 1 */
    bool asked;              /* pl_config_find has found it */
};

struct pl_config {
    char *path; /* NULL: there is no place for one */
    char *text;
    struct pl_config_entry *entries;
    size_t count;
};

/* Read the user's file; one that is not there is an empty one. Caller's storage;
 * deinit also after an error.
 * Errors  INPUT a line that is no `key = value`, a file of over 64 KiB or that is no
 * regular file; IO; NOMEM. The message names file and line. */
PL_MUST_CHECK enum pl_status pl_config_read(struct pl_config *config_out,
                                            struct pl_error *err);
void pl_config_deinit(struct pl_config *config);

/* The entry of a key; NULL if there is none. Borrowed. */
const struct pl_config_entry *pl_config_find(struct pl_config *config, const char *key);

#endif
