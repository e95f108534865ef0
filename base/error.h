/* Status codes and the error record every fallible function fills.
 *
 * A function that can fail returns enum pl_status and takes a nullable
 * `struct pl_error *` last. The record is a fixed buffer: reporting an error
 * never allocates. The message is one line a person can act on: what failed,
 * why, what to do next. */
#ifndef PL_BASE_ERROR_H
#define PL_BASE_ERROR_H

#define PL_MUST_CHECK        __attribute__((warn_unused_result))
#define PL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* name, the exit code a command ends with when this is its last word */
#define PL_STATUS_LIST(X)                                                              \
    X(OK, 0)          /* done */                                                       \
    X(NOT_FOUND, 1)   /* nothing matches what was asked for */                         \
    X(USAGE, 2)       /* the caller asked for something that makes no sense */         \
    X(INPUT, 3)       /* bytes from outside are not what they claim to be */           \
    X(IO, 4)          /* file, socket or operating system said no */                   \
    X(PARTIAL, 5)     /* done, but not all of it */                                    \
    X(BUSY, 4)        /* a lock was not to be had in time; trying again may work */    \
    X(NOMEM, 4)       /* out of memory */                                              \
    X(UNSUPPORTED, 4) /* this machine or build cannot do it */

enum pl_status {
#define X(name, code) PL_##name,
    PL_STATUS_LIST(X)
#undef X
};

struct pl_error {
    enum pl_status status;
    char message[512];
};

/* Fill `err` (which may be NULL) and return `status`, so that failing is one
 * line: `return pl_error_set(err, PL_IO, "cannot open %s: %s", ...)`.
 * Errors  none.  Threads  any (own record).  Signals  unsafe. */
enum pl_status pl_error_set(struct pl_error *err, enum pl_status status,
                            const char *format, ...) PL_PRINTF(3, 4);

/* The documented process exit code for a status (0 to 5). */
int pl_status_exit_code(enum pl_status status);

/* "OK", "NOT_FOUND", ... Static storage. */
const char *pl_status_name(enum pl_status status);

#endif
