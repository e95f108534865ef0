/* The writer behind pl_store_sink: see writer.c. */
#ifndef PL_STORE_WRITER_H
#define PL_STORE_WRITER_H

struct pl_writer;

void pl_writer_free(struct pl_writer *writer); /* NULL is fine */

#endif
