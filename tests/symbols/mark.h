/* A label in the middle of code, in .symtab but not exported. */
#ifndef PL_TESTS_MARK_H
#define PL_TESTS_MARK_H

#define MARK(name)                                                                     \
    __asm__ volatile(".globl mark_" #name "; .hidden mark_" #name "; mark_" #name      \
                     ": nop")

#endif
