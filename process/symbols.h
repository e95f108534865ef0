/* Symbols: from an address in a file, a place in minified code or an obfuscated method
 * to names. Inside the symbol worker only (process/worker.c): the files read here are
 * hostile, and so the code that reads them runs where it can do no harm.
 *
 *   lookup (a table of functions; one for each kind of process/lookup.h)
 *     └─ ELF: image (which files belong to a module)
 *          └─ resolvers, asked in order:
 *               perf map ▸ DWARF ▸ ELF symbol table ▸ function extents
 *
 * All text a lookup returns is owned by it and stays where it is as long as it lives.
 */
#ifndef PL_PROCESS_SYMBOLS_H
#define PL_PROCESS_SYMBOLS_H

#include "base/debug_id.h"
#include "base/error.h"
#include "process/lookup.h"

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_MAX_INLINES 64 /* functions at one key; deeper ones are cut */

struct pl_symbol {
    const char *function;  /* demangled */
    const char *file;      /* where the function is; NULL or "" unknown */
    const char *module;    /* the class, where it has one of its own; else NULL */
    uint32_t decl_line;    /* of its declaration; 0 unknown */
    uint32_t line, column; /* of the key, or of the call of the next; 0 unknown */
};

/* Outermost first: the real function, then what was inlined into it. */
struct pl_symbol_list {
    struct pl_symbol rows[PL_MAX_INLINES];
    size_t count;
    bool anonymous; /* the one name only says where the function starts */
};

/* ---- a lookup: the files of one module, map or mapping ---- */

struct pl_place {
    enum pl_place_kind kind;
    const char *text;
    int fd; /* of PL_PLACE_FILE and _MINIFIED: sealed, closed after `open`; else -1 */
};

struct pl_lookup_request {
    const char *path;     /* as the module calls itself; "" unknown */
    const char *build_id; /* or whatever the kind calls a file by; "" unknown */
    const struct pl_place *places;
    size_t place_count;
};

struct pl_lookup {
    /* What `open` makes (NULL only when out of memory: its status says whether there is
     * anything in it) is kept for more keys, and passed to the others. */
    void *(*open)(const struct pl_lookup_request *request);
    void (*close)(void *self);
    enum pl_image_status (*status)(const void *self);
    const char *(*message)(const void *self); /* why not; "" if found */
    uint64_t (*file_bytes)(const void *self); /* mapped */
    /* False: nothing known of the key. `list_out` is empty before. */
    bool (*find)(void *self, const struct pl_lookup_key *key,
                 struct pl_symbol_list *list_out);
    bool (*lacks_debug)(const void *self); /* nullable: would another file help? */
    bool once;                             /* not kept */
};

extern const struct pl_lookup pl_elf_lookup;      /* image.c */
extern const struct pl_lookup pl_identify_lookup; /* identify.c */
extern const struct pl_lookup pl_source_map_lookup,
    pl_proguard_lookup; /* lookup_maps.c */

/* ---- an image: what is found for one module ---- */

struct pl_image;

struct pl_image *pl_image_open(const struct pl_lookup_request *request);
void pl_image_close(struct pl_image *image); /* NULL is fine */
enum pl_image_status pl_image_status(const struct pl_image *image);
const char *pl_image_message(const struct pl_image *image); /* "" if found */
uint64_t pl_image_file_bytes(const struct pl_image *image);

/* Ask the resolvers in order. False: none has a name for `address`. */
bool pl_image_find(struct pl_image *image, uint64_t address,
                   struct pl_symbol_list *list_out);

/* ---- the ELF files of a module (image_files.c) ---- */

struct pl_elf_file {
    int fd; /* -1: none, or memory */
    Elf *elf;
    uint64_t bytes;
};

/* Where nothing was found, why. */
struct pl_elf_files {
    struct pl_elf_file main, debug; /* either may be missing; debug has DWARF, then */
    bool is_other_build, is_not_elf;
};

/* The files a module's places have for it. One whose build-id is not the module's is
 * not used: wrong names are worse than none. */
void pl_elf_files_find(struct pl_elf_files *files_out,
                       const struct pl_lookup_request *request);
void pl_elf_file_close(struct pl_elf_file *file);
/* A regular file, or -1: opening a FIFO or device must not block or act. */
int pl_open_regular(const char *path, int flags, uint64_t *bytes_out);
/* In hex; "" if it has none. */
void pl_elf_build_id(Elf *elf, char text_out[static PL_BUILD_ID_TEXT]);
bool pl_elf_has_debug(Elf *elf);
bool pl_elf_has_symbols(Elf *elf); /* .symtab */
/* Is a file of build-id `found` the one called `wanted`? That may be the first 16 bytes
 * of it: more is not known from a debug id. */
bool pl_build_id_is(const char *found, const char *wanted);

/* ---- resolvers; open gives NULL when the file has nothing for it ---- */

struct pl_dwarf;
struct pl_dwarf *pl_dwarf_open(Elf *elf);
void pl_dwarf_close(struct pl_dwarf *dwarf);
/* False: no debug information covers `address`. True with rows[0].function NULL:
 * lines are known, the function is not. */
bool pl_dwarf_find(struct pl_dwarf *dwarf, uint64_t address,
                   struct pl_symbol_list *list_out);

struct pl_elf_symbols;
/* Functions of .symtab, or else of .dynsym when `dynamic`. */
struct pl_elf_symbols *pl_elf_symbols_open(Elf *elf, bool dynamic);
void pl_elf_symbols_close(struct pl_elf_symbols *symbols);
const char *pl_elf_symbols_find(struct pl_elf_symbols *symbols, uint64_t address);

struct pl_extents;
/* `module`: what the names begin with; copied. The file outlives it. */
struct pl_extents *pl_extents_open(Elf *elf, const char *module);
void pl_extents_close(struct pl_extents *extents);
/* "module+0x<start>" of the function that `address` lies in. */
const char *pl_extents_find(struct pl_extents *extents, uint64_t address);

struct pl_perfmap;
bool pl_perfmap_is(const char *path); /* /tmp/perf-PID.map */
/* `fd` is borrowed. */
struct pl_perfmap *pl_perfmap_open(int fd);
void pl_perfmap_close(struct pl_perfmap *map);
const char *pl_perfmap_find(struct pl_perfmap *map, uint64_t address);

#endif
