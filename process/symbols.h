/* Symbols: from an address in a file to names. Inside the symbol worker only
 * (process/worker.c): the files read here are hostile, and so the code that reads
 * them runs where it can do no harm.
 *
 *   image (which files belong to a module)
 *     └─ resolvers, asked in order:
 *          perf map ▸ DWARF ▸ ELF symbol table ▸ function extents
 *
 * All text a lookup returns is owned by the image and lives as long as it. */
#ifndef PL_PROCESS_SYMBOLS_H
#define PL_PROCESS_SYMBOLS_H

#include "base/error.h"

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_MAX_INLINES 64 /* functions at one address; deeper ones are cut */

struct pl_symbol {
    const char *function;  /* demangled */
    const char *file;      /* where the function is; "" unknown */
    uint32_t decl_line;    /* of its declaration; 0 unknown */
    uint32_t line, column; /* of the address, or of the call of the next; 0 unknown */
};

/* Outermost first: the real function, then what was inlined into it. */
struct pl_symbol_list {
    struct pl_symbol rows[PL_MAX_INLINES];
    size_t count;
    bool anonymous; /* the one name only says where the function starts */
};

/* ---- an image: what is found on disk for one module ---- */

enum pl_image_status {
    PL_IMAGE_FOUND,
    PL_IMAGE_UNKNOWN,   /* the module says nothing that could be looked for */
    PL_IMAGE_MISSING,   /* no file, or only one of another build */
    PL_IMAGE_MALFORMED, /* not what it should be */
};

struct pl_image;

/* Always gives an image (NULL only when out of memory); its status says whether
 * there is anything in it. `debug_root` is where separate debug files lie. */
struct pl_image *pl_image_open(const char *path, const char *build_id,
                               const char *debug_root);
void pl_image_close(struct pl_image *image); /* NULL is fine */
enum pl_image_status pl_image_status(const struct pl_image *image);
const char *pl_image_message(const struct pl_image *image); /* "" if found */
uint64_t pl_image_file_bytes(const struct pl_image *image);

/* Ask the resolvers in order. False: none has a name for `address`. */
bool pl_image_find(struct pl_image *image, uint64_t address,
                   struct pl_symbol_list *list_out);

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
