#include "store/query_sandwich.h"

#include <string.h>

static struct pl_amount self_of(const struct pl_profile *profile, const char *function)
{
    struct pl_amount self = {0};
    for (size_t i = 0; i < profile->function_count; i++)
        if (strcmp(profile->functions[i].name, function) == 0) {
            self.ns += profile->functions[i].self_ns;
            self.samples += profile->functions[i].self_samples;
        }
    return self;
}

enum pl_status pl_query_sandwich(struct pl_store *store,
                                 const struct pl_selection *selection,
                                 enum pl_metric metric,
                                 const struct pl_transform_list *transforms,
                                 const char *function, struct pl_sandwich *sandwich_out,
                                 struct pl_error *err)
{
    const struct pl_transform up = {PL_TRANSFORM_CALLERS, function};
    const struct pl_transform down = {PL_TRANSFORM_FOCUS, function};
    struct pl_profile whole = {0};
    struct pl_sandwich made = {0};
    enum pl_status status =
        pl_query_transformed(store, selection, metric, transforms, &whole, err);
    if (status == PL_OK)
        status = pl_profile_rewrite(&whole, &up, &made.callers, err);
    if (status == PL_OK)
        status = pl_profile_rewrite(&whole, &down, &made.callees, err);
    if (status == PL_OK) {
        made.whole =
            (struct pl_amount){whole.total_ns + whole.left_out_ns, whole.samples, 0};
        made.self = self_of(&whole, function);
        *sandwich_out = made;
    } else {
        pl_sandwich_deinit(&made);
    }
    pl_profile_deinit(&whole);
    return status;
}

void pl_sandwich_deinit(struct pl_sandwich *sandwich)
{
    pl_profile_deinit(&sandwich->callers);
    pl_profile_deinit(&sandwich->callees);
    *sandwich = (struct pl_sandwich){0};
}
