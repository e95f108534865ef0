/* Android's methods: taken apart for a question, and put together again. */
#ifndef PL_PROCESS_GIVEN_JAVA_H
#define PL_PROCESS_GIVEN_JAVA_H

#include "process/symbolizer.h"
#include "store/arena.h"
#include "store/symbols.h"

/* "a.b.c(I)V" of a method trace, or class and method apart. */
struct pl_java_method {
    const char *class_name, *name;
    const char *signature; /* as in class files; "" unknown */
    bool whole;            /* class and method are one text */
};

/* False: out of memory. Texts are the arena's or the frame's. */
bool pl_java_method(struct pl_arena *arena, const struct pl_given_frame *frame,
                    struct pl_java_method *out);

/* What the mapping says of it, as `frame` writes methods. NULL: out of memory. */
const struct pl_frame_name *pl_java_names(struct pl_arena *arena,
                                          const struct pl_given_frame *frame,
                                          const struct pl_java_method *method,
                                          const struct pl_resolved_name *names,
                                          size_t count);

/* Without a mapping: its own names, the signature in words. *changed_out: there was
 * one.
 */
const struct pl_frame_name *pl_java_words(struct pl_arena *arena,
                                          const struct pl_given_frame *frame,
                                          const struct pl_java_method *method,
                                          bool *changed_out);

#endif
