/* Process state: is the process of a segment still there? Another process may have
 * its pid by now, so its start time counts, too. Threads  any. */
#ifndef PL_COLLECTOR_PROCESS_STATE_H
#define PL_COLLECTOR_PROCESS_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* True when no thread of the process runs any more: it is gone, a zombie, or the
 * pid is another's. `start` is field 22 of /proc/PID/stat; 0: not known. */
bool pl_process_gone(uint32_t pid, uint64_t start);

/* A descriptor that knows how the process ended also when another has waited for it (from
 * Linux 6.15 on); -1: none. Whoever asks closes it. */
int pl_process_open(uint32_t pid, uint64_t start);

/* True if it has ended and can tell: the status as of wait(2). -1 is fine. */
bool pl_process_wait_status(int fd, int *status_out);

/* False only if the process can be looked at and does not map a file of that name:
 * it executes another program by now. */
bool pl_process_maps(uint32_t pid, const char *file_name);

#endif
