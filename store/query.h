/* Profile query: a selection in, sessions, threads, timeline or an aggregated
 * profile out. CLI, web and exports all ask here, so their totals are equal. */
#ifndef PL_STORE_QUERY_H
#define PL_STORE_QUERY_H

#include "store/store.h"

/* A label samples carry: a value of a key, or (value NULL) any value of it. */
struct pl_label {
    const char *key, *value;
};

/* What to look at; all zero is the whole file. Borrowed text and arrays. */
struct pl_selection {
    const char *app;
    const char *release;
    const char *environment;
    const int64_t *sessions; /* session ids */
    size_t session_count;
    const int64_t *threads; /* thread ids (row ids, not kernel tids) */
    size_t thread_count;
    const char *thread_name; /* exact name; nullable */
    int64_t from_ns, to_ns;  /* Unix, [from, to); 0: open */
    const char *function;    /* only stacks with this function in them; nullable */
    /* Only samples with these labels: of each key one of its values. */
    const struct pl_label *labels;
    size_t label_count;
};

enum pl_metric {
    PL_METRIC_WALL, /* every sample, its weight */
    /* CPU time: what a thread used in a part, exact, spread over its samples on CPU
     * there by their weight (over all, if it used some and none was seen on CPU).
     * Not known: the weight of samples on CPU, or of all if that is not known. */
    PL_METRIC_CPU,
};

/* ---- listings ---- */

struct pl_session_row {
    int64_t id;
    const char *uuid, *app, *recording_id, *mode, *state;
    const char *release, *environment; /* NULL if none */
    int64_t pid, start_ns, end_ns;
    int64_t threads, samples, lost, bytes;
    int64_t exit_status;  /* -1 unknown */
    int64_t slowed_ticks; /* left out to keep within max_overhead */
};

struct pl_session_list {
    struct pl_session_row *rows; /* newest first */
    size_t count;
    void *owned;
};

/* Sessions with data in the selection's time and one of its threads; their figures are
 * of the whole session. `function` and labels are not looked at. */
PL_MUST_CHECK enum pl_status pl_query_sessions(struct pl_store *store,
                                               const struct pl_selection *selection,
                                               struct pl_session_list *list_out,
                                               struct pl_error *err);
void pl_session_list_deinit(struct pl_session_list *list);

struct pl_thread_row {
    int64_t id, session_id, tid;
    const char *name;
    int64_t samples, weight_ns, cpu_ns; /* in the selection */
};

struct pl_thread_list {
    struct pl_thread_row *rows; /* heaviest CPU first, then by id */
    size_t count;
    void *owned;
};

PL_MUST_CHECK enum pl_status pl_query_threads(struct pl_store *store,
                                              const struct pl_selection *selection,
                                              struct pl_thread_list *list_out,
                                              struct pl_error *err);
void pl_thread_list_deinit(struct pl_thread_list *list);

struct pl_label_row {
    const char *key, *value;
    int64_t samples, weight_ns, cpu_ns; /* in the selection */
};

struct pl_label_list {
    struct pl_label_row *rows; /* by key, heaviest first */
    size_t count;
    void *owned;
};

PL_MUST_CHECK enum pl_status pl_query_labels(struct pl_store *store,
                                             const struct pl_selection *selection,
                                             struct pl_label_list *list_out,
                                             struct pl_error *err);
void pl_label_list_deinit(struct pl_label_list *list);

/* ---- timeline ---- */

struct pl_timeline_series {
    int64_t thread_id;
    const char *name;
    int64_t *wall_ns; /* `bins` entries: weight of samples */
    int64_t *cpu_ns;  /* `bins` entries */
};

struct pl_timeline {
    int64_t from_ns, to_ns, bin_ns;
    size_t bins;
    struct pl_timeline_series *series; /* by thread, heaviest CPU first */
    size_t series_count;
    void *owned;
};

/* bins 1..4096. An open-ended selection is clamped to the data's range. */
PL_MUST_CHECK enum pl_status
pl_query_timeline(struct pl_store *store, const struct pl_selection *selection,
                  size_t bins, struct pl_timeline *timeline_out, struct pl_error *err);
void pl_timeline_deinit(struct pl_timeline *timeline);

/* ---- aggregated profile ---- */

/* How much of something was sampled. */
struct pl_amount {
    int64_t ns, samples;
    double squares; /* over runs, of their samples squared: how much of the number of
                       samples is repetition, for tests of significance */
};

struct pl_split {
    struct pl_amount self, total; /* total counts recursion once */
};

#define PL_COLUMNS_MAX 64 /* of a profile that is split */

/* A function is (name, module, file); its line is where it is declared (0
 * unknown). A frame without a name is its own function "module+0xaddress". */
struct pl_function {
    const char *name;   /* never NULL */
    const char *module; /* path, "" if none */
    const char *file;   /* "" if unknown */
    uint32_t line;
    int8_t in_app;             /* 1, 0, -1 */
    int64_t self_ns, total_ns; /* total counts recursion once */
    int64_t self_samples, total_samples;
};

/* One box of the flame graph. Pre-order: a parent stands before its children,
 * a subtree is contiguous. Node 0 is the root "all" (function PL_NO_INDEX). */
struct pl_node {
    uint32_t parent;   /* index; root: itself */
    uint32_t function; /* index into functions */
    uint32_t depth;    /* root 0 */
    bool inlined;      /* into its parent */
    int64_t self_ns, total_ns;
    int64_t self_samples, total_samples;
};

