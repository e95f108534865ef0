/* Selection parameters: the same keys and values as CLI flags and as URL
 * parameters, turned into the struct pl_selection the queries take.
 *
 *   struct pl_selection_args args;
 *   pl_selection_args_init(&args, pl_clock_wall_ns());
 *   status = pl_selection_set(&args, "from", "-1h", err);   once a flag
 *   status = pl_selection_get(&args, &selection, err);      once at the end
 *   ... query ...
 *   pl_selection_args_deinit(&args);                        frees what both own
 *
 * Keys: app, release, env (or environment), session, thread, thread_name,
 * from, to, function, label, metric. An empty value takes the key back. */
#ifndef PL_STORE_SELECTION_H
#define PL_STORE_SELECTION_H

#include "store/query.h"

/* Fields are the implementation's, but for `metric` and `uses_now`, which are
 * for reading. */
struct pl_selection_args {
    char *app, *release, *environment, *thread_name, *function; /* owned */
    int64_t *sessions, *threads;                                /* owned */
    size_t session_count, thread_count;
    struct pl_label *labels; /* owned, with their text */
    size_t label_count;
    int64_t from_ns, to_ns; /* 0: open */
    int64_t now_ns;         /* what relative times count from */
    enum pl_metric metric;  /* WALL unless set */
    bool uses_now;          /* a relative time was given: the answer moves with it */
};

/* Caller's storage. `now_ns` (Unix) is what "-1h" is relative to. */
void pl_selection_args_init(struct pl_selection_args *args, int64_t now_ns);
/* Another one that says the same.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status
pl_selection_args_copy(struct pl_selection_args *to,
                       const struct pl_selection_args *from, struct pl_error *err);
void pl_selection_args_deinit(struct pl_selection_args *args);

/* Is `key` one pl_selection_set knows? */
bool pl_selection_is_key(const char *key);

/* One key and its value; copies both. `session` and `thread` take row ids, comma
 * lists of them, and may come again (ids add up); a `thread` that is no list of
 * numbers is a thread's name. `label` takes key=value, or a key for any value of it,
 * and adds up, too. Other keys: the last one wins.
 * Errors  NOT_FOUND not a selection key; USAGE a value that makes no sense (the
 * message shows the key and what is expected); NOMEM. */
PL_MUST_CHECK enum pl_status pl_selection_set(struct pl_selection_args *args,
                                              const char *key, const char *value,
                                              struct pl_error *err);

/* A selection in one line of words: what two sides of a diff and table functions of
 * SQL are told.
 *   12,13               sessions
 *   @-2h..-1h           a time range; either end may be left out
 *   release:1.2.3       key:value or key=value, as above
 *   label:tenant=acme
 *   app:"my app"        with blanks; \" and \\ within quotes
 *   all                 everything, like no word at all
 * Errors  USAGE; NOMEM. */
PL_MUST_CHECK enum pl_status pl_selection_parse(struct pl_selection_args *args,
                                                const char *text, struct pl_error *err);

/* The selection, borrowing from `args`.
 * Errors  USAGE when it ends before it starts. */
PL_MUST_CHECK enum pl_status pl_selection_get(const struct pl_selection_args *args,
                                              struct pl_selection *selection_out,
                                              struct pl_error *err);

/* A point in time, as Unix ns:
 *   1700000000123456789        Unix nanoseconds
 *   @1700000000[.5]            Unix seconds, as date(1) takes them
 *   -1h  -90s  -1h30m  -250ms  before `now_ns`; units ns us ms s m h d w
 *   now
 *   2026-08-01[T12:30[:05[.25]][Z]]   local time unless it ends in Z
 * Errors  USAGE. */
PL_MUST_CHECK enum pl_status pl_time_parse(const char *text, int64_t now_ns,
                                           int64_t *time_ns_out, struct pl_error *err);

#endif
