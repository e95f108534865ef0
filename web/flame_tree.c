#include "web/flame_tree.h"

#include <stdlib.h>

enum pl_status pl_flame_tree_init(struct pl_flame_tree *flame,
                                  const struct pl_profile *profile,
                                  enum pl_tree_unit unit, const char *title,
                                  struct pl_error *err)
{
    *flame = (struct pl_flame_tree){0};
    flame->names = calloc(profile->function_count + 1, sizeof *flame->names);
    flame->nodes = calloc(profile->node_count + 1, sizeof *flame->nodes);
    if (!flame->names || !flame->nodes)
        return pl_error_set(err, PL_NOMEM, "out of memory for the call tree");
    for (size_t i = 0; i < profile->function_count; i++)
        flame->names[i] = profile->functions[i].name;
    for (size_t i = 0; i < profile->node_count; i++) {
        const struct pl_node *node = &profile->nodes[i];
        bool samples = unit == PL_TREE_SAMPLES;
        flame->nodes[i] = (struct pl_tree_node){
            .parent = node->parent,
            .name = node->function == PL_NO_INDEX ? PL_TREE_NO_NAME : node->function,
            .self = samples ? node->self_samples : node->self_ns,
            .total = samples ? node->total_samples : node->total_ns,
        };
    }
    flame->tree = (struct pl_tree){
        .title = title,
        .unit = unit,
        .names = flame->names,
        .name_count = profile->function_count,
        .nodes = flame->nodes,
        .node_count = profile->node_count,
        .lost = profile->lost,
    };
    return PL_OK;
}

void pl_flame_tree_deinit(struct pl_flame_tree *flame)
{
    free(flame->names);
    free(flame->nodes);
    *flame = (struct pl_flame_tree){0};
}
