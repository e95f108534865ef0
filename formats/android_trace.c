#include "formats/android_trace.h"
const char *pl_android_trace(struct pl_sent *profile)
{
    (void)profile;
    return "profiling_invalid_sampled_profile";
}
