/*
 * offload.h: the loop's side of its thread pool. The rest is bk_offload().
 */
#ifndef BK_FIBER_OFFLOAD_H
#define BK_FIBER_OFFLOAD_H

struct bk_loop;

struct bk__offload_stats {
    unsigned queued;  /* jobs without a thread */
    unsigned threads; /* begun */
};

struct bk__offload_stats bk__offload_stats(const struct bk_loop *loop);

/* Ends the threads, once what they run has ended. Nothing may be queued. */
void bk__offload_free(struct bk_loop *loop);

#endif
