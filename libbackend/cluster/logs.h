/*
 * logs.h: the last log lines of all workers and the supervisor, in the order of their times.
 */
#ifndef BK_CLUSTER_LOGS_H
#define BK_CLUSTER_LOGS_H

#include <backend/str.h>

struct bk__board;

/* {"ok":true,"lines":[...]}: each line the object that was logged; at most @p count of them, and
 * at most so many bytes as a socket takes at once. */
void bk__logs_write(const struct bk__board *board, size_t count, bk_buf *buf);

#endif
