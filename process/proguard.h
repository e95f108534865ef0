/* A mapping file of ProGuard or R8: from the names an obfuscated program has to those
 * of its source.
 *
 *   com.example.Cart -> a.b:
 *   # {"id":"sourceFile","fileName":"Cart.java"}
 *       1:4:int total(int[]):20:23 -> c
 *       5:5:void com.example.Log.say(java.lang.String):7:7 -> c    inlined into …
 *       5:5:int total(int[]):24 -> c                              … this
 *
 * In the symbol worker only: mappings are hostile. */
#ifndef PL_PROCESS_PROGUARD_H
#define PL_PROCESS_PROGUARD_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_PROGUARD_INLINES 64 /* deeper ones are cut */

struct pl_proguard;

/* Ownership  borrows `bytes` until close.
 * Errors  INPUT no class in it; NOMEM. */
PL_MUST_CHECK enum pl_status pl_proguard_open(const char *bytes, size_t len,
                                              struct pl_proguard **mapping_out,
                                              struct pl_error *err);
void pl_proguard_close(struct pl_proguard *mapping); /* NULL is fine */

/* What a class is called in the source; NULL: not in the mapping. */
const char *pl_proguard_class(struct pl_proguard *mapping, const char *obfuscated);

/* A method as the program has it. */
struct pl_proguard_method {
    const char *class_name, *name;
    const char *signature; /* as in class files; "" unknown */
    uint32_t line;         /* as the program has it; 0 unknown */
};

enum pl_proguard_match {
    PL_PROGUARD_NONE,  /* the class is not in the mapping */
    PL_PROGUARD_CLASS, /* it is, but not which method this is: one row with its own name
                        */
    PL_PROGUARD_METHOD,
};

struct pl_proguard_row {
    const char *class_name;
    const char
        *name; /* with parameters and what it returns, if a signature was given */
    const char *file; /* "" unknown */
    uint32_t line;    /* 0 unknown */
};

/* Outermost first: the method itself, then what was inlined into it at that line. */
struct pl_proguard_rows {
    struct pl_proguard_row rows[PL_PROGUARD_INLINES];
    size_t count;
};

/* Without a line, or with one that the mapping has not, only a method whose name is not
 * ambiguous is found, and nothing inlined. Of several by one name the signature
 * decides. Texts live as long as the mapping; NONE has a row, too, if there is a
 * signature to put into words. */
enum pl_proguard_match pl_proguard_find(struct pl_proguard *mapping,
                                        const struct pl_proguard_method *method,
                                        struct pl_proguard_rows *rows_out);

#endif
