/* What DWARF calls a function. Mostly its linkage name says; C++ functions no other
 * unit may call (static ones, lambdas, templates of either) have none: their scope
 * is where their declaration stands in the tree, and a lambda's is its place.
 *
 * A unit's tree is walked once, when first asked for; in the symbol worker only. */
#ifndef PL_PROCESS_DWARF_NAMES_H
#define PL_PROCESS_DWARF_NAMES_H

#include "process/map.h"

#include <elfutils/libdw.h>

struct pl_dwarf_names {
    struct pl_map walked;   /* address of a unit's DIE */
    struct pl_map scope_of; /* address of a function's DIE -> index into texts */
    char **texts;           /* "shop::Cart<long>" */
    size_t count, cap;
};

void pl_dwarf_names_deinit(struct pl_dwarf_names *names);

/* "shop::Cart<long>::total(long) const"; without linkage name, without parameters.
 * Ownership  caller frees. NULL when it has none or memory is short. */
char *pl_dwarf_name(struct pl_dwarf_names *names, Dwarf_Die *function);

/* Is it a lambda? Then where it stands in the source is said of its closure. */
bool pl_dwarf_closure(Dwarf_Die *function, Dwarf_Die *closure_out);

/* "{lambda main.cc:12}". Caller frees. */
char *pl_dwarf_lambda_name(const char *file, uint32_t line);

#endif
