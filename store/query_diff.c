/* Diff: see query_diff.h. */
#include "store/query_diff.h"

#include "store/query_tree.h"

#include <math.h>
#include <stdlib.h>

/* ---- one tree ---- */

/* Add all of a profile of two columns to a tree of two. */
static bool graft(struct pl_tree *tree, const struct pl_profile *profile)
{
    uint32_t *place = malloc((profile->node_count + 1) * sizeof *place);
    bool ok = place != NULL;
    if (ok) {
        const struct pl_amount own[2] = {profile->node_split[0].self,
                                         profile->node_split[1].self};
        place[0] = PL_TREE_ROOT;
        pl_tree_add(tree, PL_TREE_ROOT, own);
    }
    for (size_t i = 1; ok && i < profile->node_count; i++) {
        const struct pl_node *node = &profile->nodes[i];
        const struct pl_function *f = &profile->functions[node->function];
        const struct pl_amount own[2] = {profile->node_split[2 * i].self,
                                         profile->node_split[2 * i + 1].self};
        uint32_t function =
            pl_tree_function(tree, f->name, f->module, f->file, f->line, f->in_app);
        ok = function != PL_NO_INDEX;
        if (ok)
            place[i] =
                pl_tree_child(tree, place[node->parent], function, node->inlined);
        ok = ok && place[i] != PL_NO_INDEX;
        if (ok)
            pl_tree_add(tree, place[i], own);
    }
    free(place);
    return ok;
}

static enum pl_status join(const struct pl_profile *a, const struct pl_profile *b,
                           struct pl_profile *profile, struct pl_error *err)
{
    struct pl_tree *tree = NULL;
    enum pl_status status = pl_tree_new(2, &tree, err);
    if (status == PL_OK && (!graft(tree, a) || !graft(tree, b)))
        status = pl_error_set(err, PL_NOMEM, "out of memory for a diff");
    if (status == PL_OK)
        status = pl_tree_finish(tree, profile, err);
    pl_tree_free(tree);
    return status;
}

static enum pl_status
pair_of_stores(struct pl_store *store_a, const struct pl_selection *a,
               struct pl_store *store_b, const struct pl_selection *b,
               enum pl_metric metric, struct pl_profile *profile, struct pl_error *err)
{
    const struct pl_selection *const first[2] = {a, NULL}, *const second[2] = {NULL, b};
    struct pl_profile left = {0}, right = {0};
    enum pl_status status = pl_query_profiles(store_a, first, 2, metric, &left, err);
    if (status == PL_OK)
        status = pl_query_profiles(store_b, second, 2, metric, &right, err);
    if (status == PL_OK)
        status = join(&left, &right, profile, err);
    if (status == PL_OK) {
        bool from_left = right.from_ns == right.to_ns ||
                         (left.from_ns != left.to_ns && left.from_ns < right.from_ns);
        profile->metric = metric;
        profile->lost = left.lost + right.lost;
        profile->from_ns = from_left ? left.from_ns : right.from_ns;
        profile->to_ns = left.to_ns > right.to_ns ? left.to_ns : right.to_ns;
    }
    pl_profile_deinit(&left);
    pl_profile_deinit(&right);
    return status;
}

enum pl_status pl_query_pair(struct pl_store *store_a, const struct pl_selection *a,
                             struct pl_store *store_b, const struct pl_selection *b,
                             enum pl_metric metric, struct pl_profile *profile_out,
                             struct pl_error *err)
{
    const struct pl_selection *const both[2] = {a, b};
    struct pl_profile profile = {0};
    enum pl_status status =
        store_a == store_b
            ? pl_query_profiles(store_a, both, 2, metric, &profile, err)
            : pair_of_stores(store_a, a, store_b, b, metric, &profile, err);
    if (status == PL_OK)
        *profile_out = profile;
    return status;
}

/* ---- is it chance? ---- */

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* z of the difference, > 0: more in B; 0 if there is no sign of one. */
static double score(const struct pl_amount *a, const struct pl_amount *a_whole,
                    const struct pl_amount *b, const struct pl_amount *b_whole)
{
    double k = (double)a->samples, l = (double)b->samples;
    double n = (double)a_whole->samples, m = (double)b_whole->samples;
    double p = ratio(k + l, n + m);
    if (n <= 0 || m <= 0 || p <= 0 || p >= 1)
        return 0;
    /* Squares of runs, of all and of those with the function. */
    double all = a_whole->squares + b_whole->squares;
    double with = ratio(a->squares + b->squares, all);
    double spread = ((1 - p) * (1 - p) * with + p * p * (1 - with)) * all / (n + m);
    double deff = spread / (p * (1 - p));
    if (!(deff >= 1)) /* no runs are known, or none is longer than one sample */
        deff = 1;
    double off = k - n * p;
    double clear = fabs(off) - .5 * deff;
    if (clear <= 0)
        return 0;
    double z = clear / sqrt(p * (1 - p) * n * m / (n + m) * deff);
    return off > 0 ? -z : z;
}

