/* Signatures of methods as Java's class files have them, in words:
 *
 *   (ILjava/lang/String;[J)Z   →   (int, java.lang.String, long[]): boolean */
#ifndef PL_PROCESS_JVM_SIGNATURE_H
#define PL_PROCESS_JVM_SIGNATURE_H

#include "base/buf.h"

/* How classes are written. */
struct pl_jvm_classes {
    /* `name` has dots, not slashes, and is the callee's for the call only. NULL: as it
     * is. */
    const char *(*rename)(void *self, const char *name);
    void *self;
};

/* Append the words; ": void" is left out. `classes` is nullable. False: malformed, or
 * the buffer is full; then `out` is what it was. */
bool pl_jvm_signature(const char *signature, const struct pl_jvm_classes *classes,
                      struct pl_buf *out);

#endif
