/* The outbox as JSON. */
#ifndef PL_WEB_DOCUMENT_OUTBOX_H
#define PL_WEB_DOCUMENT_OUTBOX_H

#include "base/buf.h"
#include "store/outbox.h"

/* `,"key":[...]`, a target each (docs/API.md, health). */
void pl_json_outbox_field(struct pl_buf *out, const char *key,
                          const struct pl_outbox_state_list *list);

/* Lines of Prometheus, proflite_forward_*. */
void pl_outbox_metrics(struct pl_buf *out, const struct pl_outbox_state_list *list);

#endif
