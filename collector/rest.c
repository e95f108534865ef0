#include "collector/rest.h"

#include "collector/heap.h"

#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES   UINT64_C(4096)
#define MOST_ENTRIES 1024u /* pages asked about at once */
#define IS_FILE      (UINT64_C(1) << 61)
#define IS_PRESENT   (UINT64_C(1) << 63)

/* Somebody may have written there all the same: a debugger's breakpoint, a probe. */
static bool is_as_in_file(int pagemap, uint64_t from, uint64_t to)
{
    uint64_t entries[MOST_ENTRIES];
    while (from < to) {
        uint64_t pages = (to - from) / PAGE_BYTES;
        size_t wanted = (size_t)(pages < MOST_ENTRIES ? pages : MOST_ENTRIES) * 8;
        ssize_t got = pread(pagemap, entries, wanted, (off_t)(from / PAGE_BYTES * 8));
        if (got != (ssize_t)wanted)
            return false;
        for (size_t i = 0; i < wanted / 8; i++)
            if ((entries[i] & (IS_PRESENT | IS_FILE)) == IS_PRESENT)
                return false;
        from += wanted / 8 * PAGE_BYTES;
    }
    return true;
}

/* The file this is in begins here, in memory. */
extern const ElfW(Ehdr) own_file __asm__("__ehdr_start")
    __attribute__((visibility("hidden")));

/* Not where the program itself is in the same file: libproflite.a. Asked of the linker,
 * not of the loader, whose lock a fork would leave taken in the child. */
static void unmap_code(int pagemap)
{
    uint64_t base = (uintptr_t)&own_file;
    const ElfW(Phdr) *parts = (const void *)(uintptr_t)(base + own_file.e_phoff);
    if ((uintptr_t)parts == getauxval(AT_PHDR))
        return;
    for (unsigned i = 0; i < own_file.e_phnum; i++) {
        if (parts[i].p_type != PT_LOAD || parts[i].p_flags & PF_W)
            continue;
        uint64_t at = base + parts[i].p_vaddr;
        uint64_t from = (at + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
        uint64_t to = (at + parts[i].p_filesz) & ~(PAGE_BYTES - 1);
        if (from < to && is_as_in_file(pagemap, from, to))
            (void)madvise((void *)(uintptr_t)from, to - from, MADV_DONTNEED);
    }
}

void pl_rest(void)
{
    pl_heap_trim();
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0)
        return;
    unmap_code(pagemap);
    close(pagemap);
}
