/* Redaction: rules for what leaves the machine.
 *
 *   path:GLOB=TEXT         a path that begins with GLOB has TEXT there instead;
 *                          * is any part of one folder's name
 *   label:KEY              labels of that key are left out
 *   label:KEY=TEXT         have that value instead
 *   thread:GLOB=TEXT       a thread, or
 *   transaction:GLOB=TEXT  a transaction, of that name has that one; * is anything
 *
 * The first rule that fits counts. */
#ifndef PL_FORMATS_REDACT_H
#define PL_FORMATS_REDACT_H

#include "base/buf.h"

#define PL_REDACT_RULES 64

enum pl_redact_kind {
    PL_REDACT_PATH,
    PL_REDACT_LABEL,
    PL_REDACT_THREAD,
    PL_REDACT_TRANSACTION
};

struct pl_redact_rule {
    enum pl_redact_kind kind;
    char *glob;
    char *text; /* NULL: leave it out */
};

struct pl_redact {
    struct pl_redact_rule rules[PL_REDACT_RULES];
    size_t count;
};

/* Caller's storage, all zero to begin with; deinit at the end.
 * Errors  USAGE no such rule, or too many. */
PL_MUST_CHECK enum pl_status pl_redact_add(struct pl_redact *redact, const char *rule,
                                           struct pl_error *err);
void pl_redact_deinit(struct pl_redact *redact);

/* `text` as it may leave, appended as the inside of a JSON string. `redact` may be
 * NULL. */
void pl_redact_put(const struct pl_redact *redact, enum pl_redact_kind kind,
                   const char *text, struct pl_buf *out);

/* The value a label may have; NULL: it is left out. */
const char *pl_redact_label(const struct pl_redact *redact, const char *key,
                            const char *value);

#endif
