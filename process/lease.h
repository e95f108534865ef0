/* Whose lease it is: owner texts that tell whether the owner still lives.
 *
 *   <boot id>.<pid namespace>.<pid>.<start time>.<random>
 *
 * A lease ends by itself some time after its owner was killed; within one boot and
 * pid namespace there is no need to wait for that. */
#ifndef PL_PROCESS_LEASE_H
#define PL_PROCESS_LEASE_H

#include <stdbool.h>
#include <stddef.h>

#define PL_LEASE_OWNER_BYTES 160

/* A new owner text for this process. */
void pl_lease_owner(char owner_out[static PL_LEASE_OWNER_BYTES]);

/* True only if `owner` is surely gone; hostile texts are alive. */
bool pl_lease_owner_is_dead(const char *owner);

#endif
