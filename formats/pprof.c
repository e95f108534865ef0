/* Profile tree -> profile.proto.
 *
 * Two serialized messages in a row are one with the repeated fields of both. So a
 * profile is written as many small ones, each with one sample, function or text, and
 * what is held in memory is only how things are numbered:
 *
 *   node -> samples -> locations -> functions -> texts
 *                          └──────> mappings ──────┘
 *
 * A location is a name, inlined into another location or not. */
#include "formats/pprof.h"

#include "formats/gzip.h"
#include "formats/pprof.pb-c.h"
#include "formats/numbering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT ((size_t)1 << 30) /* bytes of all texts and numbers */

struct profile {
    const struct pl_tree *tree;
    struct pl_budget budget;
    struct pl_texts texts;
    struct pl_numbering mappings;  /* texts: file, build id */
    struct pl_numbering functions; /* texts: name, file; line of the declaration */
    struct pl_numbering
        locations;           /* function, mapping, line, location it is inlined in */
    uint32_t *node_location; /* per node */
    ProtobufCBuffer sink;    /* gzip */
    struct pl_gzip *gzip;
};

/* ---- locations of nodes ---- */

static uint32_t location_of(struct profile *p, const char *name,
                            const struct pl_tree_place *place, uint32_t inlined_into)
{
    static const struct pl_tree_place nowhere = {"", "", "", 0};
    uint32_t mapping = 0, declared = 0;
    if (!place)
        place = &nowhere;
    if (!p->tree->sampled_lines)
        declared = place->line;
    if (place->module && *place->module)
        mapping =
            pl_number(&p->mappings, &p->budget,
                      (struct pl_key){{pl_texts_add(&p->texts, place->module),
                                       pl_texts_add(&p->texts, place->build_id)}});
    uint32_t function =
        pl_number(&p->functions, &p->budget,
                  (struct pl_key){{pl_texts_add(&p->texts, *name ? name : "[unknown]"),
                                   pl_texts_add(&p->texts, place->file), declared}});
    return pl_number(&p->locations, &p->budget,
                     (struct pl_key){{function, mapping, place->line, inlined_into}});
}

static bool is_inlined(const struct pl_tree *tree, size_t i)
{
    return tree->inlined && tree->inlined[i] && tree->nodes[i].parent;
}

/* CPU time of a stack may be nothing, and its samples still count. */
static bool has_own(const struct pl_tree *tree, size_t node)
{
    return tree->nodes[node].self || (tree->samples && tree->samples[node]);
}

static void number_nodes(struct profile *p)
{
    const struct pl_tree *tree = p->tree;
    if (tree->node_count && has_own(tree, 0))
        p->node_location[0] = location_of(p, "[no stack]", NULL, 0);
    for (size_t i = 1; i < tree->node_count; i++) {
        const struct pl_tree_node *node = &tree->nodes[i];
        p->node_location[i] = location_of(
            p, tree->names[node->name], tree->places ? &tree->places[node->name] : NULL,
            is_inlined(tree, i) ? p->node_location[node->parent] : 0);
    }
}

/* ---- messages ---- */

static void put(struct profile *p, const Pprof__Profile *part)
{
    (void)protobuf_c_message_pack_to_buffer(&part->base, &p->sink);
}

static void append(ProtobufCBuffer *sink, size_t len, const uint8_t *bytes)
{
    struct profile *p =
        (struct profile *)((char *)sink - offsetof(struct profile, sink));
    pl_gzip_write(p->gzip, bytes, len);
}

/* What the values of samples are, in their order. */
static size_t value_types(struct profile *p, Pprof__ValueType types[2])
{
    size_t count = 0;
    if (p->tree->samples || p->tree->unit == PL_TREE_SAMPLES) {
        pprof__value_type__init(&types[count]);
        types[count].type = pl_texts_add(&p->texts, "samples");
        types[count++].unit = pl_texts_add(&p->texts, "count");
    }
    if (p->tree->unit == PL_TREE_NS) {
        pprof__value_type__init(&types[count]);
        types[count].type =
            pl_texts_add(&p->texts, p->tree->metric ? p->tree->metric : "wall");
        types[count++].unit = pl_texts_add(&p->texts, "nanoseconds");
    }
    return count;
}

static int64_t samples_in_all(const struct pl_tree *tree)
{
    int64_t sum = 0;
    for (size_t i = 0; tree->samples && i < tree->node_count; i++)
        sum += tree->samples[i];
    return sum;
}

static void put_head(struct profile *p)
{
    const struct pl_tree *tree = p->tree;
    Pprof__Profile head = PPROF__PROFILE__INIT;
    Pprof__ValueType types[2], *type_of[2] = {&types[0], &types[1]};
    char lost[64];
    int64_t comments[2], samples = samples_in_all(tree);
    head.n_sample_type = value_types(p, types);
    head.sample_type = type_of;
    head.time_nanos = tree->from_ns;
    head.duration_nanos = tree->to_ns - tree->from_ns;
    if (tree->unit == PL_TREE_NS && samples) {
        head.period_type = type_of[head.n_sample_type - 1];
        head.period = tree->nodes[0].total / samples;
    }
    if (tree->title)
        comments[head.n_comment++] = pl_texts_add(&p->texts, tree->title);
    (void)snprintf(lost, sizeof lost, "samples lost: %lld", (long long)tree->lost);
    if (tree->lost)
        comments[head.n_comment++] = pl_texts_add(&p->texts, lost);
    head.comment = comments;
    put(p, &head);
}

