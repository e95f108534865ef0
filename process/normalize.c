#include "process/normalize.h"

#include "process/paths.h"

#include <stdlib.h>
#include <string.h>

static bool has_prefix(const char *text, const char *prefix)
{
    return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool holds(const char *text, const char *part)
{
    return text && strstr(text, part);
}

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

static bool begins_with(const char *text, const char *prefix, size_t length)
{
    return text && strncmp(text, prefix, length) == 0;
}

/* Blanks around a prefix are none of it. */
static bool matches(const struct pl_normal_frame *frame, const char *prefixes)
{
    const char *const blanks = " \t";
    while (prefixes && *prefixes) {
        const char *end = prefixes + strcspn(prefixes, ",");
        prefixes += strspn(prefixes, blanks);
        size_t length = prefixes < end ? (size_t)(end - prefixes) : 0;
        while (length && strchr(blanks, prefixes[length - 1]))
            length--;
        if (length && (begins_with(frame->function, prefixes, length) ||
                       begins_with(frame->module, prefixes, length) ||
                       begins_with(base_name(frame->module), prefixes, length) ||
                       begins_with(frame->file, prefixes, length)))
            return true;
        prefixes = end + (*end == ',');
    }
    return false;
}

static bool in_packages(const char *path)
{
    return path && (strstr(path, "/site-packages/") || strstr(path, "/dist-packages/"));
}

static bool under_any(const char *path, const char *const *folders)
{
    for (; path && *folders; folders++)
        if (pl_path_under(path, *folders))
            return true;
    return false;
}

/* What came with the system or the compiler, and the recorder itself. */
static bool is_system(const struct pl_normal_frame *frame)
{
    static const char *const libraries[] = {"/lib",       "/lib32",      "/lib64",
                                            "/libx32",    "/usr/lib",    "/usr/lib32",
                                            "/usr/lib64", "/usr/libx32", NULL};
    static const char *const sources[] = {"/usr/include", "/usr/lib", "/usr/lib64",
                                          "/usr/src",     "/rustc",   NULL};
    return under_any(frame->module, libraries) || under_any(frame->file, sources) ||
           has_prefix(frame->module, "[vdso]") ||
           has_prefix(frame->module, "[vsyscall]") ||
           has_prefix(base_name(frame->module), "libproflite");
}

/* ".../lib/python3.11/json/encoder.py", and what has no file at all. */
static bool is_python_library(const struct pl_normal_frame *frame)
{
    const char *lib = frame->file ? strstr(frame->file, "/lib/python") : NULL;
    return (lib && strchr(lib + 11, '/')) || has_prefix(frame->file, "<frozen ") ||
           has_prefix(frame->module, "sentry_sdk");
}

/* Sources of a bundle too: "webpack://app/./node_modules/x.js", and what the bundler
 * added itself. */
static bool is_node_library(const struct pl_normal_frame *frame)
{
    const char *file = frame->file;
    return has_prefix(file, "node:") || has_prefix(frame->module, "node:") ||
           has_prefix(file, "node_modules/") || strstr(file, "/node_modules/") ||
           (has_prefix(file, "webpack:") &&
            (strstr(file, "/webpack/") || strstr(file, "(webpack)")));
}

/* What comes with the phone and the language. */
static bool is_java_library(const struct pl_normal_frame *frame)
{
    static const char *const packages[] = {
        "android.",   "androidx.", "com.android.", "com.google.android.",
        "dalvik.",    "java.",     "javax.",       "jdk.",
        "kotlin.",    "kotlinx.",  "libcore.",     "sun.",
        "io.sentry.", NULL};
    const char *name =
        frame->module && *frame->module ? frame->module : frame->function;
    for (size_t i = 0; packages[i]; i++)
        if (has_prefix(name, packages[i]))
            return true;
    return false;
}

/* The standard library and what cargo fetched, wherever they were compiled. */
static bool is_rust_library(const struct pl_normal_frame *frame)
{
    static const char *const places[] = {"/rustc/", "/usr/local/rustup/",
                                         "/usr/local/cargo/", NULL};
    for (size_t i = 0; places[i]; i++)
        if (has_prefix(frame->module, places[i]) || has_prefix(frame->file, places[i]))
            return true;
    return is_system(frame) || holds(frame->module, "/library/std/src/") ||
           holds(frame->file, "/library/std/src/");
}

/* Of languages we do not know, nothing is said. */
static int8_t language_in_app(const struct pl_normal_frame *frame)
{
    bool python = strcmp(frame->platform, "python") == 0;
    if (strcmp(frame->platform, "rust") == 0)
        return frame->module && *frame->module && !is_rust_library(frame);
    if (strcmp(frame->platform, "android") == 0 || strcmp(frame->platform, "java") == 0)
        return !is_java_library(frame);
    bool node = strcmp(frame->platform, "node") == 0 ||
                strcmp(frame->platform, "javascript") == 0;
    if (!python && !node)
        return -1;
    if (!frame->file || !*frame->file)
        return 0; /* (idle), (garbage collector) */
    return python ? !is_python_library(frame) : !is_node_library(frame);
}

int8_t pl_normalize_in_app(const struct pl_normalize_options *options,
                           const struct pl_normal_frame *frame)
{
    const char *root = options->project_root;
    if (frame->in_app == 0 || frame->in_app == 1)
        return frame->in_app;
    if (matches(frame, options->in_app_include))
        return 1;
    if (matches(frame, options->in_app_exclude))
        return 0;
    if (in_packages(frame->file) || in_packages(frame->module))
        return 0;
    if (root && *root &&
        ((frame->file && pl_path_under(frame->file, root)) ||
         (frame->module && pl_path_under(frame->module, root))))
        return 1;
    if (frame->platform && *frame->platform)
        return language_in_app(frame);
    if (is_system(frame))
        return 0;
    return frame->module && *frame->module ? 1 : -1;
}

char *pl_normalize_file(const struct pl_normalize_options *options, const char *file)
{
    const char *root = options->project_root;
    if (!file || !*file)
        return strdup("");
    if (has_prefix(file, "file:///"))
        file += 7;
    if (has_prefix(file,
                   "webpack://")) /* "app/./src/cart.ts": app is the bundle's name */
        return pl_path_join(NULL, file + 10 + strcspn(file + 10, "/") +
                                      (file[10 + strcspn(file + 10, "/")] == '/'));
    if (file[0] != '/' && !strstr(file, "/../") && !has_prefix(file, "./"))
        return strdup(file); /* "<string>", "node:fs", "http://…": not ours to clean */
    char *clean = pl_path_join(NULL, file);
    if (!clean || !root || !*root || strcmp(root, "/") == 0 ||
        !pl_path_under(clean, root))
        return clean;
    size_t skip = strlen(root);
    while (clean[skip] == '/')
        skip++;
    if (!clean[skip])
        return clean;
    memmove(clean, clean + skip, strlen(clean + skip) + 1);
    return clean;
}

void pl_normalized_deinit(struct pl_normalized *result)
{
    for (size_t i = 0; result->files && i < result->count; i++)
        free(result->files[i]);
    free(result->files);
    free(result->rows);
    *result = (struct pl_normalized){0};
}

enum pl_status pl_normalize(const struct pl_normalize_options *options,
                            const struct pl_normal_frame_list *frames,
                            struct pl_normalized *result_out, struct pl_error *err)
{
    size_t room = frames->count ? frames->count : 1;
    struct pl_normalized result = {
        .rows = calloc(room, sizeof result.rows[0]),
        .files = calloc(room, sizeof result.files[0]),
    };
    if (!result.rows || !result.files)
        goto fail;
    for (; result.count < frames->count; result.count++) {
        struct pl_normal_frame *row = &result.rows[result.count];
        *row = frames->rows[result.count];
        row->in_app = pl_normalize_in_app(options, row);
        row->file = result.files[result.count] = pl_normalize_file(options, row->file);
        if (!row->file)
            goto fail;
    }
    *result_out = result;
    return PL_OK;
fail:
    pl_normalized_deinit(&result);
    return pl_error_set(err, PL_NOMEM, "out of memory");
}
