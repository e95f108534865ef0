/* A queried profile as the plain call tree that formats/ writes and draws. */
#include "web/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A module's build id, asked for once. */
struct module {
    const char *path;
    char build_id[PL_BUILD_ID_SIZE];
};

/* Names, paths and files are borrowed from the profile. */
struct flame {
    struct pl_tree tree;
    const char **names;
    struct pl_tree_place *places;
    struct pl_tree_node *nodes;
    int64_t *samples;
    bool *inlined;
    struct module **modules;
    size_t module_count;
};

/* ---- query ---- */

/* Lines that a transform would take for functions are left together. */
static bool tells_lines(const struct pl_export *export)
{
    return export->format->lines && !export->transforms->count &&
           !pl_transform_list_splits(export->transforms);
}

/* Only the tree as it is has threads on its first level for sure. */
static bool tells_threads(const struct pl_export *export)
{
    return (export->format->threads || export->transforms->threads) &&
           !export->transforms->count && !export->transforms->label;
}

enum pl_status pl_export_query(const struct pl_export *export, struct pl_store *store,
                               const struct pl_selection *selection,
                               struct pl_profile *profile_out, struct pl_error *err)
{
    if (tells_lines(export))
        return pl_query_profile_lines(store, selection, export->metric, profile_out,
                                      err);
    if (tells_threads(export))
        return pl_query_profile_threads(store, selection, export->metric, profile_out,
                                        err);
    return pl_query_transformed(store, selection, export->metric, export->transforms,
                                profile_out, err);
}

/* ---- tree ---- */

static void flame_deinit(struct flame *flame)
{
    for (size_t i = 0; i < flame->module_count; i++)
        free(flame->modules[i]);
    free(flame->modules);
    free(flame->names);
    free(flame->places);
    free(flame->nodes);
    free(flame->samples);
    free(flame->inlined);
}

static bool flame_alloc(struct flame *flame, const struct pl_profile *profile)
{
    size_t names = profile->function_count + 1, nodes = profile->node_count + 1;
    flame->names = calloc(names, sizeof *flame->names);
    flame->places = calloc(names, sizeof *flame->places);
    flame->modules = calloc(names, sizeof(struct module *));
    flame->nodes = calloc(nodes, sizeof *flame->nodes);
    flame->samples = calloc(nodes, sizeof *flame->samples);
    flame->inlined = calloc(nodes, sizeof *flame->inlined);
    return flame->names && flame->places && flame->modules && flame->nodes &&
           flame->samples && flame->inlined;
}

static enum pl_status find_build_id(struct flame *flame, struct pl_store *store,
                                    const char *path, const char **build_id_out,
                                    struct pl_error *err)
{
    *build_id_out = "";
    if (!*path)
        return PL_OK;
    for (size_t i = 0; i < flame->module_count; i++) {
        const struct module *known = flame->modules[i];
        if (known->path == path || strcmp(known->path, path) == 0) {
            *build_id_out = known->build_id;
            return PL_OK;
        }
    }
    struct module *module = calloc(1, sizeof *module);
    if (!module)
        return pl_error_set(err, PL_NOMEM, "out of memory for modules");
    flame->modules[flame->module_count++] = module;
    module->path = path;
    *build_id_out = module->build_id;
    return pl_query_build_id(store, path, module->build_id, err);
}

static enum pl_status add_functions(struct flame *flame, struct pl_store *store,
                                    const struct pl_profile *profile,
                                    struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < profile->function_count && status == PL_OK; i++) {
        const struct pl_function *function = &profile->functions[i];
        const char *build_id;
        status = find_build_id(flame, store, function->module, &build_id, err);
        flame->names[i] = function->name;
        flame->places[i] = (struct pl_tree_place){
            .module = function->module,
            .build_id = build_id,
            .file = function->file,
            .line = function->line,
        };
    }
    return status;
}

static void add_nodes(struct flame *flame, enum pl_tree_unit unit,
                      const struct pl_profile *profile)
{
    for (size_t i = 0; i < profile->node_count; i++) {
        const struct pl_node *node = &profile->nodes[i];
        bool samples = unit == PL_TREE_SAMPLES;
        flame->nodes[i] = (struct pl_tree_node){
            .parent = node->parent,
            .name = node->function == PL_NO_INDEX ? PL_TREE_NO_NAME : node->function,
            .self = samples ? node->self_samples : node->self_ns,
            .total = samples ? node->total_samples : node->total_ns,
        };
        flame->samples[i] = node->self_samples;
        flame->inlined[i] = node->inlined;
    }
}

enum pl_status pl_export_write(const struct pl_export *export, struct pl_store *store,
                               const struct pl_profile *profile, FILE *out,
                               struct pl_error *err)
{
    struct flame flame = {0};
    bool cpu = export->metric == PL_METRIC_CPU;
    enum pl_status status = PL_OK;
    if (!flame_alloc(&flame, profile))
        status = pl_error_set(err, PL_NOMEM, "out of memory for the call tree");
    if (status == PL_OK)
        status = add_functions(&flame, store, profile, err);
    if (status != PL_OK)
        goto out;
    add_nodes(&flame, export->unit, profile);
    flame.tree = (struct pl_tree){
        .title = cpu ? "CPU time" : "Wall time",
        .unit = export->unit,
        .names = flame.names,
        .name_count = profile->function_count,
        .nodes = flame.nodes,
        .node_count = profile->node_count,
        .lost = profile->lost,
        .metric = cpu ? "cpu" : "wall",
        .places = flame.places,
        .sampled_lines = tells_lines(export),
        .samples = flame.samples,
        .threads = tells_threads(export),
        .inlined = flame.inlined,
        .from_ns = profile->from_ns,
        .to_ns = profile->to_ns,
    };
    status = export->format->write(&flame.tree, out, err);
out:
    flame_deinit(&flame);
    return status;
}

enum pl_status pl_export_save(const struct pl_export *export, struct pl_store *store,
                              const struct pl_profile *profile, const char *path,
                              struct pl_error *err)
{
    if (strcmp(path, "-") == 0)
        return pl_export_write(export, store, profile, stdout, err);
    FILE *out = fopen(path, "we");
    if (!out)
        return pl_error_set(err, PL_IO, "cannot write %s: %s", path, strerror(errno));
    enum pl_status status = pl_export_write(export, store, profile, out, err);
    if (fclose(out) != 0 && status == PL_OK)
        status = pl_error_set(err, PL_IO, "cannot write %s: %s", path, strerror(errno));
    return status;
}