struct pl_change pl_change_of(const struct pl_amount *a,
                              const struct pl_amount *a_whole,
                              const struct pl_amount *b,
                              const struct pl_amount *b_whole)
{
    double z = score(a, a_whole, b, b_whole), p = erfc(fabs(z) / sqrt(2));
    return (struct pl_change){
        .share_a = ratio((double)a->ns, (double)a_whole->ns),
        .share_b = ratio((double)b->ns, (double)b_whole->ns),
        .z = z,
        .p = p,
        .q = p,
    };
}

/* ---- many at a time ---- */

/* A likelihood that may matter, and where its corrected form goes. */
struct candidate {
    double p, *q;
};

static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    return (a->p > b->p) - (a->p < b->p);
}

/* Benjamini-Hochberg: q of the i-th smallest p of n is the least p_j*n/j, j >= i. A p
 * above PL_DIFF_Q_MOST makes no q that is smaller, so those need not be sorted. */
static void correct(struct candidate *list, size_t count, size_t of)
{
    double least = 1;
    if (count)
        qsort(list, count, sizeof *list, compare_candidates);
    for (size_t i = count; i-- > 0;) {
        double q = list[i].p * (double)of / (double)(i + 1);
        least = q < least ? q : least;
        *list[i].q = least > PL_DIFF_Q_MOST ? 1 : least;
    }
}

static void compare_functions(struct pl_diff *diff, struct candidate *list)
{
    const struct pl_profile *profile = &diff->profile;
    size_t count = profile->function_count, found[2] = {0, 0};
    for (size_t side = 0; side < 2; side++) {
        struct pl_change *changes = side ? diff->total : diff->self;
        for (size_t i = 0; i < count; i++) {
            const struct pl_split *of = &profile->function_split[2 * i];
            changes[i] =
                side ? pl_change_of(&of[0].total, &diff->a, &of[1].total, &diff->b)
                     : pl_change_of(&of[0].self, &diff->a, &of[1].self, &diff->b);
            changes[i].q = 1;
            if (changes[i].p <= PL_DIFF_Q_MOST)
                list[found[side]++] = (struct candidate){changes[i].p, &changes[i].q};
        }
        correct(list, found[side], count);
    }
}

static void compare_nodes(struct pl_diff *diff, struct candidate *list)
{
    const struct pl_profile *profile = &diff->profile;
    size_t found = 0;
    for (size_t i = 0; i < profile->node_count; i++) {
        const struct pl_split *of = &profile->node_split[2 * i];
        double z = score(&of[0].total, &diff->a, &of[1].total, &diff->b);
        diff->node_q[i] = 1;
        if (fabs(z) > 1.6) /* p is below .11 */
            list[found++] =
                (struct candidate){erfc(fabs(z) / sqrt(2)), &diff->node_q[i]};
    }
    correct(list, found, profile->node_count);
}

static bool compare_all(struct pl_diff *diff)
{
    size_t functions = diff->profile.function_count, nodes = diff->profile.node_count;
    struct candidate *list =
        malloc(((functions > nodes ? functions : nodes) + 1) * sizeof *list);
    diff->self = malloc((functions + 1) * sizeof *diff->self);
    diff->total = malloc((functions + 1) * sizeof *diff->total);
    diff->node_q = malloc((nodes + 1) * sizeof *diff->node_q);
    bool ok = list && diff->self && diff->total && diff->node_q;
    if (ok) {
        compare_functions(diff, list);
        compare_nodes(diff, list);
    }
    free(list);
    return ok;
}

enum pl_status pl_diff_take(struct pl_profile *profile, struct pl_diff *diff_out,
                            struct pl_error *err)
{
    struct pl_diff diff = {.profile = *profile,
                           .a = profile->node_split[0].total,
                           .b = profile->node_split[1].total};
    if (!compare_all(&diff)) {
        diff.profile = (struct pl_profile){0};
        pl_diff_deinit(&diff);
        return pl_error_set(err, PL_NOMEM, "out of memory for a diff");
    }
    *diff_out = diff;
    *profile = (struct pl_profile){0};
    return PL_OK;
}

void pl_diff_deinit(struct pl_diff *diff)
{
    pl_profile_deinit(&diff->profile);
    free(diff->self);
    free(diff->total);
    free(diff->node_q);
    *diff = (struct pl_diff){0};
}
