/* Rest: a linked library gives back what it needs only while it writes. */
#ifndef PL_COLLECTOR_REST_H
#define PL_COLLECTOR_REST_H

/* Memory of the heap that nothing is in, and the pages of the library's own code and
 * constants, most of which is SQLite: they come back from the file when next used.
 * Threads  any. */
void pl_rest(void);

#endif
