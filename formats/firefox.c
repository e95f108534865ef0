/* Profile tree -> one table a thread for each of stacks, frames, functions, resources
 * (modules) and texts. Functions and frames are the names of the tree; node i of a
 * thread's subtree is its stack i. */
#include "formats/firefox.h"

#include "formats/numbering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GECKO_VERSION     30 /* of the format the processed one is made from */
#define PROCESSED_VERSION 50

#define TEXT_LIMIT  ((size_t)1 << 30) /* bytes of a thread's texts and numbers */
#define ONE_TEXT    ((size_t)1 << 20)
#define NO_FUNCTION UINT32_MAX

struct function {
    uint32_t name, file, resource; /* resource 0: none */
    uint32_t line;
};

struct thread {
    const struct pl_tree *tree;
    FILE *out;
    size_t first, end; /* nodes; first is the thread, or the root */
    struct pl_budget budget;
    struct pl_texts texts;
    struct pl_numbering resources; /* texts: module */
    struct function *functions;    /* room for all names and one more */
    uint32_t function_count;
    uint32_t *function_of; /* per name of the tree */
    struct pl_buf *scratch;
};

/* ---- JSON ---- */

static void put_text(struct thread *t, const char *text)
{
    pl_buf_clear(t->scratch);
    pl_buf_json_escape(t->scratch, text);
    if (t->scratch->failed)
        t->budget.exceeded = true;
    (void)fprintf(t->out, "\"%.*s\"", (int)t->scratch->len,
                  t->scratch->len ? t->scratch->data : "");
}

/* "name":[item,item,...] with the same item each time. */
static void put_same(FILE *out, const char *name, const char *item, size_t count)
{
    (void)fprintf(out, "\"%s\":[", name);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, i ? ",%s" : "%s", item);
    (void)fputs("],", out);
}

/* A number that counts from 1, as one from 0; 0 is `none`. */
static void put_number(FILE *out, uint32_t number, const char *none)
{
    if (number)
        (void)fprintf(out, "%u", number - 1);
    else
        (void)fputs(none, out);
}

static void put_comma(FILE *out, size_t i)
{
    if (i)
        (void)fputc(',', out);
}

/* Nanoseconds as milliseconds, exactly; or a count. */
static void put_weight(const struct thread *t, int64_t weight)
{
    if (t->tree->unit == PL_TREE_NS)
        (void)fprintf(t->out, "%lld.%06lld", (long long)(weight / 1000000),
                      (long long)(weight % 1000000));
    else
        (void)fprintf(t->out, "%lld", (long long)weight);
}

/* ---- what the thread has ---- */

static void add_function(struct thread *t, const char *name,
                         const struct pl_tree_place *place)
{
    struct function *function = &t->functions[t->function_count++];
    *function =
        (struct function){.name = pl_texts_add(&t->texts, *name ? name : "[unknown]")};
    if (!place)
        return;
    function->file = pl_texts_add(&t->texts, place->file);
    function->line = place->line;
    if (place->module && *place->module)
        function->resource =
            pl_number(&t->resources, &t->budget,
                      (struct pl_key){{pl_texts_add(&t->texts, place->module)}});
}

static bool has_stackless(const struct thread *t)
{
    return t->first < t->end && t->tree->nodes[t->first].self;
}

/* The last function, if samples have no stack, says so. */
static void gather(struct thread *t)
{
    const struct pl_tree *tree = t->tree;
    for (size_t i = 0; i < tree->name_count; i++)
        t->function_of[i] = NO_FUNCTION;
    for (size_t i = t->first + 1; i < t->end; i++) {
        uint32_t name = tree->nodes[i].name;
        if (t->function_of[name] != NO_FUNCTION)
            continue;
        t->function_of[name] = t->function_count;
        add_function(t, tree->names[name], tree->places ? &tree->places[name] : NULL);
    }
    if (has_stackless(t))
        add_function(t, "[no stack]", NULL);
}

/* Stacks: one a node, and one for samples without. */
static size_t stack_count(const struct thread *t)
{
    return t->first < t->end ? t->end - t->first - 1 + has_stackless(t) : 0;
}

/* ---- tables ---- */

static size_t put_sample_stacks(const struct thread *t)
{
    size_t count = 0;
    (void)fputs("\"samples\":{\"stack\":[", t->out);
    for (size_t i = t->first; i < t->end; i++) {
        if (!t->tree->nodes[i].self)
            continue;
        put_comma(t->out, count++);
        (void)fprintf(t->out, "%zu",
                      i == t->first ? stack_count(t) - 1 : i - t->first - 1);
    }
    return count;
}

