/* Retention: the oldest go, by age and until the file is small enough: samples, sums of
 * hours and sums of days, each with an age of its own. */
#ifndef PL_STORE_RETENTION_H
#define PL_STORE_RETENTION_H

#include "store/store.h"

/* Sums outlive the samples if their time lies before that of the samples; samples then
 * go by whole hours, and if days outlive hours, these go by whole days (UTC). */
struct pl_retention {
    int64_t before_ns; /* parts that ended until then go; INT64_MIN: none by age */
    int64_t hours_before_ns; /* sums of hours that did; later than the above: as it */
    int64_t days_before_ns;  /* sums of days that did; likewise */
    int64_t max_bytes;       /* more go until used pages take no more; 0: no bound */
    bool dry_run;
};

struct pl_retention_result {
    int64_t parts, slots, samples;     /* gone; with dry_run what would go */
    int64_t hours, days;               /* sums of a session; likewise */
    int64_t chunks, sessions, threads; /* gone; 0 with dry_run */
    int64_t stacks;                    /* gone; with dry_run about, by age alone */
    int64_t epochs, frames, functions, modules, tags; /* gone; 0 with dry_run */
    int64_t symbol_files; /* fetched ones, gone to keep max_bytes; likewise */
    int64_t symbol_bytes; /* of those that stay */
    int64_t bytes;        /* pages freed; with dry_run about */
    int64_t used_bytes;   /* of the pages in use, after */
    int64_t file_bytes;   /* of all pages, after */
    int64_t waiting;      /* parts that would go but that the pass has not done */
    bool fits;            /* max_bytes is kept, or there is none */
};

/* In short transactions, each leaving a sound store, with pauses in which others
 * write. Of symbol files only fetched ones go, before samples, to keep max_bytes. Hours
 * are summed up before their samples go, if the sums are to stay. Stays:
 * chunks the pass or an upstream waits for, the newest chunk of a live session,
 * outcomes. The dictionary goes by epochs: stacks nothing refers to, then what they
 * alone were made of, unless the pass is at work. Past 20 % of free pages the file is
 * shortened. Errors  as a writer's; what was done until then is done and in
 * `result_out`. */
PL_MUST_CHECK enum pl_status pl_store_gc(struct pl_store *store,
                                         const struct pl_retention *retention,
                                         struct pl_retention_result *result_out,
                                         struct pl_error *err);

#endif
