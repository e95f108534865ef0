#include "collector/vclock.h"

#include "collector/sys.h"

#include <elf.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#define CLOCK_NAME  "__vdso_clock_gettime"
#define MAX_SYMBOLS 256u

typedef int gettime(clockid_t clock, struct timespec *time);
static _Atomic(gettime *) vdso_gettime;

/* The parts of the image that hold its symbols, as addresses. */
struct symbols {
    uintptr_t bias;
    const Elf64_Sym *symbols;
    const char *names; /* right behind the symbols, in every such image */
    uint64_t names_bytes;
};

static bool is_clock(const char *name)
{
    const char *wanted = CLOCK_NAME;
    while (*name && *name == *wanted) {
        name++;
        wanted++;
    }
    return *name == *wanted;
}

/* Where the image's dynamic section is; fills in the bias. */
static const Elf64_Dyn *find_dynamic(uintptr_t image, struct symbols *found)
{
    const Elf64_Ehdr *elf = (const void *)image;
    const Elf64_Phdr *header = (const void *)(image + elf->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    bool loaded = false;
    for (unsigned i = 0; i < elf->e_phnum; i++) {
        if (header[i].p_type == PT_LOAD && !loaded) {
            found->bias = image + header[i].p_offset - header[i].p_vaddr;
            loaded = true;
        } else if (header[i].p_type == PT_DYNAMIC) {
            dynamic = (const void *)(image + header[i].p_offset);
        }
    }
    return loaded ? dynamic : NULL;
}

static bool find_symbols(uintptr_t image, struct symbols *found)
{
    const Elf64_Dyn *entry = find_dynamic(image, found);
    for (; entry && entry->d_tag != DT_NULL; entry++) {
        const void *at = (const void *)(found->bias + entry->d_un.d_ptr);
        if (entry->d_tag == DT_SYMTAB)
            found->symbols = at;
        else if (entry->d_tag == DT_STRTAB)
            found->names = at;
        else if (entry->d_tag == DT_STRSZ)
            found->names_bytes = entry->d_un.d_val;
    }
    return found->symbols && (uintptr_t)found->names > (uintptr_t)found->symbols;
}

/* If it is not found, the clock is a system call: right, and only slower. */
void pl_vclock_init(uintptr_t image)
{
    struct symbols found = {0};
    if (!image || !find_symbols(image, &found))
        return;
    uint64_t count =
        ((uintptr_t)found.names - (uintptr_t)found.symbols) / sizeof *found.symbols;
    for (uint64_t i = 0; i < count && i < MAX_SYMBOLS; i++) {
        const Elf64_Sym *symbol = &found.symbols[i];
        if (symbol->st_shndx != SHN_UNDEF && symbol->st_name < found.names_bytes &&
            is_clock(found.names + symbol->st_name))
            atomic_store(&vdso_gettime, (gettime *)(found.bias + symbol->st_value));
    }
}

int64_t pl_vclock_ns(int clock)
{
    struct timespec now = {0};
    gettime *call = atomic_load_explicit(&vdso_gettime, memory_order_relaxed);
    if (!call || call(clock, &now) != 0)
        pl_sys3(SYS_clock_gettime, clock, PL_ARG(&now), 0);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}
