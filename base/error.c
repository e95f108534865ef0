#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

enum pl_status pl_error_set(struct pl_error *err, enum pl_status status,
                            const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->status = status;
        (void)vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return status;
}

int pl_status_exit_code(enum pl_status status)
{
    switch (status) {
#define X(name, code)                                                                  \
    case PL_##name:                                                                    \
        return code;
        PL_STATUS_LIST(X)
#undef X
    }
    return 4;
}

const char *pl_status_name(enum pl_status status)
{
    switch (status) {
#define X(name, code)                                                                  \
    case PL_##name:                                                                    \
        return #name;
        PL_STATUS_LIST(X)
#undef X
    }
    return "?";
}
