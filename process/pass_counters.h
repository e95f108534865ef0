/* What the pass counts, by name: the same in memory, in `proflite process --json`, in
 * the file's counters and, as proflite_task_<name>_total, on /metrics. */
#ifndef PL_PROCESS_PASS_COUNTERS_H
#define PL_PROCESS_PASS_COUNTERS_H

#include "store/counters.h"

/* Only ever growing. The last ones go by what became of the chunk, and the file counts
 * them itself (outcomes{…}, outcome_duplicates, unsampled_profiles). */
#define PL_PASS_COUNTERS(X)                                                            \
    X(chunks)                  /* taken up */                                          \
    X(missing_keys_debug_meta) /* no images to symbolicate with */                     \
    X(missing_keys_profile)    /* no samples */                                        \
    X(symbolicate_error)                                                               \
    X(symbolicate_timeout)                                                             \
    X(frames)       /* looked up */                                                    \
    X(frames_named) /* with success */                                                 \
    X(frames_normalized)                                                               \
    X(unsampled_profiles)                                                              \
    X(outcomes_accepted)                                                               \
    X(outcomes_invalid)                                                                \
    X(duplicates) /* had an outcome already (a redo, a resend) */

#define PL_PASS_STAGES(X)                                                              \
    X(symbolicate)                                                                     \
    X(deobfuscate)                                                                     \
    X(normalize)

struct pl_pass_counters {
#define X(name) uint64_t name;
    PL_PASS_COUNTERS(X)
#undef X
#define X(name) uint64_t name##_ns, name##_runs;
    PL_PASS_STAGES(X) /* time spent, and how often */
#undef X
};

struct pl_pass_counter {
    const char *name;
    size_t offset;         /* of its uint64_t in struct pl_pass_counters */
    const char *file_name; /* in the file's counters; NULL: not by the pass */
};

/* Ends with a NULL name. */
extern const struct pl_pass_counter pl_pass_counter_list[];

uint64_t pl_pass_counter_value(const struct pl_pass_counters *counters,
                               const struct pl_pass_counter *counter);

/* What grew from `before` to `now`, for the file. Room for PL_PASS_COUNTS_MAX. */
#define PL_PASS_COUNTS_MAX 24
size_t pl_pass_counts(const struct pl_pass_counters *before,
                      const struct pl_pass_counters *now,
                      struct pl_count counts[static PL_PASS_COUNTS_MAX]);

#endif
