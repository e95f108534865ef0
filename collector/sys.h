/* System calls without libc: no errno, no thread-local storage, no cancellation.
 *
 * The sampler is not a thread libc knows, and the signal handler must not touch
 * the host's errno: both talk to the kernel through these. Each returns the
 * kernel's answer: a value, or a negative errno. Signal-safe set; x86-64. */
#ifndef PL_COLLECTOR_SYS_H
#define PL_COLLECTOR_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline long pl_sys6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long pl_sys3(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long pl_sys4(long number, long a, long b, long c, long d)
{
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

/* Pointers and offsets of another width as an argument. */
#define PL_ARG(x) ((long)(uintptr_t)(x))

/* Copies and fills that never become a call into libc (which may be lazily bound,
 * or intercepted by a sanitizer). */
static inline void pl_copy(void *to, const void *from, size_t bytes)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static inline void pl_zero(void *to, size_t bytes)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(0) : "memory");
}

struct pl_sys_iovec {
    const void *base;
    size_t bytes;
};

/* Read this process's own memory without the risk of a fault: `tid` is any live
 * thread of it. Returns the bytes read (fewer when a page further on is missing). */
static inline long pl_sys_read_memory(int tid, uint64_t address, void *to, size_t bytes)
{
    struct pl_sys_iovec local = {to, bytes};
    struct pl_sys_iovec remote = {(const void *)(uintptr_t)address, bytes};
    return pl_sys6(SYS_process_vm_readv, tid, PL_ARG(&local), 1, PL_ARG(&remote), 1, 0);
}

#endif
