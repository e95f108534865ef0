/* The lines of a mapping file, one by one (process/proguard.h has an example). */
#ifndef PL_PROCESS_PROGUARD_TEXT_H
#define PL_PROCESS_PROGUARD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of the mapping. */
struct pl_slice {
    const char *at;
    size_t len;
};

/* The next line from `*at`, without blanks around it; moves on. `indented_out`: blanks
 * stood before it. False: the end. */
bool pl_proguard_line(const char **at, const char *end, struct pl_slice *line_out,
                      bool *indented_out);

/* "com.example.Cart -> a.b:" */
bool pl_proguard_class_line(struct pl_slice line, struct pl_slice *original_out,
                            struct pl_slice *obfuscated_out);

/* "4:5:int com.example.Log.say(java.lang.String):7:8 -> c". Ranges: 0..UINT32_MAX where
 * there are none. */
struct pl_proguard_member {
    struct pl_slice obfuscated;
    struct pl_slice class_name; /* empty: that of the class it stands in */
    struct pl_slice name, parameters, returns;
    uint32_t from, to; /* lines of the program */
    uint32_t original_from, original_to;
    bool has_range, has_original;

    bool synthesized;         /* the compiler made it: said by a note */
    struct pl_slice residual; /* signature in the program, by a note; empty: not said */
};

/* False: a field, or no member at all. */
bool pl_proguard_member_line(struct pl_slice line, struct pl_proguard_member *out);

/* Notes of R8: comments that are JSON. Others, and other comments, say nothing. */
enum pl_proguard_note {
    PL_NOTE_NOTHING,
    PL_NOTE_SOURCE_FILE, /* of the class above; its name */
    PL_NOTE_SYNTHESIZED, /* the member, or class, above */
    PL_NOTE_RESIDUAL,    /* of the member above; its signature */
};
#define PL_NOTE_BYTES 4096 /* longer ones say nothing */
enum pl_proguard_note pl_proguard_note(struct pl_slice line,
                                       char text_out[static PL_NOTE_BYTES]);

#endif
