/*
 * loop.c: h2o's event loop with ours around it. See loop.h.
 *
 * h2o's own timers are lists per duration; ours lie in a heap, and h2o is told how long it may
 * sleep. Only this file and http/ know h2o.
 */
#include "fiber/loop.h"

#include <errno.h>
#include <h2o.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/assert.h"
#include "core/log_out.h"
#include "fiber/fiber.h"
#include "fiber/offload.h"
#include "fiber/timer.h"
#include "fiber/watch.h"

#define TRIM_INTERVAL_MS 10000
#define LOG_RETRY_MS     50 /* while somebody does not read our log */

_Thread_local struct bk_loop *bk__loop_current
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

struct bk__post {
    struct bk__post *next;
    bk_post_fn fn;
    void *data;
};

static void run_posts(struct bk_loop *loop)
{
    pthread_mutex_lock(&loop->post_lock);
    struct bk__post *post = loop->post_first;
    loop->post_first = NULL;
    loop->post_last = &loop->post_first;
    pthread_mutex_unlock(&loop->post_lock);

    while (post != NULL) {
        struct bk__post *next = post->next;
        post->fn(post->data);
        free(post);
        post = next;
    }
}

static void on_bell(h2o_socket_t *sock, const char *err)
{
    struct bk_loop *loop = sock->data;
    uint64_t rings;

    (void)err;
    bk__loop_enter(loop);
    if (read(loop->bell_fd, &rings, sizeof rings) < 0)
        bk_assert(errno == EAGAIN || errno == EINTR);
    run_posts(loop);
}

static void on_watches(h2o_socket_t *sock, const char *err)
{
    struct bk_loop *loop = sock->data;

    (void)err;
    bk__loop_enter(loop);
    bk__watches_run(loop);
}

/* A descriptor that h2o polls and does not read. */
static h2o_socket_t *listen_to(struct bk_loop *loop, int fd, h2o_socket_cb cb)
{
    h2o_socket_t *sock = h2o_evloop_socket_create(loop->evloop, fd, H2O_SOCKET_FLAG_DONT_READ);

    sock->data = loop;
    h2o_socket_read_start(sock, cb);
    return sock;
}

static void on_trim(struct bk__timer *timer)
{
    struct bk_loop *loop = bk__container_of(timer, struct bk_loop, trim_timer);

    bk__stacks_trim(&loop->stacks);
    bk__timer_set(loop, timer, loop->clock.now_ms + TRIM_INTERVAL_MS);
}

struct bk_loop *bk__loop_new(const struct bk__loop_opts *opts)
{
    bk_assert(bk__loop_current == NULL); /* one loop a thread */
    bk_assert(opts->fibers != 0 && opts->offload_threads != 0 && opts->offload_queue != 0);
    struct bk_loop *loop = calloc(1, sizeof *loop);
    bk_assert(loop != NULL);

    loop->fiber_max = opts->fibers;
    loop->offload_threads = opts->offload_threads;
    loop->offload_queue = opts->offload_queue;
    bk__clock_renew(&loop->clock);
    loop->clock.is_virtual = opts->virtual_clock;
    if (opts->virtual_clock && opts->start_at != 0)
        loop->clock.now = opts->start_at;
    bk__heap_init(&loop->timers);
    bk__stacks_init(&loop->stacks);
    bk__list_init(&loop->ready);
    bk__list_init(&loop->fibers);
    bk__list_init(&loop->put_off);
    pthread_mutex_init(&loop->post_lock, NULL);
    loop->post_last = &loop->post_first;
    loop->evloop = h2o_evloop_create();
    loop->bell_fd = opts->bell != 0 ? dup(opts->bell) : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->watch_epoll = epoll_create1(EPOLL_CLOEXEC);
    bk_assert(loop->bell_fd >= 0 && loop->watch_epoll >= 0);
    loop->bell = listen_to(loop, loop->bell_fd, on_bell);
    loop->watches = listen_to(loop, loop->watch_epoll, on_watches);
    bk__loop_current = loop;
    bk__clock_current = &loop->clock;
    bk__log_out_open();
    loop->trim_timer.fn = on_trim;
    if (!opts->virtual_clock)
        bk__timer_set(loop, &loop->trim_timer, loop->clock.now_ms + TRIM_INTERVAL_MS);
    return loop;
}

/* h2o 2.2.5 forgets to close its epoll descriptor, which lies right behind the public part. */
static void close_evloop(h2o_evloop_t *evloop)
{
    int fd;
    char link[64], target[64];

    memcpy(&fd, (char *)evloop + sizeof *evloop, sizeof fd);
    h2o_evloop_destroy(evloop);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, target, sizeof target);
    if (len > 0 && (size_t)len < sizeof target &&
        memmem(target, (size_t)len, "eventpoll", 9) != NULL)
        close(fd);
}

/* h2o keeps some input buffers per thread, and would leave them behind with it. */
static void free_recycled_buffers(void)
{
    h2o_mem_recycle_t *kept = &h2o_socket_buffer_prototype.allocator;

    while (kept->cnt != 0)
        free(h2o_mem_alloc_recycle(kept, 0));
}

