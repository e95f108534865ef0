/* The segment's file, as the profiled process makes it. Raw system calls only: a
 * descriptor of it is open in the host's table for a moment. */
#ifndef PL_COLLECTOR_CAPTURE_FILE_H
#define PL_COLLECTOR_CAPTURE_FILE_H

#include "collector/state.h"

#define PL_CAPTURE_FILE_NAME 64u /* bytes a path is longer than the folder's */

/* "<dir>/.<pid>-<8 hex>.seg", or with another `dot` than ".". */
void pl_capture_file_path(char *path, const char *dir, const char *dot, int pid,
                          const uint8_t *session_id);

/* Make the file, allocate it, map it as the state's segment. Returns its descriptor, or
 * a negative errno. */
int pl_capture_file_make(struct pl_state *state, const char *path);

/* Who the process is, and when. `app` "": the program's own name. */
void pl_capture_file_fill(struct pl_segment *segment, const struct pl_state *state,
                          const char *app, const uint8_t *session_id,
                          const uint8_t *parent_session_id);

/* And the rings, but those a handler is at work in. */
void pl_capture_file_unmap(struct pl_state *state);

#endif
