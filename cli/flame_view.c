#include "cli/flame_view.h"

#include "cli/jsonout.h"

#include <inttypes.h>
#include <stdlib.h>

static bool keeps(const struct pl_node *node, int64_t min_ns, uint32_t max_depth)
{
    return node->total_ns >= min_ns && (!max_depth || node->depth <= max_depth);
}

enum pl_status pl_flame_view_init(struct pl_flame_view *view,
                                  const struct pl_profile *profile, int64_t min_ns,
                                  uint32_t max_depth, struct pl_error *err)
{
    size_t count = profile->node_count, room = count ? count : 1;
    *view = (struct pl_flame_view){.profile = profile};
    view->shown = calloc(room, sizeof *view->shown);
    view->hidden_ns = calloc(room, sizeof *view->hidden_ns);
    view->shown_count = calloc(room, sizeof *view->shown_count);
    view->hidden_count = calloc(room, sizeof *view->hidden_count);
    if (!view->shown || !view->hidden_ns || !view->shown_count || !view->hidden_count)
        return pl_error_set(err, PL_NOMEM, "out of memory for the call tree");
    for (size_t i = 0; i < count; i++) {
        const struct pl_node *node = &profile->nodes[i];
        if (i && node->parent >= i)
            return pl_error_set(err, PL_INPUT, "the call tree is damaged");
        view->shown[i] =
            !i || (view->shown[node->parent] && keeps(node, min_ns, max_depth));
        view->shown_nodes += view->shown[i];
        if (!i || !view->shown[node->parent])
            continue;
        if (view->shown[i]) {
            view->shown_count[node->parent]++;
        } else {
            view->hidden_count[node->parent]++;
            view->hidden_ns[node->parent] += node->total_ns;
            view->all_hidden_ns += node->total_ns;
        }
    }
    return PL_OK;
}

void pl_flame_view_deinit(struct pl_flame_view *view)
{
    free(view->shown);
    free(view->hidden_ns);
    free(view->shown_count);
    free(view->hidden_count);
    *view = (struct pl_flame_view){0};
}

/* ---- JSON ---- */

/* Functions in the order the shown nodes name them first. */
struct function_map {
    uint32_t *new_index; /* by function of the profile; UINT32_MAX: not shown */
    uint32_t *old_index; /* by new index */
    size_t count;
};

static bool map_functions(const struct pl_flame_view *view, struct function_map *map)
{
    const struct pl_profile *p = view->profile;
    size_t room = p->function_count ? p->function_count : 1;
    *map = (struct function_map){
        .new_index = calloc(room, sizeof *map->new_index),
        .old_index = calloc(room, sizeof *map->old_index),
    };
    if (!map->new_index || !map->old_index)
        return false;
    for (size_t i = 0; i < p->function_count; i++)
        map->new_index[i] = UINT32_MAX;
    for (size_t i = 0; i < p->node_count; i++) {
        uint32_t function = p->nodes[i].function;
        if (!view->shown[i] || function >= p->function_count ||
            map->new_index[function] != UINT32_MAX)
            continue;
        map->old_index[map->count] = function;
        map->new_index[function] = (uint32_t)map->count++;
    }
    return true;
}

enum function_column { F_NAME, F_FILE, F_MODULE, F_LINE, F_IN_APP };

static void print_function_cell(struct pl_buf *buf, const struct pl_function *f,
                                enum function_column column)
{
    const char *text = column == F_NAME   ? f->name
                       : column == F_FILE ? f->file
                                          : f->module;
    pl_cli_json_comma(buf);
    if (column == F_LINE) {
        pl_buf_printf(buf, "%" PRIu32, f->line);
    } else if (column == F_IN_APP) {
        pl_buf_puts(buf, f->in_app < 0 ? "null" : f->in_app ? "true" : "false");
    } else {
        pl_buf_putc(buf, '"');
        pl_buf_json_escape(buf, text);
        pl_buf_putc(buf, '"');
    }
}

static void print_functions(struct pl_buf *buf, const struct pl_profile *profile,
                            const struct function_map *map)
{
    static const char *const names[] = {"name", "file", "module", "line", "in_app"};
    pl_cli_json_key(buf, "functions");
    pl_buf_putc(buf, '{');
    for (enum function_column c = F_NAME; c <= F_IN_APP; c++) {
        pl_cli_json_key(buf, names[c]);
        pl_buf_putc(buf, '[');
        for (size_t i = 0; i < map->count; i++)
            print_function_cell(buf, &profile->functions[map->old_index[i]], c);
        pl_buf_puts(buf, "]");
    }
    pl_buf_puts(buf, "}");
}

