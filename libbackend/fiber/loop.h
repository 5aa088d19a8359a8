/*
 * loop.h: one thread's event loop: h2o's, with fibers, timers and messages from other threads.
 *
 * A turn: ready fibers run, due timers fire, what was put off runs (bk__loop_put_off()), the loop
 * sleeps until something happens, the callbacks of sockets run. A fiber that becomes ready in a
 * turn runs in the next, which then does not sleep.
 */
#ifndef BK_FIBER_LOOP_H
#define BK_FIBER_LOOP_H

#include <pthread.h>

#include <backend/loop.h>

#include "core/clock.h"
#include "core/heap.h"
#include "core/list.h"
#include "fiber/context.h"
#include "fiber/stack.h"
#include "fiber/timer.h"

struct bk__offload;
struct epoll_event;
struct bk__post;
struct st_h2o_evloop_t;
struct st_h2o_socket_t;

struct bk_loop {
    struct st_h2o_evloop_t *evloop;
    struct bk__clock clock;
    uint64_t turn_stamp; /* h2o's time when the clock was renewed */
    struct bk__heap timers;
    struct bk__stacks stacks;
    struct bk__list ready;   /* bk_fiber.ready_link */
    struct bk__list fibers;  /* bk_fiber.member_link: all that were begun */
    struct bk__list put_off; /* bk__put_off.link */
    size_t fiber_count, fiber_max;
    size_t work_count;   /* pieces of work, beside requests, that a stop lets finish */
    bk_fiber *current;   /* the running fiber; NULL on the loop's stack */
    bk__context context; /* of the loop's stack, while a fiber runs */
    struct bk__timer trim_timer;
    struct st_h2o_socket_t *watches; /* the nested epoll, as h2o sees it */
    int watch_epoll;
    struct epoll_event *watch_batch; /* what is being gone through; NULL outside that */
    int watch_batch_count;
    struct st_h2o_socket_t *bell; /* the eventfd that other threads ring, as h2o sees it */
    int bell_fd;
    pthread_mutex_t post_lock; /* guards the next three */
    struct bk__post *post_first, **post_last;
    bool post_closed;
    struct bk__offload *offload; /* NULL until it is first used */
    uint32_t offload_threads, offload_queue;
    void *asan_fake_stack; /* of the loop's stack */
    const void *asan_bottom;
    size_t asan_size;
    void *tsan_fiber;
};

/* Work that many callers of a turn share, such as writing what all of them have added to a buffer.
 * It runs once, on the loop's stack, before the loop sleeps. */
struct bk__put_off {
    struct bk__link link; /* in bk_loop.put_off while `is_due` */
    void (*fn)(struct bk__put_off *work);
    bool is_due;
};

struct bk__loop_opts {
    size_t fibers;            /* at most; not 0 */
    uint32_t offload_threads; /* not 0 */
    uint32_t offload_queue;   /* not 0 */
    bool virtual_clock;
    bk_time start_at; /* of a virtual clock; 0: now */
    int bell;         /* an eventfd to ring it by, borrowed; 0: it makes one */
};

/* The loop that runs on this thread; NULL: none. */
extern _Thread_local struct bk_loop *bk__loop_current
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Makes the calling thread's loop. */
struct bk_loop *bk__loop_new(const struct bk__loop_opts *opts);

/* On the same thread, when no fiber and no timer is left. NULL is fine. */
void bk__loop_free(struct bk_loop *loop);

/* One turn, sleeping @p max_wait_ms at most. Returns true when anything ran. */
bool bk__loop_turn(struct bk_loop *loop, uint64_t max_wait_ms);

/* To be called first in each callback that h2o makes: the loop slept, the clock must follow. */
void bk__loop_enter(struct bk_loop *loop);

/* Runs work->fn before the loop sleeps again. Nothing happens when it is due already. */
void bk__loop_put_off(struct bk_loop *loop, struct bk__put_off *work);

/* Forgets it. Harmless when it is not due. */
void bk__loop_forget(struct bk__put_off *work);

/* Messages: fn(data) on the loop's stack, in a turn to come. @threads Any, but not after the loop
 * was freed. BK_ECLOSED once bk__loop_close_posts() was called. */
bk_err bk__loop_post(struct bk_loop *loop, bk_post_fn fn, void *data);

/* Refuses further posts; those taken still run. */
void bk__loop_close_posts(struct bk_loop *loop);

/* Cancels every fiber but the calling one. */
void bk__loop_cancel_all(struct bk_loop *loop);

#endif
