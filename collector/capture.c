/* Capture: lifecycle of the profiled process's side.
 *
 *   start:  memory -> segment file (hidden name) -> handler -> sampler -> rename
 *   stop:   sampler ends (and waits for handlers) -> segment EXITED -> unmap
 *   fork:   the signal is blocked around it; in the child all memory of the capture
 *           reads as zero (MADV_WIPEONFORK) and the segment is not mapped
 *           (MADV_DONTFORK), so that nothing of the parent's can be written there;
 *           then the child starts a session of its own
 *
 * All state, tables and the sampler's stack are one mapping, made once in the life
 * of a process and never given back: a handler may be using it. After the start
 * nothing here runs but stop and fork. Only the segment's descriptor is open for a
 * moment in the host's table. */
#include "collector/capture.h"

#include "collector/bare_thread.h"
#include "collector/capture_file.h"
#include "collector/handler.h"
#include "collector/sampler.h"
#include "collector/sys.h"
#include "collector/vclock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES (128u * 1024)
#define GUARD_BYTES 4096u
#define TLS_BYTES   8192u

/* The one mapping; the code map follows it on a page of its own. */
struct memory {
    uint8_t guard[GUARD_BYTES];
    uint8_t stack[STACK_BYTES];
    /* What the thread register of the sampler points into: libc's functions would
     * find zeros, not the host's data, if one ever looked. */
    uint64_t tls[TLS_BYTES / 8];
    struct pl_state state;
    struct pl_sampler sampler;
};

/* Not wiped by fork: what a child needs to start a session of its own. */
static struct {
    struct memory *memory;
    uint64_t memory_bytes;
    struct pl_capture_options options; /* dir and app point to the copies below */
    char dir[1024];
    char app[64];
    uint8_t session_id[16], parent_session_id[16];
    bool fork_handlers;
    bool paused_for_exec;
    int held_fd;   /* of the segment, while a pause may put its path out of reach; -1 */
    bool confined; /* no system call is to be made here any more */
    int pid;       /* that samples now; 0 none */
    int forking_tid; /* between the fork handlers */
} capture;

/* The thread's wish while a fork of its own is under way. */
static __thread bool unblock_after_fork __attribute__((tls_model("initial-exec")));

/* The sampler's life as the kernel sees it: cleared, with a wake-up, at its end. */
static _Atomic uint32_t sampler_alive;

static void *memory_or_null(long address)
{
    return address < 0 && address > -4096 ? NULL : (void *)(uintptr_t)address;
}

/* ---- the bare thread ---- */

static int start_sampler(struct memory *memory)
{
    struct pl_sampler *sampler = &memory->sampler;
    uint64_t all = UINT64_MAX, mask = 0;
    uint64_t *tls = memory->tls + TLS_BYTES / 16;
    tls[0] = tls[2] =
        (uint64_t)(uintptr_t)tls; /* as libc's thread block points to itself */
    atomic_store(&sampler_alive, 1);
    pl_sys4(SYS_rt_sigprocmask, SIG_SETMASK, PL_ARG(&all), PL_ARG(&mask), sizeof mask);
    long tid =
        pl_start_bare_thread(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                                 CLONE_SETTLS | CLONE_CHILD_CLEARTID,
                             memory->stack + STACK_BYTES, NULL, &sampler_alive, tls,
                             pl_sampler_run, sampler);
    pl_sys4(SYS_rt_sigprocmask, SIG_SETMASK, PL_ARG(&mask), 0, sizeof mask);
    if (tid < 0) {
        atomic_store(&sampler_alive, 0);
        return (int)tid;
    }
    /* Until it has closed its copies of the host's descriptors. */
    while (!atomic_load(&sampler->ready) && atomic_load(&sampler_alive))
        pl_sys4(SYS_futex, PL_ARG(&sampler->ready), FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0,
                0);
    return atomic_load(&sampler->ready) == 1 ? 0 : -EIO;
}

static void join_sampler(struct memory *memory)
{
    uint32_t alive;
    atomic_store(&memory->state.stop, 1);
    pl_sys4(SYS_futex, PL_ARG(&memory->state.stop), FUTEX_WAKE | FUTEX_PRIVATE_FLAG,
            INT32_MAX, 0);
    while ((alive = atomic_load(&sampler_alive)) != 0)
        pl_sys4(SYS_futex, PL_ARG(&sampler_alive), FUTEX_WAIT, alive, 0);
}

