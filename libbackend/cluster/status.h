/*
 * status.h: what the supervisor tells of itself and its workers.
 */
#ifndef BK_CLUSTER_STATUS_H
#define BK_CLUSTER_STATUS_H

#include <backend/str.h>

struct bk__supervisor;

/* One JSON object. */
void bk__status_write(const struct bk__supervisor *s, bk_buf *buf);

#endif
