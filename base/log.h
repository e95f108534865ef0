/* Log lines through one installable sink; silent until a program installs one.
 * Log where an error is handled, not where it passes. */
#ifndef PL_BASE_LOG_H
#define PL_BASE_LOG_H

#include "base/error.h"

enum pl_log_level { PL_LOG_ERROR, PL_LOG_WARN, PL_LOG_INFO, PL_LOG_DEBUG };

typedef void pl_log_sink(enum pl_log_level level, const char *area, const char *line);

/* NULL silences. Threads  set it before starting any. */
void pl_log_set_sink(pl_log_sink *sink, enum pl_log_level up_to);

/* `area` is the folder or module that speaks. Signals  unsafe. */
void pl_log(enum pl_log_level level, const char *area, const char *format, ...)
    PL_PRINTF(3, 4);

#endif
