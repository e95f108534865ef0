/* Transforms: see query_transform.h.
 *
 * A transform says for each node of the old tree which node of the new one has its
 * self weight; totals follow. Old nodes come in pre-order, so a parent's place is
 * known before its children ask. */
#include "store/query_transform.h"

#include "store/query_tree.h"

#include <stdlib.h>
#include <string.h>

#define NOWHERE   (PL_NO_INDEX - 1) /* the node's weight leaves */
#define NODES_MAX 50000000          /* of an inverted tree */

static const struct {
    const char *name;
    bool takes_name;
} kinds[] = {
    [PL_TRANSFORM_FOCUS] = {"focus", true},
    [PL_TRANSFORM_CALLERS] = {"callers", true},
    [PL_TRANSFORM_IGNORE] = {"ignore", true},
    [PL_TRANSFORM_HIDE] = {"hide", true},
    [PL_TRANSFORM_COLLAPSE] = {"collapse", true},
    [PL_TRANSFORM_RECURSION] = {"recursion", false},
    [PL_TRANSFORM_IN_APP] = {"in_app", false},
    [PL_TRANSFORM_MODULES] = {"modules", false},
    [PL_TRANSFORM_FILES] = {"files", false},
    [PL_TRANSFORM_INVERT] = {"invert", false},
};

enum pl_status pl_transform_parse(const char *text, struct pl_transform *transform_out,
                                  struct pl_error *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i].name);
        if (strncmp(text, kinds[i].name, len) != 0)
            continue;
        if (!kinds[i].takes_name && !text[len]) {
            *transform_out = (struct pl_transform){(enum pl_transform_kind)i, NULL};
            return PL_OK;
        }
        if (kinds[i].takes_name && text[len] == ':' && text[len + 1]) {
            *transform_out =
                (struct pl_transform){(enum pl_transform_kind)i, text + len + 1};
            return PL_OK;
        }
    }
    return pl_error_set(err, PL_USAGE,
                        "'%.60s' is no transform: use focus:NAME, callers:NAME, "
                        "ignore:NAME, hide:NAME, collapse:NAME, recursion, in_app, "
                        "modules, files, invert, threads or labels:KEY",
                        text);
}

struct rewrite {
    const struct pl_profile *from;
    enum pl_transform_kind kind;
    bool *named;         /* by old function: the one the transform is about */
    uint32_t *functions; /* old -> new */
    uint32_t *place;     /* old node -> new node; NOWHERE */
    bool *inside;        /* old node: it or one above it is named */
    int64_t *left;       /* old node: samples that stay below it (IGNORE) */
    struct pl_tree *tree;
};

static void free_rewrite(struct rewrite *re)
{
    free(re->named);
    free(re->functions);
    free(re->place);
    free(re->inside);
    free(re->left);
    pl_tree_free(re->tree);
}

/* ---- functions ---- */

static uint32_t new_function(struct rewrite *re, const struct pl_function *f)
{
    if (re->kind == PL_TRANSFORM_FILES && f->file[0])
        return pl_tree_function(re->tree, f->file, "", f->file, 0, f->in_app);
    if (re->kind == PL_TRANSFORM_MODULES || re->kind == PL_TRANSFORM_FILES)
        return pl_tree_function(re->tree, f->module[0] ? f->module : "[no module]",
                                f->module, "", 0, f->in_app);
    return pl_tree_function(re->tree, f->name, f->module, f->file, f->line, f->in_app);
}

static bool prepare_functions(struct rewrite *re, const char *name)
{
    size_t count = re->from->function_count;
    re->named = calloc(count + 1, sizeof *re->named);
    re->functions = calloc(count + 1, sizeof *re->functions);
    if (!re->named || !re->functions)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct pl_function *f = &re->from->functions[i];
        re->functions[i] = new_function(re, f);
        if (re->functions[i] == PL_NO_INDEX)
            return false;
        re->named[i] = re->kind == PL_TRANSFORM_IN_APP ? f->in_app == 0
                                                       : name && !strcmp(f->name, name);
    }
    return true;
}

/* ---- nodes ---- */

static bool is_named(const struct rewrite *re, size_t i)
{
    return i && re->named[re->from->nodes[i].function];
}

/* Which nodes are under a named one, and what is left of each without those. */
static void look_around(struct rewrite *re)
{
    const struct pl_node *nodes = re->from->nodes;
    for (size_t i = 0; i < re->from->node_count; i++) {
        re->inside[i] = is_named(re, i) || (i && re->inside[nodes[i].parent]);
        re->left[i] = re->inside[i] ? 0 : nodes[i].self_samples;
    }
    for (size_t i = re->from->node_count; i-- > 1;)
        re->left[nodes[i].parent] += re->left[i];
}

