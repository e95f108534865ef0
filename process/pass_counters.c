#include "process/pass_counters.h"

#include <assert.h>
#include <stddef.h>

#define AT(field) offsetof(struct pl_pass_counters, field)

const struct pl_pass_counter pl_pass_counter_list[] = {
    {"chunks", AT(chunks), "chunks"},
    {"missing_keys_debug_meta", AT(missing_keys_debug_meta), "missing_keys_debug_meta"},
    {"missing_keys_profile", AT(missing_keys_profile), "missing_keys_profile"},
    {"symbolicate_error", AT(symbolicate_error), "symbolicate_error"},
    {"symbolicate_timeout", AT(symbolicate_timeout), "symbolicate_timeout"},
    {"unsampled_profiles", AT(unsampled_profiles), NULL},
    {"outcomes_accepted", AT(outcomes_accepted), NULL},
    {"outcomes_invalid", AT(outcomes_invalid), NULL},
    {"duplicates", AT(duplicates), NULL},
    {"frames", AT(frames), "frames"},
    {"frames_named", AT(frames_named), "frames_named"},
    {"frames_normalized", AT(frames_normalized), "frames_normalized"},
#define X(stage)                                                                       \
    {#stage "_ns", AT(stage##_ns), "stage_ns{stage=\"" #stage "\"}"},                  \
        {#stage "_runs", AT(stage##_runs), "stage_runs{stage=\"" #stage "\"}"},
    PL_PASS_STAGES(X)
#undef X
        {NULL, 0, NULL},
};

static_assert(sizeof pl_pass_counter_list / sizeof pl_pass_counter_list[0] - 1 ==
                      sizeof(struct pl_pass_counters) / sizeof(uint64_t) &&
                  sizeof(struct pl_pass_counters) / sizeof(uint64_t) <=
                      PL_PASS_COUNTS_MAX,
              "the list has each counter");

uint64_t pl_pass_counter_value(const struct pl_pass_counters *counters,
                               const struct pl_pass_counter *counter)
{
    return *(const uint64_t *)((const char *)counters + counter->offset);
}

size_t pl_pass_counts(const struct pl_pass_counters *before,
                      const struct pl_pass_counters *now,
                      struct pl_count counts[static PL_PASS_COUNTS_MAX])
{
    size_t count = 0;
    for (const struct pl_pass_counter *c = pl_pass_counter_list; c->name; c++) {
        uint64_t by = pl_pass_counter_value(now, c) - pl_pass_counter_value(before, c);
        if (c->file_name && by)
            counts[count++] = (struct pl_count){c->file_name, (int64_t)by};
    }
    return count;
}
