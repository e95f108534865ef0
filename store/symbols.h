/* What the processing pass asks of the store: chunks to process, their raw
 * frames without a name, names to put beside them, flags and outcomes. */
#ifndef PL_STORE_SYMBOLS_H
#define PL_STORE_SYMBOLS_H

#include "store/counters.h"
#include "store/store.h"

/* What a received chunk says of its images. */
enum pl_debug_meta {
    PL_DEBUG_META_MISSING,
    PL_DEBUG_META_GOOD,
    PL_DEBUG_META_NO_IMAGES
};

/* One chunk the pass has not finished, oldest first. */
struct pl_pending_chunk {
    int64_t id;
    int64_t project_id; /* 0: local */
    char uuid[PL_ID_TEXT];
    const char *category;          /* of its outcome; static */
    char format[16], platform[32]; /* "proflite", "sample_v2", ...; "" unknown */
    bool sampled, symbolicated, deobfuscated, normalized;
    enum pl_debug_meta debug_meta;
    bool has_profile; /* false: it says when and where, and has no samples */
};

/* Up to `most` of them. NOT_FOUND: nothing to do; INPUT: damaged. `after_id` lets a
 * pass step past a chunk it failed. Takes the chunks: if a writer adds to one from now
 * on, the flags set below do not stick and it comes again. Flags stick to no chunk that
 * was not taken. */
PL_MUST_CHECK enum pl_status pl_pass_next(struct pl_store *store, int64_t after_id,
                                          struct pl_pending_chunk *chunks_out,
                                          size_t most, size_t *count_out,
                                          struct pl_error *err);

/* One process at a time runs the pass on a file: take the lease (owner is any
 * text naming the process) for `ttl_ms`, renew by taking it again. BUSY: held. */
PL_MUST_CHECK enum pl_status pl_pass_lease(struct pl_store *store, const char *owner,
                                           int ttl_ms, struct pl_error *err);
void pl_pass_release(struct pl_store *store, const char *owner);
/* The owner text of whoever took the lease last and did not release it; whether it
 * has expired is not looked at. NOT_FOUND: nobody. */
PL_MUST_CHECK enum pl_status pl_pass_lease_holder(struct pl_store *store,
                                                  char *owner_out, size_t owner_bytes,
                                                  struct pl_error *err);

/* Native frames of the chunk whose name is unknown (no status yet, or, with
 * `redo`, any status), grouped by module. Module id 0, path "": in no module. */
struct pl_raw_frame {
    int64_t frame_id;
    int64_t module_id;
    const char *module_path;
    const char *build_id; /* hex or "" */
    const char *debug_id; /* as base/debug_id.h, or "" */
    const char *kind;     /* of the module: "" ELF */
    uint64_t address;
    bool exact; /* false: a return address, look up address-1 */
    bool named; /* "symbolicated" by an earlier pass */
};
struct pl_raw_frame_list {
    struct pl_raw_frame *rows; /* sorted by module_id, then address */
    size_t count;
    void *owned;
};
PL_MUST_CHECK enum pl_status pl_pass_raw_frames(struct pl_store *store,
                                                int64_t chunk_id, bool redo,
                                                struct pl_raw_frame_list *list_out,
                                                struct pl_error *err);
void pl_raw_frame_list_deinit(struct pl_raw_frame_list *list);

/* Frames that a source named in the words of minified or obfuscated code: JavaScript
 * that a source map of the chunk explains, and Android's, whose module is the build's
 * mapping, or 0. Otherwise as above. */
struct pl_given_frame {
    int64_t frame_id;
    int64_t module_id;
    const char *module_path;                  /* of the code: a bundle */
    const char *debug_id;                     /* of its source map, or the mapping's */
    const char *function, *class_name, *file; /* "" unknown */
    const char *platform;
    uint32_t line, column; /* from 1; 0 unknown */
    int8_t in_app;
    bool named;
};
struct pl_given_frame_list {
    struct pl_given_frame *rows; /* sorted by module_id, then frame_id */
    size_t count;
    void *owned;
};
PL_MUST_CHECK enum pl_status pl_pass_given_frames(struct pl_store *store,
                                                  int64_t chunk_id, bool redo,
                                                  struct pl_given_frame_list *list_out,
                                                  struct pl_error *err);
void pl_given_frame_list_deinit(struct pl_given_frame_list *list);

/* Names of one raw frame, outermost first; depth 0 is the real function, the
 * following were inlined into it. `status` as Sentry names it: "symbolicated",
 * "missing_symbol" (module found, address unnamed; a name then only says where its
 * function starts, module+0xaddress), "unknown_image", "missing" (no file),
 * "malformed"; of given frames also those of process/given_names.h. */
