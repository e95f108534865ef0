#include "collector/capture_file.h"

#include "collector/sampler.h"
#include "collector/sys.h"
#include "collector/vclock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

/* Field 22 of /proc/self/stat, the one that tells this process from a later one of
 * the same number. */
static uint64_t read_pid_start(void)
{
    char text[1024];
    long fd = pl_sys4(SYS_openat, AT_FDCWD, PL_ARG("/proc/self/stat"),
                      O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    long got = pl_sys3(SYS_read, fd, PL_ARG(text), sizeof text);
    pl_sys3(SYS_close, fd, 0, 0);
    long at = got > 0 ? got : 0;
    while (at > 0 && text[at - 1] != ')')
        at--;
    int field = 2;
    for (; at < got && field < 22; at++)
        field += text[at] == ' ';
    uint64_t value = 0;
    for (; at < got && text[at] >= '0' && text[at] <= '9'; at++)
        value = value * 10 + (uint64_t)(text[at] - '0');
    return value;
}

static void fill_names(struct pl_segment *segment, const char *name)
{
    long got = pl_sys3(SYS_readlink, PL_ARG("/proc/self/exe"), PL_ARG(segment->exe),
                       sizeof segment->exe - 1);
    const char *exe = segment->exe;
    if (got < 0)
        segment->exe[0] = '\0';
    if (!*name) {
        name = exe;
        for (const char *c = exe; *c; c++) {
            if (*c == '/')
                name = c + 1;
        }
    }
    for (size_t i = 0; name[i] && i < sizeof segment->app - 1; i++)
        segment->app[i] = name[i];
}

void pl_capture_file_fill(struct pl_segment *segment, const struct pl_state *state,
                          const char *app, const uint8_t *session_id,
                          const uint8_t *parent_session_id)
{
    segment->magic = PL_SEG_MAGIC;
    segment->version = PL_SEG_VERSION;
    segment->header_bytes = sizeof *segment;
    segment->pid = (uint32_t)state->pid;
    segment->parent_pid = (uint32_t)pl_sys3(SYS_getppid, 0, 0, 0);
    segment->pid_start = read_pid_start();
    pl_copy(segment->session_id, session_id, sizeof segment->session_id);
    pl_copy(segment->parent_session_id, parent_session_id,
            sizeof segment->parent_session_id);
    segment->cpu_mode = state->cpu_mode;
    segment->period_ns = state->period_ns;
    segment->mono_origin_ns = pl_vclock_ns(CLOCK_MONOTONIC);
    segment->wall_origin_ns = pl_vclock_ns(CLOCK_REALTIME);
    fill_names(segment, app);
}

void pl_capture_file_path(char *path, const char *dir, const char *dot, int pid,
                          const uint8_t *session_id)
{
    char *at = pl_text_append(path, dir);
    at = pl_text_append(at, "/");
    at = pl_text_append(at, dot);
    at = pl_text_append_number(at, (uint64_t)pid);
    at = pl_text_append(at, "-");
    for (unsigned i = 0; i < 4; i++) {
        *at++ = "0123456789abcdef"[session_id[i] >> 4];
        *at++ = "0123456789abcdef"[session_id[i] & 15];
    }
    pl_text_append(at, ".seg");
}

/* Beyond the host's limit for files there is a signal, not only an error. */
static bool is_over_limit(uint64_t bytes)
{
    struct rlimit limit;
    return pl_sys4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, PL_ARG(&limit)) == 0 &&
           limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes;
}

int pl_capture_file_make(struct pl_state *state, const char *path)
{
    const uint64_t bytes = (sizeof(struct pl_segment) + 4095) & ~UINT64_C(4095);
    if (is_over_limit(bytes))
        return -EFBIG;
    long fd = pl_sys4(SYS_openat, AT_FDCWD, PL_ARG(path),
                      O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return (int)fd;
    long result = pl_sys4(SYS_fallocate, fd, 0, 0, PL_ARG(bytes));
    if (result == 0) {
        long address = pl_sys6(SYS_mmap, 0, PL_ARG(bytes), PROT_READ | PROT_WRITE,
                               MAP_SHARED, fd, 0);
        result = address < 0 && address > -4096 ? address : 0;
        if (result == 0)
            state->segment = (void *)(uintptr_t)address;
    }
    if (result < 0) {
        pl_sys3(SYS_unlink, PL_ARG(path), 0, 0);
        pl_sys3(SYS_close, fd, 0, 0);
        return (int)result;
    }
    state->segment_bytes = bytes;
    pl_sys3(SYS_madvise, PL_ARG(state->segment), PL_ARG(bytes), MADV_DONTFORK);
    return (int)fd;
}

void pl_capture_file_unmap(struct pl_state *state)
{
    for (unsigned i = 0; i < PL_SEG_MAX_THREADS; i++) {
        uint8_t *ring = state->slots[i].ring.bytes;
        if (ring && !atomic_load(&state->slots[i].busy)) {
            state->slots[i].ring.bytes = NULL;
            pl_sys3(SYS_munmap, PL_ARG(ring), PL_RING_BYTES, 0);
            if (state->slots[i].cache)
                pl_sys3(SYS_munmap, PL_ARG(state->slots[i].cache),
                        sizeof *state->slots[i].cache, 0);
        }
    }
    pl_sys3(SYS_munmap, PL_ARG(state->segment), PL_ARG(state->segment_bytes), 0);
    state->segment = NULL;
}
