/* The symbol worker: a process of its own that reads debug information.
 *
 * The program `proflite` runs it when its first argument is PL_WORKER_ARGUMENT;
 * pl_symbolizer (process/symbolizer.h) starts it and talks to it. */
#ifndef PL_PROCESS_WORKER_H
#define PL_PROCESS_WORKER_H

#define PL_WORKER_ARGUMENT "__symbols"

/* Answer questions until the other end closes. Closes all other descriptors and
 * lowers this process's limits: call it only in a process made for it, and exit
 * with what it returns (0 after a clean end). */
int pl_symbols_worker_main(int fd_in, int fd_out);

#endif