struct pl_profile {
    enum pl_metric metric;
    int64_t total_ns;       /* equals nodes[0].total_ns */
    int64_t samples;        /* with weight in this metric */
    int64_t lost;           /* samples known lost in the selection */
    int64_t left_out_ns;    /* by transforms; with total_ns the whole selection */
    int64_t from_ns, to_ns; /* of what was found; 0 if nothing */
    struct pl_node *nodes;  /* children sorted by total_ns desc, then name */
    size_t node_count;
    struct pl_function *functions;
    size_t function_count;
    /* What of each node and function is whose, when several selections (or threads)
     * were aggregated together: [index * columns + column]. NULL if columns is 1. */
    uint32_t columns;
    struct pl_split *node_split, *function_split;
    void *owned;
};

/* Aggregate every sample of the selection. An empty result is OK with samples
 * 0. Errors  IO, INPUT (damaged), NOMEM. */
PL_MUST_CHECK enum pl_status pl_query_profile(struct pl_store *store,
                                              const struct pl_selection *selection,
                                              enum pl_metric metric,
                                              struct pl_profile *profile_out,
                                              struct pl_error *err);
void pl_profile_deinit(struct pl_profile *profile);

/* Several selections over one tree: column i of the profile is selections[i] (NULL:
 * nothing), and its nodes weigh what all columns do together. 1..PL_COLUMNS_MAX.
 * Errors  as above. */
PL_MUST_CHECK enum pl_status
pl_query_profiles(struct pl_store *store, const struct pl_selection *const *selections,
                  uint32_t count, enum pl_metric metric, struct pl_profile *profile_out,
                  struct pl_error *err);

/* A function per line: `line` of the profile's functions is where a sample was, or the
 * call it made, and no longer where the function is declared. */
PL_MUST_CHECK enum pl_status
pl_query_profile_lines(struct pl_store *store, const struct pl_selection *selection,
                       enum pl_metric metric, struct pl_profile *profile_out,
                       struct pl_error *err);

/* A tree whose first level are threads, by name; their boxes are of file "[thread]". */
PL_MUST_CHECK enum pl_status
pl_query_profile_threads(struct pl_store *store, const struct pl_selection *selection,
                         enum pl_metric metric, struct pl_profile *profile_out,
                         struct pl_error *err);

/* A tree whose first level are the values of a label, "[no KEY]" for samples without;
 * their boxes are of file "[label]". Where values overlap the later row's has the
 * sample, as in pl_query_labels; those beyond PL_COLUMNS_MAX share a box, "[other
 * values]". */
PL_MUST_CHECK enum pl_status
pl_query_profile_labels(struct pl_store *store, const struct pl_selection *selection,
                        enum pl_metric metric, const char *key,
                        struct pl_profile *profile_out, struct pl_error *err);

/* ---- modules ---- */

#define PL_BUILD_ID_SIZE 129

/* Build id, in hex, of the module at `path`; "" if it is not known, or there were
 * several there.  Errors  IO, INPUT (damaged). */
PL_MUST_CHECK enum pl_status pl_query_build_id(struct pl_store *store, const char *path,
                                               char build_id_out[PL_BUILD_ID_SIZE],
                                               struct pl_error *err);

/* ---- lines ---- */

struct pl_line_row {
    const char *file;
    uint32_t line;             /* 0: not known */
    int64_t self_ns, total_ns; /* total counts recursion once */
    int64_t self_samples, total_samples;
};

struct pl_line_list {
    struct pl_line_row *rows; /* by file and line */
    size_t count;
    int64_t total_ns, samples; /* of the selection */
    void *owned;
};

/* The lines of the selection's function, or, if `file` is not NULL, of that file.
 * Errors  USAGE neither is given; as pl_query_profile. */
PL_MUST_CHECK enum pl_status pl_query_lines(struct pl_store *store,
                                            const struct pl_selection *selection,
                                            enum pl_metric metric, const char *file,
                                            struct pl_line_list *list_out,
                                            struct pl_error *err);
void pl_line_list_deinit(struct pl_line_list *list);

/* ---- SQL for people ---- */

/* One read-only statement of the user's; cells go to `on_row` as they come.
 * Types follow SQLite: integer, real, text, blob, null. Run it in a process or
 * thread you can afford to wait for; `timeout_ms` 0 is none.
 * Errors  INPUT wrong SQL (the message is SQLite's), none or more than one statement,
 * one that does anything but read, or not done in time; IO. */
enum pl_cell_type {
    PL_CELL_NULL,
    PL_CELL_INT,
    PL_CELL_REAL,
    PL_CELL_TEXT,
    PL_CELL_BLOB
};
struct pl_cell {
    enum pl_cell_type type;
    int64_t integer;
    double real;
    const char *text; /* TEXT: NUL-terminated; BLOB: bytes */
    size_t len;
};
struct pl_sql_consumer {
    void *self;
    /* before the first row, also when there is none */
    bool (*columns)(void *self, size_t count, const char *const *names);
    bool (*row)(void *self, size_t count,
                const struct pl_cell *cells); /* false: stop */
};
PL_MUST_CHECK enum pl_status pl_query_sql(struct pl_store *store, const char *sql,
                                          int timeout_ms,
                                          const struct pl_sql_consumer *consumer,
                                          struct pl_error *err);

#endif
