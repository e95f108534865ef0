/* The names under which what is inside libproflite asks for memory: linked with
 * --wrap, a call of malloc there is one of these. Of memory that libc hands out to be
 * freed by its caller there is none inside (checked by tests/check_exports.sh). */
#include "collector/heap.h"

#include <string.h>

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t bytes);
void __wrap_free(void *memory);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t most);

void *__wrap_malloc(size_t bytes)
{
    return pl_heap_alloc(bytes);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return pl_heap_zeroed(count, size);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    return pl_heap_resize(memory, bytes);
}

void __wrap_free(void *memory)
{
    pl_heap_free(memory);
}

static char *copy(const char *text, size_t length)
{
    char *to = pl_heap_alloc(length + 1);
    if (to) {
        memcpy(to, text, length);
        to[length] = '\0';
    }
    return to;
}

char *__wrap_strdup(const char *text)
{
    return copy(text, strlen(text));
}

char *__wrap_strndup(const char *text, size_t most)
{
    return copy(text, strnlen(text, most));
}
