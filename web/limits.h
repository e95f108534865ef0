/* Limits of what is taken in by HTTP (docs/LIMITS.md). */
#ifndef PL_WEB_LIMITS_H
#define PL_WEB_LIMITS_H

#define PL_LIMIT_BODY     ((size_t)200 << 20) /* of a body as sent */
#define PL_LIMIT_ENVELOPE ((size_t)200 << 20) /* decoded */
#define PL_LIMIT_PROFILE  ((size_t)50 << 20)  /* of one profile or chunk */
#define PL_LIMIT_EVENT    ((size_t)1 << 20)   /* event, transaction, spans */
#define PL_LIMIT_REPORT   ((size_t)4 << 10)   /* client report */
#define PL_LIMIT_PARSED   ((size_t)12 << 20)  /* memory of a parsed profile */

#endif