static void put_samples(const struct thread *t)
{
    bool first = true;
    int64_t time = 0;
    size_t count = put_sample_stacks(t);
    (void)fputs("],\"time\":[", t->out);
    for (size_t i = t->first; i < t->end; i++) {
        if (!t->tree->nodes[i].self)
            continue;
        put_comma(t->out, !first);
        put_weight(t, time);
        time += t->tree->nodes[i].self;
        first = false;
    }
    first = true;
    (void)fputs("],\"weight\":[", t->out);
    for (size_t i = t->first; i < t->end; i++) {
        if (!t->tree->nodes[i].self)
            continue;
        put_comma(t->out, !first);
        put_weight(t, t->tree->nodes[i].self);
        first = false;
    }
    (void)fprintf(t->out, "],\"weightType\":\"%s\",\"length\":%zu},\n",
                  t->tree->unit == PL_TREE_NS ? "tracing-ms" : "samples", count);
}

static void put_stacks(const struct thread *t)
{
    size_t count = stack_count(t);
    (void)fputs("\"stackTable\":{\"frame\":[", t->out);
    for (size_t i = t->first + 1; i < t->end; i++) {
        put_comma(t->out, i - t->first - 1);
        (void)fprintf(t->out, "%u", t->function_of[t->tree->nodes[i].name]);
    }
    if (has_stackless(t)) {
        put_comma(t->out, count - 1);
        (void)fprintf(t->out, "%u", t->function_count - 1);
    }
    (void)fputs("],\"prefix\":[", t->out);
    for (size_t i = t->first + 1; i < t->end; i++) {
        put_comma(t->out, i - t->first - 1);
        put_number(t->out, t->tree->nodes[i].parent - (uint32_t)t->first, "null");
    }
    if (has_stackless(t))
        (void)fputs(count > 1 ? ",null" : "null", t->out);
    (void)fputs("],", t->out);
    put_same(t->out, "category", "0", count);
    put_same(t->out, "subcategory", "0", count);
    (void)fprintf(t->out, "\"length\":%zu},\n", count);
}

static void put_frames(const struct thread *t)
{
    static const char *const empty[] = {"nativeSymbol", "innerWindowID",
                                        "implementation", "line", "column"};
    (void)fputs("\"frameTable\":{\"func\":[", t->out);
    for (uint32_t i = 0; i < t->function_count; i++) {
        put_comma(t->out, i);
        (void)fprintf(t->out, "%u", i);
    }
    (void)fputs("],", t->out);
    put_same(t->out, "address", "-1", t->function_count);
    put_same(t->out, "inlineDepth", "0", t->function_count);
    put_same(t->out, "category", "0", t->function_count);
    put_same(t->out, "subcategory", "0", t->function_count);
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        put_same(t->out, empty[i], "null", t->function_count);
    (void)fprintf(t->out, "\"length\":%u},\n", t->function_count);
}

static void put_functions(const struct thread *t)
{
    (void)fputs("\"funcTable\":{\"name\":[", t->out);
    for (uint32_t i = 0; i < t->function_count; i++) {
        put_comma(t->out, i);
        (void)fprintf(t->out, "%u", t->functions[i].name);
    }
    (void)fputs("],\"resource\":[", t->out);
    for (uint32_t i = 0; i < t->function_count; i++) {
        put_comma(t->out, i);
        put_number(t->out, t->functions[i].resource, "-1");
    }
    (void)fputs("],\"fileName\":[", t->out);
    for (uint32_t i = 0; i < t->function_count; i++) {
        put_comma(t->out, i);
        put_number(t->out, t->functions[i].file ? t->functions[i].file + 1 : 0, "null");
    }
    (void)fputs("],\"lineNumber\":[", t->out);
    for (uint32_t i = 0; i < t->function_count; i++) {
        put_comma(t->out, i);
        put_number(t->out, t->functions[i].line ? t->functions[i].line + 1 : 0, "null");
    }
    (void)fputs("],", t->out);
    put_same(t->out, "columnNumber", "null", t->function_count);
    put_same(t->out, "isJS", "false", t->function_count);
    put_same(t->out, "relevantForJS", "false", t->function_count);
    (void)fprintf(t->out, "\"length\":%u},\n", t->function_count);
}

/* type 1 is a library */
static void put_resources(const struct thread *t)
{
    size_t count = t->resources.count;
    (void)fputs("\"resourceTable\":{\"name\":[", t->out);
    for (size_t i = 0; i < count; i++) {
        put_comma(t->out, i);
        (void)fprintf(t->out, "%u", t->resources.keys[i].part[0]);
    }
    (void)fputs("],", t->out);
    put_same(t->out, "lib", "null", count);
    put_same(t->out, "host", "null", count);
    put_same(t->out, "type", "1", count);
    (void)fprintf(t->out, "\"length\":%zu},\n", count);
}