struct pl_frame_name {
    const char *function;  /* demangled; NULL: as the frame's source says it */
    const char *file;      /* "" unknown */
    uint32_t decl_line;    /* where the function is declared; 0 unknown */
    uint32_t line, column; /* of the address */
    int8_t in_app;         /* 1, 0, -1 */
    const char *module;    /* of the function, "" none; NULL: the frame's */
};
struct pl_named_frame {
    int64_t frame_id;
    const char *status;
    const struct pl_frame_name *names; /* may be none */
    size_t name_count;
};
/* What became of looking for a module's files: "found", "missing", "malformed",
 * "unknown_image", "unsupported", "timeout", "fetching_failed". */
struct pl_module_state {
    int64_t module_id;
    const char *status;
};

/* What symbolication found, or deobfuscation. */
struct pl_pass_names {
    const struct pl_named_frame *frames;
    size_t count;
    const struct pl_module_state *modules;
    size_t module_count;
    bool only_better;                     /* a module that was found once stays so */
    bool is_deobfuscation;                /* whose flag it is; it has no errors */
    bool done;                            /* the flag */
    const char *error, *status, *message; /* NULL: none */
};
/* Replaces what the frames had. One transaction with the flag of the step:
 * `chunk_id` gets it and the error fields, its images the status of their modules. */
PL_MUST_CHECK enum pl_status pl_pass_put_names(struct pl_store *store, int64_t chunk_id,
                                               const struct pl_pass_names *names,
                                               struct pl_error *err);

/* What the session of a chunk says of its own code; each NULL if nothing. */
struct pl_own_code {
    char *include, *exclude, *project_root; /* owned */
};
PL_MUST_CHECK enum pl_status pl_pass_own_code(struct pl_store *store, int64_t chunk_id,
                                              struct pl_own_code *own_out,
                                              struct pl_error *err);
void pl_own_code_deinit(struct pl_own_code *own);

/* Frames of the chunk to normalize, and where to put the result. */
struct pl_normal_frame {
    int64_t frame_id;
    uint32_t depth;
    const char *function, *file, *module;
    const char *platform; /* "": native */
    int8_t in_app;
};
struct pl_normal_frame_list {
    struct pl_normal_frame *rows;
    size_t count;
    void *owned;
};
PL_MUST_CHECK enum pl_status pl_pass_named_frames(struct pl_store *store,
                                                  int64_t chunk_id,
                                                  struct pl_normal_frame_list *list_out,
                                                  struct pl_error *err);
void pl_normal_frame_list_deinit(struct pl_normal_frame_list *list);
/* Writes in_app (and trimmed file) back; sets normalized=1, deobfuscated as given,
 * retention_days, and the device class where there is to be one. */
PL_MUST_CHECK enum pl_status
pl_pass_put_normal(struct pl_store *store, int64_t chunk_id,
                   const struct pl_normal_frame *frames, size_t count,
                   bool deobfuscated, int retention_days, struct pl_error *err);

/* Every frame of the chunk has been looked up and is normal by `wishes`, which stand
 * for what its session wants: until somebody else writes to the file, or other wishes
 * are told, the lists above leave out frames that only stacks like its have (redo:
 * none). Errors  INPUT; IO; NOMEM. */
void pl_pass_wish(struct pl_store *store, uint64_t wishes);
PL_MUST_CHECK enum pl_status pl_pass_settle(struct pl_store *store, int64_t chunk_id,
                                            struct pl_error *err);

/* The last step of one chunk. `outcome` is Sentry's word ("accepted", "invalid", ...),
 * reason nullable. */
struct pl_pass_end {
    int64_t chunk_id;
    const char *category, *outcome, *reason; /* static text */
    bool normalized; /* set its flags as pl_pass_put_normal does without rows */
    bool deobfuscated;
    int retention_days;
    bool duplicate; /* set: it had its outcome already */
};

/* All of them in one transaction. Exactly one outcome per (project, chunk, category): a
 * second one is not added and said through `duplicate`. Marks the chunks done, so that
 * pl_pass_next passes them by. `counts` go into the file's counters
 * (store/counters.h).  Errors  NOT_FOUND one of the chunks is gone. */
PL_MUST_CHECK enum pl_status pl_pass_finish(struct pl_store *store,
                                            struct pl_pass_end *ends, size_t end_count,
                                            const struct pl_count *counts,
                                            size_t count_count, struct pl_error *err);

/* Mark every chunk of the file (or those of modules now available) as not
 * symbolicated, so that the next pass redoes them. */
PL_MUST_CHECK enum pl_status pl_pass_redo_all(struct pl_store *store,
                                              struct pl_error *err);

#endif