static uint32_t child_of(struct rewrite *re, uint32_t parent, size_t i)
{
    const struct pl_node *node = &re->from->nodes[i];
    return pl_tree_child(re->tree, parent, re->functions[node->function],
                         node->inlined);
}

/* The path from node i up to the root, as a path down from the new root. */
static uint32_t inverted(struct rewrite *re, size_t i)
{
    uint32_t at = PL_TREE_ROOT;
    for (; i && at != PL_NO_INDEX; i = re->from->nodes[i].parent)
        at = pl_tree_child(re->tree, at, re->functions[re->from->nodes[i].function],
                           false);
    return at;
}

/* The node of the same function on the new path up from `parent`, NOWHERE if it is
 * not running there. */
static uint32_t running(const struct rewrite *re, uint32_t parent, uint32_t function)
{
    for (uint32_t at = parent; at != PL_TREE_ROOT; at = pl_tree_parent(re->tree, at))
        if (pl_tree_node_function(re->tree, at) == function)
            return at;
    return NOWHERE;
}

static uint32_t place_folded(struct rewrite *re, uint32_t parent, size_t i)
{
    uint32_t function = re->functions[re->from->nodes[i].function];
    if (re->kind == PL_TRANSFORM_RECURSION) {
        uint32_t back = running(re, parent, function);
        return back == NOWHERE ? child_of(re, parent, i) : back;
    }
    if (parent != PL_TREE_ROOT && pl_tree_node_function(re->tree, parent) == function)
        return parent;
    return child_of(re, parent, i);
}

/* Where node i (not the root) goes, given where its parent went. */
static uint32_t place_node(struct rewrite *re, uint32_t parent, size_t i)
{
    bool was_inside = re->inside[re->from->nodes[i].parent];
    switch (re->kind) {
    case PL_TRANSFORM_FOCUS:
        if (!re->inside[i])
            return NOWHERE;
        return child_of(re, was_inside ? parent : PL_TREE_ROOT, i);
    case PL_TRANSFORM_CALLERS:
        if (!re->inside[i])
            return NOWHERE;
        return was_inside ? parent : inverted(re, i);
    case PL_TRANSFORM_IGNORE:
        return re->inside[i] || !re->left[i] ? NOWHERE : child_of(re, parent, i);
    case PL_TRANSFORM_HIDE:
    case PL_TRANSFORM_IN_APP:
        return is_named(re, i) ? parent : child_of(re, parent, i);
    case PL_TRANSFORM_COLLAPSE:
        return was_inside ? parent : child_of(re, parent, i);
    case PL_TRANSFORM_INVERT:
        return re->from->nodes[i].self_samples ? inverted(re, i) : NOWHERE;
    case PL_TRANSFORM_RECURSION:
    case PL_TRANSFORM_MODULES:
    case PL_TRANSFORM_FILES:
        break;
    }
    return place_folded(re, parent, i);
}

static void add_self(struct rewrite *re, size_t i)
{
    const struct pl_profile *from = re->from;
    const struct pl_node *node = &from->nodes[i];
    if (from->columns <= 1) {
        const struct pl_amount amount = {node->self_ns, node->self_samples, 0};
        pl_tree_add(re->tree, re->place[i], &amount);
        return;
    }
    struct pl_amount amounts[PL_COLUMNS_MAX];
    for (uint32_t c = 0; c < from->columns; c++)
        amounts[c] = from->node_split[i * from->columns + c].self;
    pl_tree_add(re->tree, re->place[i], amounts);
}

static enum pl_status place_all(struct rewrite *re, struct pl_error *err)
{
    bool roots_own = re->kind != PL_TRANSFORM_FOCUS && re->kind != PL_TRANSFORM_CALLERS;
    re->place[0] = PL_TREE_ROOT;
    if (roots_own)
        add_self(re, 0);
    for (size_t i = 1; i < re->from->node_count; i++) {
        re->place[i] = place_node(re, re->place[re->from->nodes[i].parent], i);
        if (re->place[i] == NOWHERE)
            continue;
        if (re->place[i] == PL_NO_INDEX)
            return pl_error_set(err, PL_NOMEM, "out of memory for a call tree");
        if (re->place[i] > NODES_MAX)
            return pl_error_set(err, PL_INPUT,
                                "a tree of more than %d boxes: select less", NODES_MAX);
        add_self(re, i);
    }
    return PL_OK;
}