static void put_tables(struct thread *t)
{
    put_samples(t);
    put_stacks(t);
    put_frames(t);
    put_functions(t);
    put_resources(t);
    (void)fputs("\"markers\":{\"data\":[],\"name\":[],\"startTime\":[],\"endTime\":[],"
                "\"phase\":[],\"category\":[],\"length\":0},\n"
                "\"nativeSymbols\":{\"libIndex\":[],\"address\":[],\"name\":[],"
                "\"functionSize\":[],\"length\":0},\n"
                "\"stringArray\":[",
                t->out);
    for (size_t i = 0; i < pl_texts_count(&t->texts); i++) {
        put_comma(t->out, i);
        put_text(t, pl_texts_get(&t->texts, i));
    }
    (void)fputs("]}", t->out);
}

/* ---- threads ---- */

static void put_thread(struct thread *t, const char *name, unsigned number)
{
    t->budget.used = 0;
    pl_texts_init(&t->texts, &t->budget);
    t->function_count = 0;
    gather(t);
    (void)fputs(number > 1 ? ",\n{\"name\":" : "\n{\"name\":", t->out);
    put_text(t, name);
    (void)fprintf(t->out,
                  ",\"isMainThread\":%s,\"pid\":\"1\",\"tid\":%u,"
                  "\"processType\":\"default\",\"processStartupTime\":0,"
                  "\"processShutdownTime\":null,\"registerTime\":0,"
                  "\"unregisterTime\":null,\"pausedRanges\":[],\n",
                  number == 1 ? "true" : "false", number);
    put_tables(t);
    pl_texts_deinit(&t->texts);
    pl_numbering_deinit(&t->resources);
}

static size_t end_of(const struct pl_tree *tree, const uint32_t *depths, size_t first)
{
    size_t end = first + 1;
    while (end < tree->node_count && depths[end] > depths[first])
        end++;
    return end;
}

static void put_threads(struct thread *t, const uint32_t *depths)
{
    const struct pl_tree *tree = t->tree;
    unsigned number = 0;
    if (!tree->threads || tree->node_count < 2 || tree->nodes[0].self) {
        t->first = 0;
        t->end = tree->node_count;
        put_thread(t, tree->title ? tree->title : "all", 1);
        return;
    }
    for (t->first = 1; t->first < tree->node_count; t->first = t->end) {
        t->end = end_of(tree, depths, t->first);
        put_thread(t, tree->names[tree->nodes[t->first].name], ++number);
    }
}

static void put_meta(const struct thread *t)
{
    const struct pl_tree *tree = t->tree;
    int64_t samples = 0;
    double interval = 1;
    for (size_t i = 0; tree->samples && i < tree->node_count; i++)
        samples += tree->samples[i];
    if (samples && tree->unit == PL_TREE_NS)
        interval = (double)tree->nodes[0].total / (double)samples / 1e6;
    (void)fprintf(
        t->out,
        "{\"meta\":{\"version\":%d,\"preprocessedProfileVersion\":%d,"
        "\"product\":\"proflite\",\"importedFrom\":\"proflite\",\"interval\":%.6f,"
        "\"startTime\":%lld,\"processType\":0,\"stackwalk\":0,\"debug\":false,"
        "\"categories\":[{\"name\":\"Other\",\"color\":\"grey\","
        "\"subcategories\":[\"Other\"]}],"
        "\"markerSchema\":[],\"symbolicationNotSupported\":true,"
        "\"usesOnlyOneStackType\":true,\"doesNotUseFrameImplementation\":true,"
        "\"sourceCodeIsNotOnSearchfox\":true,\"keepProfileThreadOrder\":true,"
        "\"extra\":[{\"label\":\"proflite\",\"entries\":[{\"label\":\"Lost samples\","
        "\"format\":\"integer\",\"value\":%lld}]}]},\n\"libs\":[],\n\"threads\":[",
        GECKO_VERSION, PROCESSED_VERSION, interval,
        (long long)(tree->from_ns / 1000000), (long long)tree->lost);
}

enum pl_status pl_firefox_write(const struct pl_tree *tree, FILE *out,
                                struct pl_error *err)
{
    struct pl_buf scratch;
    struct thread t = {.tree = tree, .out = out, .budget = {.limit = TEXT_LIMIT}};
    uint32_t *depths = NULL, deepest = 0;
    enum pl_status status = pl_tree_depths(tree, &depths, &deepest, err);
    if (status != PL_OK)
        return status;
    pl_buf_init(&scratch, ONE_TEXT);
    t.scratch = &scratch;
    t.functions = calloc(tree->name_count + 1, sizeof *t.functions);
    t.function_of = calloc(tree->name_count + 1, sizeof *t.function_of);
    if (t.functions && t.function_of) {
        put_meta(&t);
        put_threads(&t, depths);
        (void)fputs("\n]}\n", out);
    }
    if (!t.functions || !t.function_of || t.budget.exceeded)
        status = pl_error_set(err, PL_NOMEM, "out of memory for the profile");
    else if (fflush(out) != 0 || ferror(out))
        status =
            pl_error_set(err, PL_IO, "cannot write the profile: %s", strerror(errno));
    pl_buf_deinit(&scratch);
    free(t.functions);
    free(t.function_of);
    free(depths);
    return status;
}
