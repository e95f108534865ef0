/* Settings: proflite_options, environment and defaults made into one checked set,
 * copied so that nothing of the caller's is needed later. The table of options
 * and their order is in proflite.h. */
#ifndef PL_COLLECTOR_SETTINGS_H
#define PL_COLLECTOR_SETTINGS_H

#include "collector/proflite.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_settings {
    char *db;                                 /* absolute */
    char *app, *release, *environment, *dist; /* NULL: none */
    unsigned hz;
    bool cpu_mode;
    double session_sample_rate;
};

/* `options` may be NULL. PROFLITE_OK, INVALID, UNSUPPORTED or IO; `why` says it.
 * `secure` (a set-user-ID program): the environment is not looked at. */
int pl_settings_init(struct pl_settings *settings_out, const proflite_options *options,
                     bool secure, char *why, size_t why_bytes);
void pl_settings_deinit(struct pl_settings *settings);

/* One draw; by the kernel's random numbers. */
bool pl_settings_draw(const struct pl_settings *settings);

#endif
