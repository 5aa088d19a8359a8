/*
 * offload.h: the loop's side of its thread pool. The rest is bk_offload().
 */
#ifndef BK_FIBER_OFFLOAD_H
#define BK_FIBER_OFFLOAD_H

struct bk_loop;

/* Ends the threads, once what they run has ended. Nothing may be queued. */
void bk__offload_free(struct bk_loop *loop);

#endif
