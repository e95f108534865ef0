/* The symbol worker as a child process: start, talk with a deadline, end. */
#ifndef PL_PROCESS_WORKER_PROCESS_H
#define PL_PROCESS_WORKER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pl_worker_process {
    pid_t pid; /* 0: none */
    int fd;
};
#define PL_WORKER_PROCESS_NONE ((struct pl_worker_process){0, -1})

enum pl_worker_io { PL_WORKER_IO_OK, PL_WORKER_IO_CLOSED, PL_WORKER_IO_LATE };

bool pl_worker_process_runs(const struct pl_worker_process *process);

/* By posix_spawn of this very program, or by fork alone. False: `why` says it. */
bool pl_worker_process_start(struct pl_worker_process *process, bool by_fork, char *why,
                             size_t why_bytes);

/* All of `bytes` until `deadline_ns` of the monotonic clock. */
enum pl_worker_io pl_worker_process_write(struct pl_worker_process *process,
                                          const void *bytes, size_t len,
                                          int64_t deadline_ns);
/* The same, with `count` descriptors (perhaps none) beside the first byte. */
enum pl_worker_io pl_worker_process_send(struct pl_worker_process *process,
                                         const void *bytes, size_t len, const int *fds,
                                         size_t count, int64_t deadline_ns);
enum pl_worker_io pl_worker_process_read(struct pl_worker_process *process, void *bytes,
                                         size_t len, int64_t deadline_ns);

/* Close the socket, which makes an idle worker leave, and collect it; one that is
 * still busy is killed. `why` (nullable) gets how it ended; true: by its
 * CPU time limit. Fine when none runs. */
bool pl_worker_process_end(struct pl_worker_process *process, char *why,
                           size_t why_bytes);

#endif
