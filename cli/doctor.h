/* doctor: what is looked at, one line each: how it is, why that matters, what to do.
 *
 * The parts (doctor_*.c) look and report; cmd_doctor.c prints. */
#ifndef PL_CLI_DOCTOR_H
#define PL_CLI_DOCTOR_H

#include "cli/cli.h"

enum pl_verdict {
    PL_VERDICT_OK,
    PL_VERDICT_NOTE, /* works, and something is worth knowing */
    PL_VERDICT_BAD,  /* something does not work */
};

struct pl_doctor {
    struct pl_cli *cli;
    const char *area;     /* heading of what comes next */
    const char *headed;   /* the last heading printed */
    struct pl_buf checks; /* elements of the JSON array */
    unsigned notes, bad;
};

/* One finding: "SQLite", "3.40.1". `fix` (nullable): what to do, or why to do nothing.
 */
void pl_doctor_say(struct pl_doctor *doctor, enum pl_verdict verdict, const char *name,
                   const char *fix, const char *format, ...) PL_PRINTF(5, 6);

void pl_doctor_libraries(struct pl_doctor *doctor);
void pl_doctor_recording(struct pl_doctor *doctor);
void pl_doctor_store(struct pl_doctor *doctor);
void pl_doctor_symbols(struct pl_doctor *doctor, struct pl_store *store); /* or NULL */

#endif
