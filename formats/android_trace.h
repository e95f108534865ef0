/* Android's profiles: an ART method trace, in base64 inside the JSON; or, of what went
 * through Relay to the profile task, in its words. */
#ifndef PL_FORMATS_ANDROID_TRACE_H
#define PL_FORMATS_ANDROID_TRACE_H

#include "formats/sent.h"

/* Samples, stacks and frames from profile->trace, or its methods and events. A sample
 * is the stretch from one method event of a thread to its next. NULL when done, else
 * the reason to reject it: profiling_invalid_base64_value,
 * profiling_invalid_sampled_profile, profiling_not_enough_samples,
 * profiling_duration_is_zero, profiling_exceed_size_limit. */
const char *pl_android_trace(struct pl_sent *profile);

#endif
