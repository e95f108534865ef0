/* Settings: proflite_options, environment, config file and defaults made into one
 * checked set, copied so that nothing of the caller's is needed later. The table of
 * options and their order is in proflite.h. */
#ifndef PL_COLLECTOR_SETTINGS_H
#define PL_COLLECTOR_SETTINGS_H

#include "collector/proflite.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(field of proflite_options) */
#define PL_SETTING_LIST(X)                                                             \
    X(db)                                                                              \
    X(app)                                                                             \
    X(release)                                                                         \
    X(environment)                                                                     \
    X(dist)                                                                            \
    X(hz)                                                                              \
    X(mode)                                                                            \
    X(session_sample_rate)                                                             \
    X(lifecycle)                                                                       \
    X(auto_start)                                                                      \
    X(max_overhead)                                                                    \
    X(in_app_include)                                                                  \
    X(in_app_exclude)                                                                  \
    X(project_root)                                                                    \
    X(durability)                                                                      \
    X(control)

enum pl_setting {
#define X(name) PL_SETTING_##name,
    PL_SETTING_LIST(X)
#undef X
        PL_SETTING_COUNT
};

enum pl_origin {
    PL_ORIGIN_DEFAULT,
    PL_ORIGIN_FILE,
    PL_ORIGIN_ENVIRONMENT,
    PL_ORIGIN_CALLER,
};

/* Where a value came from, and how it reads. */
struct pl_setting_value {
    char *text; /* owned; NULL: none */
    enum pl_origin origin;
    unsigned line; /* of the config file */
};

struct pl_settings {
    char *db;                                 /* absolute */
    char *app, *release, *environment, *dist; /* NULL: none */
    char *in_app_include, *in_app_exclude;    /* lists with commas; NULL: none */
    char *project_root;                       /* absolute; NULL: none */
    char *control;                            /* absolute; NULL: none */
    char *config_path;                        /* NULL: none was looked for */
    unsigned hz;
    bool cpu_mode, trace, auto_start, full_durability;
    double session_sample_rate;
    double max_overhead; /* of the process's CPU time; 0: no limit */
    struct pl_setting_value values[PL_SETTING_COUNT];
};

/* `options` may be NULL. PROFLITE_OK, INVALID, UNSUPPORTED or IO; `why` says it.
 * `secure` (a set-user-ID program): neither the environment nor the config file is
 * looked at. */
int pl_settings_init(struct pl_settings *settings_out, const proflite_options *options,
                     bool secure, char *why, size_t why_bytes);
void pl_settings_deinit(struct pl_settings *settings);

/* "hz" and its environment variable. */
const char *pl_setting_name(enum pl_setting setting);
const char *pl_setting_variable(enum pl_setting setting);

/* One draw; by the kernel's random numbers. */
bool pl_settings_draw(const struct pl_settings *settings);

#endif
