/* A disk that fails on purpose: a VFS over SQLite's own, for tests.
 *
 * Every operation is counted. Operation `at` may fail, once or from then on, as the
 * system would fail it; or the power may go there: then the files are left as a disk
 * may leave them, each write since the file's last sync kept, dropped or torn into
 * sectors, and the process ends. One thread at a time.
 *
 * System calls the store makes beside SQLite are asked about by fault_strikes(). */
#ifndef PL_TESTS_FAULT_VFS_H
#define PL_TESTS_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_op {
    FAULT_OPEN,
    FAULT_DELETE,
    FAULT_ACCESS,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_TRUNCATE,
    FAULT_SYNC,
    FAULT_SIZE,
    FAULT_LOCK,
    FAULT_HINT, /* room asked for ahead (fallocate) */
    FAULT_SHM_MAP,
    FAULT_SHM_LOCK,
    FAULT_SYSTEM, /* a call of the store itself */
    FAULT_OP_COUNT
};

struct fault_plan {
    long at; /* from 1; 0: nothing fails, operations are counted */
    bool for_ever;
    int error; /* EIO, ENOSPC, EFBIG or EROFS */
};

/* Becomes SQLite's default VFS; the one below keeps its name, "unix". */
void fault_install(void);

/* Count from 0 and fail as planned, until fault_end(), which returns the count. */
void fault_begin(struct fault_plan plan);
long fault_end(void);
long fault_hits(void);              /* that failed since fault_begin */
long fault_count(enum fault_op op); /* operations of a kind since fault_begin */
enum fault_op fault_last(void);     /* kind of the last that failed */
const char *fault_name(enum fault_op op);
bool fault_strikes(enum fault_op op); /* counts one; sets errno if it is to fail */

/* Called before each write and cut of a file; NULL: no more. */
void fault_on_write(void (*hook)(const char *path));

/* ---- power ---- */

#define FAULT_POWER_EXIT 77

/* From now on the disk is watched, and at operation `at` (0: never) the power goes: the
 * process ends with FAULT_POWER_EXIT. What becomes of writes follows from `seed`. */
void fault_power(long at, uint64_t seed);
/* Name changes last when their folder was synced. */
void fault_power_renamed(const char *from, const char *to);
void fault_power_folder_synced(void);

#endif
