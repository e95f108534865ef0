/* Transforms: one aggregated profile in, another one out. Pure: nothing is asked
 * of the store, so they work on any selection, on diffs and on splits alike, and
 * what the tree weighs is never changed but for what a transform takes out, which
 * is on record in `left_out_ns`.
 *
 * "NAME" means every function of that name, whichever module it is in. */
#ifndef PL_STORE_QUERY_TRANSFORM_H
#define PL_STORE_QUERY_TRANSFORM_H

#include "store/query.h"

enum pl_transform_kind {
    PL_TRANSFORM_FOCUS,     /* from the outermost call of NAME down; the rest leaves */
    PL_TRANSFORM_CALLERS,   /* from the outermost call of NAME up: a caller is below the
                               function it calls; the rest leaves */
    PL_TRANSFORM_IGNORE,    /* stacks with NAME in them leave */
    PL_TRANSFORM_HIDE,      /* NAME's boxes go; what was in them goes to their caller */
    PL_TRANSFORM_COLLAPSE,  /* NAME and all it calls become one box */
    PL_TRANSFORM_RECURSION, /* a call of what is already running goes back there */
    PL_TRANSFORM_IN_APP,    /* hide what is known not to be the program's own */
    PL_TRANSFORM_MODULES,   /* boxes are modules; one that calls itself is one box */
    PL_TRANSFORM_FILES,     /* the same for files; modules where no file is known */
    PL_TRANSFORM_INVERT,    /* leaves first: who needs the time, then who called it */
};

struct pl_transform {
    enum pl_transform_kind kind;
    const char *function; /* NAME; NULL for those without */
};

#define PL_TRANSFORMS_MAX 64 /* of a list */

/* "focus:NAME", "callers:NAME", "ignore:NAME", "hide:NAME", "collapse:NAME",
 * "recursion", "in_app", "modules", "files", "invert"; `function` points into `text`.
 * Errors  USAGE. */
PL_MUST_CHECK enum pl_status pl_transform_parse(const char *text,
                                                struct pl_transform *transform_out,
                                                struct pl_error *err);

/* Make another profile of one; nothing is shared.  Errors  NOMEM; INPUT a tree of too
 * many boxes. */
PL_MUST_CHECK enum pl_status pl_profile_rewrite(const struct pl_profile *profile,
                                                const struct pl_transform *transform,
                                                struct pl_profile *profile_out,
                                                struct pl_error *err);

/* Replace `profile` by its transform, splits included. On error it is as before.
 * Errors  NOMEM; INPUT a tree of too many boxes. */
PL_MUST_CHECK enum pl_status pl_profile_transform(struct pl_profile *profile,
                                                  const struct pl_transform *transform,
                                                  struct pl_error *err);

/* What a user asks to be done with a tree, in order. All zero is nothing. */
struct pl_transform_list {
    struct pl_transform *list; /* owned, with their text */
    size_t count;
    bool threads; /* "threads": the first level are threads */
    char *label;  /* "labels:KEY": the first level are values of KEY; owned, nullable */
};

/* Add one more, "threads" or "labels:KEY"; one of these two, as they say what the first
 * level is, whenever they come.  Errors  USAGE; NOMEM. */
PL_MUST_CHECK enum pl_status pl_transform_list_add(struct pl_transform_list *list,
                                                   const char *text,
                                                   struct pl_error *err);
void pl_transform_list_deinit(struct pl_transform_list *list);

static inline bool pl_transform_list_splits(const struct pl_transform_list *list)
{
    return list->threads || list->label;
}

/* All of them but "threads" and "labels:KEY", in order. */
PL_MUST_CHECK enum pl_status
pl_profile_transform_all(struct pl_profile *profile,
                         const struct pl_transform_list *transforms,
                         struct pl_error *err);

/* A selection's profile, transformed.  Errors  as pl_query_profile. */
PL_MUST_CHECK enum pl_status
pl_query_transformed(struct pl_store *store, const struct pl_selection *selection,
                     enum pl_metric metric, const struct pl_transform_list *transforms,
                     struct pl_profile *profile_out, struct pl_error *err);

#endif
