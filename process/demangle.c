/* The one owner of libiberty's demangler. Names come from files and are hostile:
 * it runs in the symbol worker only, with the library's recursion limit on. */
#include "process/demangle.h"

#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

/* Longest symbol handed to the demangler: longer ones expand beyond reason. */
#define MAX_MANGLED_BYTES 16384

static char *copy_bounded(const char *text)
{
    size_t len = strnlen(text, PL_DEMANGLED_BYTES - 1);
    if (text[len] != '\0')
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--; /* not in the middle of a UTF-8 sequence */
    return strndup(text, len);
}

/* C names never start so: everything else skips three failing parsers. */
static int looks_mangled(const char *symbol)
{
    return symbol[0] == '_' && (symbol[1] == 'Z' || symbol[1] == 'R' ||
                                symbol[1] == 'D' || symbol[1] == '_');
}

char *pl_demangle(const char *symbol)
{
    if (!looks_mangled(symbol) ||
        strnlen(symbol, MAX_MANGLED_BYTES) == MAX_MANGLED_BYTES)
        return copy_bounded(symbol);
    int style = symbol[1] == 'D' ? DMGL_DLANG : DMGL_AUTO; /* "auto" leaves D out */
    char *pretty =
        cplus_demangle(symbol, style | DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP);
    if (!pretty)
        return copy_bounded(symbol);
    char *bounded = copy_bounded(pretty);
    free(pretty);
    return bounded;
}