static void put_sample(struct profile *p, size_t i, uint64_t *stack)
{
    const struct pl_tree *tree = p->tree;
    Pprof__Sample sample = PPROF__SAMPLE__INIT, *one = &sample;
    Pprof__Profile part = PPROF__PROFILE__INIT;
    int64_t values[2];
    if (tree->samples)
        values[sample.n_value++] = tree->samples[i];
    if (!tree->samples || tree->unit == PL_TREE_NS)
        values[sample.n_value++] = tree->nodes[i].self;
    sample.value = values;
    sample.location_id = stack;
    size_t at = i;
    do {
        stack[sample.n_location_id++] = p->node_location[at];
        while (is_inlined(tree, at))
            at = tree->nodes[at].parent;
        at = tree->nodes[at].parent;
    } while (at);
    part.sample = &one;
    part.n_sample = 1;
    put(p, &part);
}

static void put_mappings(struct profile *p)
{
    for (size_t i = 0; i < p->mappings.count; i++) {
        Pprof__Mapping mapping = PPROF__MAPPING__INIT, *one = &mapping;
        Pprof__Profile part = PPROF__PROFILE__INIT;
        mapping.id = i + 1;
        mapping.filename = p->mappings.keys[i].part[0];
        mapping.build_id = p->mappings.keys[i].part[1];
        mapping.has_functions = mapping.has_filenames = true;
        mapping.has_line_numbers = mapping.has_inline_frames = true;
        part.mapping = &one;
        part.n_mapping = 1;
        put(p, &part);
    }
}

/* `lines` and `line_of` have room for the longest chain of inlined calls. */
static void put_locations(struct profile *p, Pprof__Line *lines, Pprof__Line **line_of)
{
    for (size_t i = 0; i < p->locations.count; i++) {
        Pprof__Location location = PPROF__LOCATION__INIT, *one = &location;
        Pprof__Profile part = PPROF__PROFILE__INIT;
        location.id = i + 1;
        location.mapping_id = p->locations.keys[i].part[1];
        for (size_t at = i + 1; at; at = p->locations.keys[at - 1].part[3]) {
            Pprof__Line *line = &lines[location.n_line];
            pprof__line__init(line);
            line->function_id = p->locations.keys[at - 1].part[0];
            line->line = p->locations.keys[at - 1].part[2];
            line_of[location.n_line++] = line;
        }
        location.line = line_of;
        part.location = &one;
        part.n_location = 1;
        put(p, &part);
    }
}

static void put_functions(struct profile *p)
{
    for (size_t i = 0; i < p->functions.count; i++) {
        Pprof__Function function = PPROF__FUNCTION__INIT, *one = &function;
        Pprof__Profile part = PPROF__PROFILE__INIT;
        function.id = i + 1;
        function.name = function.system_name = p->functions.keys[i].part[0];
        function.filename = p->functions.keys[i].part[1];
        function.start_line = p->functions.keys[i].part[2];
        part.function = &one;
        part.n_function = 1;
        put(p, &part);
    }
}

static void put_texts(struct profile *p)
{
    for (size_t i = 0; i < pl_texts_count(&p->texts); i++) {
        Pprof__Profile part = PPROF__PROFILE__INIT;
        char *text = pl_texts_get(&p->texts, i);
        part.string_table = &text;
        part.n_string_table = 1;
        put(p, &part);
    }
}

static enum pl_status put_profile(struct profile *p, uint32_t deepest,
                                  struct pl_error *err)
{
    size_t longest = (size_t)deepest + 1;
    uint64_t *stack = calloc(longest, sizeof *stack);
    Pprof__Line *lines = calloc(longest, sizeof *lines);
    Pprof__Line **line_of = calloc(longest, sizeof *line_of);
    bool ok = stack && lines && line_of;
    if (ok) {
        put_head(p);
        for (size_t i = 0; i < p->tree->node_count; i++)
            if (has_own(p->tree, i))
                put_sample(p, i, stack);
        put_mappings(p);
        put_locations(p, lines, line_of);
        put_functions(p);
        put_texts(p);
    }
    free(stack);
    free(lines);
    free(line_of);
    return ok && !p->budget.exceeded
               ? PL_OK
               : pl_error_set(err, PL_NOMEM, "out of memory for the profile");
}

static void profile_deinit(struct profile *p)
{
    pl_texts_deinit(&p->texts);
    pl_numbering_deinit(&p->mappings);
    pl_numbering_deinit(&p->functions);
    pl_numbering_deinit(&p->locations);
    free(p->node_location);
}

enum pl_status pl_pprof_write(const struct pl_tree *tree, FILE *out,
                              struct pl_error *err)
{
    struct profile p = {.tree = tree, .budget = {.limit = TEXT_LIMIT}};
    struct pl_error end_err = {0};
    uint32_t *depths = NULL, deepest = 0;
    enum pl_status status = pl_tree_depths(tree, &depths, &deepest, err);
    free(depths);
    if (status != PL_OK)
        return status;
    p.sink.append = append;
    pl_texts_init(&p.texts, &p.budget);
    p.node_location = calloc(tree->node_count + 1, sizeof *p.node_location);
    p.gzip = pl_gzip_begin(out);
    if (p.node_location && p.gzip) {
        number_nodes(&p);
        status = put_profile(&p, deepest, err);
    } else {
        status = pl_error_set(err, PL_NOMEM, "out of memory for the profile");
    }
    enum pl_status end = pl_gzip_end(p.gzip, status == PL_OK ? err : &end_err);
    if (status == PL_OK)
        status = end;
    if (status == PL_OK && (fflush(out) != 0 || ferror(out)))
        status =
            pl_error_set(err, PL_IO, "cannot write the profile: %s", strerror(errno));
    profile_deinit(&p);
    return status;
}