static enum pl_status rewrite(struct rewrite *re, const char *name,
                              struct pl_profile *profile_out, struct pl_error *err)
{
    size_t nodes = re->from->node_count;
    enum pl_status status = pl_tree_new(re->from->columns, &re->tree, err);
    if (status != PL_OK)
        return status;
    re->place = calloc(nodes + 1, sizeof *re->place);
    re->inside = calloc(nodes + 1, sizeof *re->inside);
    re->left = calloc(nodes + 1, sizeof *re->left);
    if (!re->place || !re->inside || !re->left || !prepare_functions(re, name))
        return pl_error_set(err, PL_NOMEM, "out of memory for a call tree");
    look_around(re);
    status = place_all(re, err);
    return status == PL_OK ? pl_tree_finish(re->tree, profile_out, err) : status;
}

enum pl_status pl_profile_rewrite(const struct pl_profile *profile,
                                  const struct pl_transform *transform,
                                  struct pl_profile *profile_out, struct pl_error *err)
{
    struct rewrite re = {.from = profile, .kind = transform->kind};
    struct pl_profile made = {.metric = profile->metric,
                              .lost = profile->lost,
                              .from_ns = profile->from_ns,
                              .to_ns = profile->to_ns};
    enum pl_status status = rewrite(&re, transform->function, &made, err);
    if (status == PL_OK) {
        made.left_out_ns = profile->left_out_ns + profile->total_ns - made.total_ns;
        *profile_out = made;
    }
    free_rewrite(&re);
    return status;
}

enum pl_status pl_profile_transform(struct pl_profile *profile,
                                    const struct pl_transform *transform,
                                    struct pl_error *err)
{
    struct pl_profile made;
    enum pl_status status = pl_profile_rewrite(profile, transform, &made, err);
    if (status == PL_OK) {
        pl_profile_deinit(profile);
        *profile = made;
    }
    return status;
}

/* ---- lists ---- */

#define LABELS "labels:"

static enum pl_status split_by(struct pl_transform_list *list, const char *text,
                               struct pl_error *err)
{
    const char *key = strchr(text, ':') ? text + strlen(LABELS) : NULL;
    if (key && !*key)
        return pl_error_set(err, PL_USAGE, "labels:KEY takes the key of a label");
    if (list->label || (key && list->threads))
        return pl_error_set(err, PL_USAGE,
                            "threads or labels:KEY: a tree has one first level");
    if (!key)
        list->threads = true;
    else if (!(list->label = strdup(key)))
        return pl_error_set(err, PL_NOMEM, "out of memory for transforms");
    return PL_OK;
}

enum pl_status pl_transform_list_add(struct pl_transform_list *list, const char *text,
                                     struct pl_error *err)
{
    struct pl_transform transform = {0};
    if (strcmp(text, "threads") == 0 || strncmp(text, LABELS, strlen(LABELS)) == 0)
        return split_by(list, text, err);
    if (list->count == PL_TRANSFORMS_MAX)
        return pl_error_set(err, PL_USAGE, "more than %d transforms",
                            PL_TRANSFORMS_MAX);
    enum pl_status status = pl_transform_parse(text, &transform, err);
    if (status != PL_OK)
        return status;
    struct pl_transform *grown = realloc(list->list, (list->count + 1) * sizeof *grown);
    if (grown)
        list->list = grown;
    char *function = transform.function ? strdup(transform.function) : NULL;
    if (!grown || (transform.function && !function)) {
        free(function);
        return pl_error_set(err, PL_NOMEM, "out of memory for transforms");
    }
    transform.function = function;
    list->list[list->count++] = transform;
    return PL_OK;
}

void pl_transform_list_deinit(struct pl_transform_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((char *)(uintptr_t)list->list[i].function);
    free(list->list);
    free(list->label);
    *list = (struct pl_transform_list){0};
}

enum pl_status pl_profile_transform_all(struct pl_profile *profile,
                                        const struct pl_transform_list *transforms,
                                        struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < transforms->count && status == PL_OK; i++)
        status = pl_profile_transform(profile, &transforms->list[i], err);
    return status;
}

enum pl_status
pl_query_transformed(struct pl_store *store, const struct pl_selection *selection,
                     enum pl_metric metric, const struct pl_transform_list *transforms,
                     struct pl_profile *profile_out, struct pl_error *err)
{
    struct pl_profile profile = {0};
    enum pl_status status =
        transforms->threads
            ? pl_query_profile_threads(store, selection, metric, &profile, err)
        : transforms->label ? pl_query_profile_labels(store, selection, metric,
                                                      transforms->label, &profile, err)
                            : pl_query_profile(store, selection, metric, &profile, err);
    if (status == PL_OK)
        status = pl_profile_transform_all(&profile, transforms, err);
    if (status == PL_OK)
        *profile_out = profile;
    else
        pl_profile_deinit(&profile);
    return status;
}