enum node_column {
    N_PARENT,
    N_FUNCTION,
    N_SELF_NS,
    N_TOTAL_NS,
    N_SELF_SAMPLES,
    N_TOTAL_SAMPLES,
    N_INLINED,
    N_HIDDEN_NS,
};

static int64_t node_cell(const struct pl_flame_view *view,
                         const struct function_map *map, const uint32_t *position,
                         size_t i, enum node_column column)
{
    const struct pl_node *node = &view->profile->nodes[i];
    bool named = node->function < view->profile->function_count;
    switch (column) {
    case N_PARENT:
        return (int64_t)position[i] - position[i ? node->parent : 0];
    case N_FUNCTION:
        return named ? (int64_t)map->new_index[node->function] : -1;
    case N_SELF_NS:
        return node->self_ns;
    case N_TOTAL_NS:
        return node->total_ns;
    case N_SELF_SAMPLES:
        return node->self_samples;
    case N_TOTAL_SAMPLES:
        return node->total_samples;
    case N_INLINED:
        return node->inlined;
    default:
        return view->hidden_ns[i];
    }
}

static bool print_nodes(struct pl_buf *buf, const struct pl_flame_view *view,
                        const struct function_map *map)
{
    static const char *const names[] = {"parent",   "function",     "self_ns",
                                        "total_ns", "self_samples", "total_samples",
                                        "inlined",  "hidden_ns"};
    size_t count = view->profile->node_count;
    uint32_t *position = calloc(count ? count : 1, sizeof *position);
    uint32_t next = 0;
    if (!position)
        return false;
    for (size_t i = 0; i < count; i++)
        if (view->shown[i])
            position[i] = next++;
    pl_cli_json_key(buf, "nodes");
    pl_buf_putc(buf, '{');
    for (enum node_column c = N_PARENT; c <= N_HIDDEN_NS; c++) {
        pl_cli_json_key(buf, names[c]);
        pl_buf_putc(buf, '[');
        for (size_t i = 0; i < count; i++) {
            if (!view->shown[i])
                continue;
            pl_cli_json_comma(buf);
            pl_buf_printf(buf, "%" PRId64, node_cell(view, map, position, i, c));
        }
        pl_buf_putc(buf, ']');
    }
    pl_buf_putc(buf, '}');
    free(position);
    return true;
}

enum pl_status pl_flame_print_json(const struct pl_flame_view *view, FILE *out,
                                   struct pl_error *err)
{
    const struct pl_profile *p = view->profile;
    struct function_map map = {0};
    struct pl_buf buf;
    enum pl_status status = PL_OK;
    pl_buf_init(&buf, 1u << 30);
    pl_buf_puts(&buf, "{\"schema\":1");
    pl_cli_json_text(&buf, "metric", p->metric == PL_METRIC_CPU ? "cpu" : "wall");
    pl_cli_json_text(&buf, "unit", "ns");
    pl_cli_json_int(&buf, "total_ns", p->total_ns);
    pl_cli_json_int(&buf, "samples", p->samples);
    pl_cli_json_int(&buf, "lost", p->lost);
    pl_cli_json_int(&buf, "from_ns", p->from_ns);
    pl_cli_json_int(&buf, "to_ns", p->to_ns);
    pl_cli_json_int(&buf, "node_count", (int64_t)p->node_count);
    pl_cli_json_int(&buf, "shown", (int64_t)view->shown_nodes);
    pl_cli_json_int(&buf, "hidden_ns", view->all_hidden_ns);
    if (map_functions(view, &map)) {
        print_functions(&buf, p, &map);
        if (!print_nodes(&buf, view, &map))
            status = PL_NOMEM;
    } else {
        status = PL_NOMEM;
    }
    pl_buf_puts(&buf, "}\n");
    if (status)
        (void)pl_error_set(err, status, "out of memory for the call tree");
    else
        status = pl_cli_json_flush(&buf, out, err);
    free(map.new_index);
    free(map.old_index);
    pl_buf_deinit(&buf);
    return status;
}

/* ---- for formats/ ---- */

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
