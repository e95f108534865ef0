/* Task payload: how Sentry's Relay hands a profile over to the profile task. One
 * msgpack map; `payload` is the profile's JSON, and what stands beside it comes from
 * Relay itself, so it counts more than what the JSON says of the same.
 *
 *   {"organization_id": 1, "project_id": 42, "key_id": 3, "received": 1700000000,
 *    "sampled": true, "payload": "{…}"} */
#ifndef PL_FORMATS_TASK_PAYLOAD_H
#define PL_FORMATS_TASK_PAYLOAD_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct pl_task_payload {
    const char *profile; /* JSON; part of the bytes read */
    size_t profile_len;
    int64_t organization_id, project_id, key_id; /* 0: not said */
    int64_t received_ns;                         /* Unix; 0: not said */
    int8_t sampled;                              /* 1, 0, -1 not said */
};

/* Takes no memory: nothing is made of what is not asked for, however long it says it
 * is. Keys that are not known are passed over; of one that comes twice the last counts.
 * Errors  INPUT: no map, broken off, nested over 32 deep, more behind it, `payload` or
 * `project_id` missing or of another kind. */
PL_MUST_CHECK enum pl_status pl_task_payload_read(const void *bytes, size_t len,
                                                  struct pl_task_payload *out,
                                                  struct pl_error *err);

#endif
