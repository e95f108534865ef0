/* The verbs of `proflite symbols` (cmd_symbols.c). Each returns the exit code. */
#ifndef PL_CLI_SYMBOLS_H
#define PL_CLI_SYMBOLS_H

#include "cli/cli.h"

struct pl_symbols_request {
    struct pl_cli *cli;
    int64_t project;  /* 0: for all */
    const char *uuid; /* NULL: as the file says */
    bool usual;       /* sources: the usual ones again */
    char **operands;  /* after the verb */
    int operand_count;
};

int pl_symbols_add(const struct pl_symbols_request *request);
int pl_symbols_ls(const struct pl_symbols_request *request);
int pl_symbols_rm(const struct pl_symbols_request *request);
int pl_symbols_sources(const struct pl_symbols_request *request);

#endif
