/* Linker names to source names: C++ (Itanium), Rust (legacy and v0) and D. */
#ifndef PL_PROCESS_DEMANGLE_H
#define PL_PROCESS_DEMANGLE_H

/* The source form of `symbol` with its parameters, or a copy of it when it is
 * not mangled. At most PL_DEMANGLED_BYTES - 1 bytes, cut at a character.
 * Ownership  caller frees with free(). NULL only when out of memory.
 * Threads    any.  Signals  unsafe. */
#define PL_DEMANGLED_BYTES 4096
char *pl_demangle(const char *symbol);

#endif