/* ---- the host ---- */

/* Valgrind runs the program on a processor of its own, which knows no threads but
 * those of libc. It answers this sequence, which does nothing elsewhere. */
static bool is_emulated(void)
{
    volatile uint64_t request[6] = {0x1001}; /* VG_USERREQ__RUNNING_ON_VALGRIND */
    uint64_t answer = 0;
    __asm__ volatile("rolq $3, %%rdi\n\t"
                     "rolq $13, %%rdi\n\t"
                     "rolq $61, %%rdi\n\t"
                     "rolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(&request[0])
                     : "cc", "memory", "rdi");
    return answer != 0;
}

/* A debugger, or a tool that shows system calls or signals, would show ours, too: the
 * program is theirs. */
static bool is_traced(void)
{
    static const char field[] = "\nTracerPid:\t";
    char text[2048];
    long fd = pl_sys4(SYS_openat, AT_FDCWD, PL_ARG("/proc/self/status"),
                      O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    long got = pl_sys3(SYS_read, fd, PL_ARG(text), sizeof text - 1);
    pl_sys3(SYS_close, fd, 0, 0);
    text[got > 0 ? got : 0] = '\0';
    const char *found = strstr(text, field);
    return found && found[sizeof field - 1] != '0';
}

static void segment_path(char *path, const char *dot)
{
    pl_capture_file_path(path, capture.dir, dot, capture.memory->state.pid,
                         capture.session_id);
}

/* ---- start and stop ---- */

static int make_memory(void)
{
    uint64_t head = (sizeof(struct memory) + 4095) & ~UINT64_C(4095);
    uint64_t bytes = (head + pl_codemap_bytes() + 4095) & ~UINT64_C(4095);
    if (capture.memory) { /* once more in this process: all zero again */
        pl_sys3(SYS_madvise, PL_ARG(capture.memory->stack), PL_ARG(bytes - GUARD_BYTES),
                MADV_DONTNEED);
        return 0;
    }
    long address = pl_sys6(SYS_mmap, 0, PL_ARG(bytes), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct memory *memory = memory_or_null(address);
    if (!memory)
        return (int)address;
    long result = pl_sys3(SYS_madvise, address, PL_ARG(bytes), MADV_WIPEONFORK);
    if (result < 0) {
        pl_sys3(SYS_munmap, address, PL_ARG(bytes), 0);
        return (int)result;
    }
    pl_sys3(SYS_mprotect, address, GUARD_BYTES, PROT_NONE);
    capture.memory = memory;
    capture.memory_bytes = bytes;
    return 0;
}

static int random_bytes(void *to, size_t bytes)
{
    long got = pl_sys3(SYS_getrandom, PL_ARG(to), PL_ARG(bytes), 0);
    return got == (long)bytes ? 0 : -EIO;
}

static int make_ids(struct pl_sampler *sampler)
{
    uint64_t words[2], none = 0;
    uint8_t any = 0;
    if (random_bytes(words, sizeof words))
        return -EIO;
    uint64_t cookie = words[0] & PL_COOKIE_MASK;
    atomic_compare_exchange_strong(&pl_state_cookie, &none,
                                   cookie ? cookie : UINT64_C(1) << 32);
    sampler->random = words[1] | 1;
    for (unsigned i = 0; i < sizeof capture.session_id; i++)
        any |= capture.session_id[i];
    return any ? 0 : random_bytes(capture.session_id, sizeof capture.session_id);
}

/* An address in the program itself. */
static uint64_t main_address(void)
{
    return getauxval(AT_PHDR);
}

static int start_session(void)
{
    char hidden[sizeof capture.dir + PL_CAPTURE_FILE_NAME],
        path[sizeof capture.dir + PL_CAPTURE_FILE_NAME];
    int result = is_emulated() || is_traced() ? -EBUSY : make_memory();
    if (result < 0)
        return result;
    struct memory *memory = capture.memory;
    struct pl_state *state = &memory->state;
    struct pl_sampler *sampler = &memory->sampler;
    state->pid = (int)pl_sys3(SYS_getpid, 0, 0, 0);
    state->period_ns = capture.options.period_ns;
    state->cpu_mode = capture.options.cpu_mode;
    state->budget_ppm = (uint32_t)(capture.options.max_overhead * 1e6);
    if (capture.options.max_overhead > 0 && !state->budget_ppm)
        state->budget_ppm = 1;
    atomic_store(&state->stride, 1);
    pl_copy(state->hidden_tids, capture.options.hidden_tids, sizeof state->hidden_tids);
    result = make_ids(sampler);
    if (result < 0)
        return result;
    segment_path(hidden, ".");
    segment_path(path, "");
    int fd = pl_capture_file_make(state, hidden);
    if (fd < 0)
        return fd;
    pl_capture_file_fill(state->segment, state, capture.app, capture.session_id,
                         capture.parent_session_id);
    sampler->state = state;
    sampler->segment = state->segment;
    sampler->segment_fd = fd;
    sampler->codemap =
        pl_codemap_init((uint8_t *)memory + ((sizeof *memory + 4095) & ~UINT64_C(4095)),
                        state, capture.dir, main_address());
    result = pl_handler_install();
    if (result == 0) {
        atomic_store(&pl_state_current, state);
        result = start_sampler(memory);
    }
    pl_sys3(SYS_close, fd, 0, 0);
    if (result == 0) {
        atomic_store_explicit(&state->segment->state, PL_SEG_LIVE,
                              memory_order_release);
        result = (int)pl_sys3(SYS_rename, PL_ARG(hidden), PL_ARG(path), 0);
        if (result < 0)
            join_sampler(memory);
    }
    if (result < 0) {
        atomic_store(&pl_state_current, NULL);
        pl_sys3(SYS_unlink, PL_ARG(hidden), 0, 0);
        pl_capture_file_unmap(state);
        return result;
    }
    capture.pid = state->pid;
    return 0;
}

/* ---- fork ---- */

static void set_signal_blocked(bool blocked, bool *was_blocked)
{
    uint64_t mask = 0, signal = UINT64_C(1) << (atomic_load(&pl_state_signal) - 1);
    pl_sys4(SYS_rt_sigprocmask, blocked ? SIG_BLOCK : SIG_UNBLOCK, PL_ARG(&signal),
            PL_ARG(&mask), sizeof mask);
    if (was_blocked)
        *was_blocked = (mask & signal) != 0;
}

static void before_fork(void)
{
    bool was_blocked = true;
    if (capture.pid)
        set_signal_blocked(true, &was_blocked);
    unblock_after_fork = !was_blocked;
    capture.forking_tid = (int)pl_sys3(SYS_gettid, 0, 0, 0);
}

static void after_fork_in_parent(void)
{
    if (unblock_after_fork)
        set_signal_blocked(false, NULL);
}

static void after_fork_in_child(void)
{
    bool follows =
        capture.options.follow_fork && (capture.pid != 0 || capture.options.forks_only);
    capture.pid = 0;
    capture.confined = capture.paused_for_exec = false;
    atomic_store(&pl_state_current, NULL);
    atomic_store(&sampler_alive, 0);
    pl_handler_after_fork();
    pl_label_table_after_fork(capture.forking_tid);
    if (follows) {
        pl_copy(capture.parent_session_id, capture.session_id,
                sizeof capture.session_id);
        pl_zero(capture.session_id, sizeof capture.session_id);
        pl_zero(capture.options.hidden_tids, sizeof capture.options.hidden_tids);
        capture.options.forks_only = false;
        start_session();
    }
    if (unblock_after_fork)
        set_signal_blocked(false, NULL);
}

/* ---- the interface ---- */

static bool copy_text(char *to, size_t size, const char *from)
{
    size_t length = from ? strnlen(from, size) : 0;
    if (length >= size)
        return false;
    memcpy(to, from ? from : "", length);
    to[length] = '\0';
    return true;
}

int pl_capture_start(const struct pl_capture_options *options)
{
    if (capture.confined || pl_capture_running())
        return -EALREADY;
    if (!options->dir || options->dir[0] != '/' || options->period_ns <= 0 ||
        !copy_text(capture.dir, sizeof capture.dir, options->dir))
        return -EINVAL;
    if (!copy_text(capture.app, sizeof capture.app, options->app))
        capture.app[0] = '\0';
    pl_vclock_init(getauxval(AT_SYSINFO_EHDR));
    capture.options = *options;
    memcpy(capture.session_id, options->session_id, sizeof capture.session_id);
    memset(capture.parent_session_id, 0, sizeof capture.parent_session_id);
    if (!capture.fork_handlers) {
        int result =
            pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
        if (result)
            return -result;
        capture.fork_handlers = true;
    }
    int saved = errno;
    int result = options->forks_only ? 0 : start_session();
    errno = saved;
    return result;
}

bool pl_capture_running(void)
{
    return capture.pid && capture.pid == (int)pl_sys3(SYS_getpid, 0, 0, 0);
}

bool pl_capture_session(uint8_t id_out[static 16])
{
    if (!pl_capture_running())
        return false;
    memcpy(id_out, capture.session_id, sizeof capture.session_id);
    return true;
}

void pl_capture_stop(void)
{
    if (!pl_capture_running())
        return;
    struct pl_state *state = &capture.memory->state;
    join_sampler(capture.memory);
    atomic_store(&pl_state_current, NULL);
    atomic_store_explicit(&state->segment->state, PL_SEG_EXITED, memory_order_release);
    pl_capture_file_unmap(state);
    capture.pid = 0;
}

static int open_segment(void)
{
    char path[sizeof capture.dir + PL_CAPTURE_FILE_NAME];
    segment_path(path, "");
    return (int)pl_sys4(SYS_openat, AT_FDCWD, PL_ARG(path),
                        O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
}

bool pl_capture_pause(void)
{
    if (!pl_capture_running() || !atomic_load(&sampler_alive))
        return false;
    struct memory *memory = capture.memory;
    capture.held_fd = -1;
    join_sampler(memory);
    /* The kernel says that the thread has ended before it stops counting it. */
    for (int i = 0; i < 1000; i++) {
        struct timespec moment = {0, 100000};
        if (pl_sys3(SYS_tgkill, memory->state.pid, memory->sampler.tid, 0) < 0)
            break;
        pl_sys3(SYS_nanosleep, PL_ARG(&moment), 0, 0);
    }
    return true;
}

bool pl_capture_pause_holding(void)
{
    bool paused = pl_capture_pause();
    if (paused)
        capture.held_fd = open_segment();
    return paused;
}

void pl_capture_resume(void)
{
    struct memory *memory = capture.memory;
    int fd = capture.held_fd >= 0 ? capture.held_fd : open_segment();
    capture.held_fd = -1;
    memory->sampler.segment_fd = fd; /* -1: out of reach now, it cannot grow */
    atomic_store(&memory->sampler.ready, 0);
    atomic_store(&memory->state.stop, 0);
    (void)start_sampler(memory);
    if (fd >= 0)
        pl_sys3(SYS_close, fd, 0, 0);
}

bool pl_capture_before_filter(void)
{
    if (!pl_capture_running())
        return false;
    atomic_store(&capture.memory->state.confined, true);
    return pl_capture_pause();
}

void pl_capture_after_filter(bool confined)
{
    if (confined) {
        capture.confined = true;
        capture.pid = 0;
        return;
    }
    atomic_store(&capture.memory->state.confined, false);
    pl_capture_resume();
}

void pl_capture_exiting(int status)
{
    struct pl_segment *segment = capture.memory ? capture.memory->state.segment : NULL;
    if (!segment || (!capture.confined && !pl_capture_running()))
        return;
    atomic_store(&segment->exit_status, status & 0xff);
    atomic_store_explicit(&segment->state, PL_SEG_EXITED, memory_order_release);
}

void pl_capture_yield_signal(void)
{
    bool paused = pl_capture_pause();
    if (!paused)
        return;
    pl_handler_move();
    pl_capture_resume();
}

/* The spare signal would end the new program if it came in between. */
void pl_capture_execing(void)
{
    if (!pl_capture_running())
        return;
    if (atomic_load(&pl_state_signal) != PL_SIGNAL)
        capture.paused_for_exec = pl_capture_pause();
    atomic_store_explicit(&capture.memory->state.segment->state, PL_SEG_EXECED,
                          memory_order_release);
}

void pl_capture_exec_failed(void)
{
    if (!pl_capture_running())
        return;
    if (capture.paused_for_exec) {
        capture.paused_for_exec = false;
        pl_capture_resume();
    }
    atomic_store_explicit(&capture.memory->state.segment->state, PL_SEG_LIVE,
                          memory_order_release);
}

void pl_capture_maps_changed(void)
{
    if (pl_capture_running())
        atomic_store(&capture.memory->state.segment->maps_stale, 1);
}

void pl_capture_names_changed(void)
{
    if (pl_capture_running())
        atomic_store(&capture.memory->state.names_stale, true);
}