void bk__loop_free(struct bk_loop *loop)
{
    if (loop == NULL)
        return;
    bk_assert(bk__loop_current == loop && loop->current == NULL);
    bk__loop_close_posts(loop);
    if (loop->offload != NULL)
        bk__offload_free(loop);
    run_posts(loop);
    bk_assert(loop->fiber_count == 0 && bk__list_empty(&loop->put_off));
    bk__timer_stop(loop, &loop->trim_timer);
    bk__heap_fini(&loop->timers);
    h2o_socket_close(loop->bell);
    h2o_socket_close(loop->watches);
    close_evloop(loop->evloop);
    free_recycled_buffers();
    bk__stacks_fini(&loop->stacks);
    pthread_mutex_destroy(&loop->post_lock);
    bk__log_out_close();
    bk__loop_current = NULL;
    bk__clock_current = NULL;
    free(loop);
}

void bk__loop_enter(struct bk_loop *loop)
{
    uint64_t stamp = h2o_now(loop->evloop);

    if (stamp == loop->turn_stamp)
        return;
    loop->turn_stamp = stamp;
    bk__clock_renew(&loop->clock);
}

/* Moves what is in @p from now to @p batch: what comes in meanwhile waits for the next turn. */
static void take_batch(struct bk__list *from, struct bk__list *batch)
{
    struct bk__link *link;

    bk__list_init(batch);
    while ((link = bk__list_pop(from)) != NULL)
        bk__list_push(batch, link);
}

static bool run_ready(struct bk_loop *loop)
{
    struct bk__list batch;

    if (bk__list_empty(&loop->ready))
        return false;
    take_batch(&loop->ready, &batch);
    while (!bk__list_empty(&batch))
        bk__fiber_run_ready(bk__container_of(batch.anchor.next, bk_fiber, ready_link));
    return true;
}

static bool run_timers(struct bk_loop *loop)
{
    struct bk__heap_node *first;
    bool any = false;

    while ((first = bk__heap_first(&loop->timers)) != NULL && first->at <= loop->clock.now_ms) {
        struct bk__timer *timer = bk__container_of(first, struct bk__timer, node);
        bk__heap_remove(&loop->timers, first);
        timer->fn(timer);
        any = true;
    }
    return any;
}

/* Work may free what it lies in, so nothing of it is looked at once it runs. */
static bool run_put_off(struct bk_loop *loop)
{
    struct bk__list batch;
    struct bk__link *link;

    if (bk__list_empty(&loop->put_off))
        return false;
    take_batch(&loop->put_off, &batch);
    while ((link = bk__list_pop(&batch)) != NULL) {
        struct bk__put_off *work = bk__container_of(link, struct bk__put_off, link);
        work->is_due = false;
        work->fn(work);
    }
    return true;
}

static int32_t time_to_sleep(const struct bk_loop *loop, uint64_t max_wait_ms)
{
    const struct bk__heap_node *first = bk__heap_first(&loop->timers);
    uint64_t wait = max_wait_ms;

    if (!bk__list_empty(&loop->ready))
        return 0;
    if (first != NULL && !loop->clock.is_virtual) {
        uint64_t now = loop->clock.now_ms;
        uint64_t until_first = first->at > now ? first->at - now : 0;
        if (until_first < wait)
            wait = until_first;
    }
    return wait < INT32_MAX ? (int32_t)wait : INT32_MAX;
}

bool bk__loop_turn(struct bk_loop *loop, uint64_t max_wait_ms)
{
    bool any = run_ready(loop);

    any |= run_timers(loop);
    any |= run_put_off(loop);
    if (!bk__log_out_flush() && max_wait_ms > LOG_RETRY_MS)
        max_wait_ms = LOG_RETRY_MS;
    if (h2o_evloop_run(loop->evloop, time_to_sleep(loop, any ? 0 : max_wait_ms)) != 0)
        bk_assert(errno == EINTR);
    bk__clock_renew(&loop->clock);
    loop->turn_stamp = h2o_now(loop->evloop);
    return any || !bk__list_empty(&loop->ready) || !bk__list_empty(&loop->put_off);
}

void bk__loop_put_off(struct bk_loop *loop, struct bk__put_off *work)
{
    if (work->is_due)
        return;
    work->is_due = true;
    bk__list_push(&loop->put_off, &work->link);
}

void bk__loop_forget(struct bk__put_off *work)
{
    bk__list_remove(&work->link);
    work->is_due = false;
}

/* Ends the present or the next sleep. */
static void ring(struct bk_loop *loop)
{
    uint64_t one = 1;
    int saved = errno;

    if (write(loop->bell_fd, &one, sizeof one) < 0) {
        /* the counter is full: the bell rings already */
    }
    errno = saved;
}

bk_err bk__loop_post(struct bk_loop *loop, bk_post_fn fn, void *data)
{
    struct bk__post *post = malloc(sizeof *post);

    bk_assert(post != NULL);
    *post = (struct bk__post){.fn = fn, .data = data};
    pthread_mutex_lock(&loop->post_lock);
    bool closed = loop->post_closed;
    if (!closed) {
        *loop->post_last = post;
        loop->post_last = &post->next;
    }
    pthread_mutex_unlock(&loop->post_lock);
    if (closed) {
        free(post);
        return BK_ECLOSED;
    }
    ring(loop);
    return BK_OK;
}

void bk__loop_close_posts(struct bk_loop *loop)
{
    pthread_mutex_lock(&loop->post_lock);
    loop->post_closed = true;
    pthread_mutex_unlock(&loop->post_lock);
}

void bk__loop_cancel_all(struct bk_loop *loop)
{
    bk__list_each(it, &loop->fibers) {
        bk_fiber *fiber = bk__container_of(it, bk_fiber, member_link);
        if (fiber != loop->current)
            bk_fiber_cancel(fiber);
    }
}
