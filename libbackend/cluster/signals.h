/*
 * signals.h: the supervisor's signals, as a descriptor to read from.
 */
#ifndef BK_CLUSTER_SIGNALS_H
#define BK_CLUSTER_SIGNALS_H

/* From now on they wait for bk__signals_open(): who has been told that the service listens may send
 * one. */
void bk__signals_block(void);

/* Blocks the signals that mean something to a supervisor and returns a descriptor on which they
 * arrive. */
int bk__signals_open(void);

/* The next signal that has come; 0: none. */
int bk__signals_next(int fd);

/* In a worker: unblocks them again. Its own handlers have to be in place. */
void bk__signals_unblock(void);

#endif
