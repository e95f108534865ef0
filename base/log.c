#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static pl_log_sink *current_sink;
static enum pl_log_level current_level;

void pl_log_set_sink(pl_log_sink *sink, enum pl_log_level up_to)
{
    current_sink = sink;
    current_level = up_to;
}

void pl_log(enum pl_log_level level, const char *area, const char *format, ...)
{
    if (!current_sink || level > current_level)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    current_sink(level, area, line);
}
