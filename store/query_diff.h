/* Diff of two selections, with a measure of how sure each change is.
 *
 * Both sides are aggregated over one tree, so a path or a function stands once with
 * what it weighs on either side. Shares of the side's whole make sides of different
 * length comparable ("normalised"); the absolute weights are in the profile's splits.
 *
 * Is a difference more than chance? Let k of n samples hold a function on side A and
 * l of m on side B. If nothing changed, p = (k+l)/(n+m) is the share on both, and k
 * varies around n*p. The test is the two-proportion z test with Yates' continuity
 * correction, z = (|k - n*p| - 1/2) / sqrt(p*(1-p)*n*m/(n+m)), read both-sided.
 * It takes samples for independent, and samples of one run are the same thing seen
 * again: so counts are divided by a design effect, the ratio of the variance of a
 * share whose clusters are runs (Kish, Survey Sampling, 1965: a ratio estimate,
 * linearised) to that of independent samples:
 *
 *   deff = ((1-p)^2 * F + p^2 * (S-F)) / (p*(1-p) * (n+m))
 *
 * S being the sum of squared run lengths on both sides, F that of runs which have
 * the function.
 *
 * Where many functions are looked at, some differ by chance. `q` is Benjamini and
 * Hochberg's (1995) correction over all functions (or paths) of the diff: of all
 * changes with q <= .05, one in twenty is expected to be nothing.
 * What this does not know: runs of one thread are not independent either when a
 * program has phases. Two recordings of the same work say more than one. */
#ifndef PL_STORE_QUERY_DIFF_H
#define PL_STORE_QUERY_DIFF_H

#include "store/query.h"

#define PL_DIFF_Q_MOST .1 /* corrected likelihoods are told apart up to here */

struct pl_change {
    double share_a, share_b; /* of the side's whole, by weight; 0 if it is empty */
    double z;                /* > 0: more in B */
    double p, q; /* 1: no sign of a change; so is every q above PL_DIFF_Q_MOST */
};

struct pl_diff {
    struct pl_profile profile; /* columns: 0 is A, 1 is B; owned */
    struct pl_amount a, b;     /* the wholes */
    struct pl_change *self;    /* per function */
    struct pl_change *total;   /* per function, recursion once */
    double *node_q;            /* per node, with all below it */
};

/* A profile of two columns: A from `store_a`, B from `store_b`, which may be the same
 * (then the dictionary is read once). Errors  as pl_query_profile. */
PL_MUST_CHECK enum pl_status
pl_query_pair(struct pl_store *store_a, const struct pl_selection *a,
              struct pl_store *store_b, const struct pl_selection *b,
              enum pl_metric metric, struct pl_profile *profile_out,
              struct pl_error *err);

/* Compare the columns of `profile` (transformed or not), which changes owner if that
 * goes well. Deinit frees all.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_diff_take(struct pl_profile *profile,
                                          struct pl_diff *diff_out,
                                          struct pl_error *err);
void pl_diff_deinit(struct pl_diff *diff);

/* The test by itself: what of `a_whole` is `a`, what of `b_whole` is `b`; q is p. */
struct pl_change pl_change_of(const struct pl_amount *a,
                              const struct pl_amount *a_whole,
                              const struct pl_amount *b,
                              const struct pl_amount *b_whole);

#endif
