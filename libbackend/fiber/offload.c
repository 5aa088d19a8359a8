/*
 * offload.c: a loop's pool of threads for what would block it. See <backend/fiber.h>, bk_offload().
 *
 * A job lies on its caller's stack and goes through two lists: `queued`, from which threads take,
 * and `ended`, from which the loop's thread wakes the callers. Who finds `ended` empty posts to the
 * loop, so many jobs that end together cost one post. Threads begin one by one, when a job comes
 * that no free one will take, and stay until the loop is freed.
 *
 * What must hold: a job is in a list or with a thread as long as its caller waits; the caller
 * leaves early only by taking a job out of `queued`. Everything in the pool is guarded by its lock,
 * except what is the caller's own (`ended` of a job), written and read on the loop's thread alone.
 *
 * Posts must be open while jobs run: a loop that takes none could never wake the callers.
 */
#include "fiber/offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "core/assert.h"
#include "core/fault.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"

struct job {
    struct bk__link link;
    bk_offload_fn fn;
    void *data;
    bk_fiber *fiber;
    bool begun; /* a thread has it */
    bool ended; /* fn returned, and the caller was woken for it */
};

struct bk__offload {
    struct bk_loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t work; /* there is a job, or `stopping` */
    struct bk__list queued;
    struct bk__list ended;
    uint32_t queued_count;
    uint32_t thread_count;
    uint32_t free_count; /* threads that run no job, those that have only just begun included */
    bool stopping;
    pthread_t threads[]; /* loop->offload_threads of them at most */
};

static struct bk__offload *pool_of(struct bk_loop *loop)
{
    if (loop->offload != NULL)
        return loop->offload;
    size_t size = sizeof(struct bk__offload) + loop->offload_threads * sizeof(pthread_t);
    struct bk__offload *pool = calloc(1, size);
    bk_assert(pool != NULL);
    pool->loop = loop;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    bk__list_init(&pool->queued);
    bk__list_init(&pool->ended);
    loop->offload = pool;
    return pool;
}

/* On the loop's stack. A job may go with its caller's frame as soon as the caller runs, later. */
static void wake_callers(void *data)
{
    struct bk__offload *pool = data;
    struct bk__link *link;

    pthread_mutex_lock(&pool->lock);
    while ((link = bk__list_pop(&pool->ended)) != NULL) {
        struct job *job = bk__container_of(link, struct job, link);
        job->ended = true;
        bk_fiber_wake(job->fiber);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Waits for a job; NULL when the thread is to end. With the lock held. */
static struct job *next_job(struct bk__offload *pool)
{
    while (bk__list_empty(&pool->queued)) {
        if (pool->stopping)
            return NULL;
        pthread_cond_wait(&pool->work, &pool->lock);
    }
    struct job *job = bk__container_of(bk__list_pop(&pool->queued), struct job, link);
    pool->queued_count--;
    pool->free_count--;
    job->begun = true;
    return job;
}

static void *work(void *data)
{
    struct bk__offload *pool = data;
    struct job *job;

    pthread_mutex_lock(&pool->lock);
    while ((job = next_job(pool)) != NULL) {
        pthread_mutex_unlock(&pool->lock);
        job->fn(job->data);
        bk_error_clear(); /* what the job recorded is nobody's */
        pthread_mutex_lock(&pool->lock);
        pool->free_count++;
        bool first = bk__list_empty(&pool->ended);
        bk__list_push(&pool->ended, &job->link);
        if (first) {
            bk_err err = bk__loop_post(pool->loop, wake_callers, pool);
            bk_assert(err == BK_OK);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Signals are for the threads of the host. Returns an errno. With the lock held. */
static int start_thread(struct bk__offload *pool)
{
    pthread_t *thread = &pool->threads[pool->thread_count];
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = BK__FAULT("offload.thread") ? EAGAIN : pthread_create(thread, NULL, work, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0)
        return failure;
    pthread_setname_np(*thread, "bk-offload");
    pool->thread_count++;
    pool->free_count++;
    return 0;
}

/* Whether one more job may be queued: a free thread will take it, or there is room to wait. With
 * the lock held. */
static bk_err make_room(struct bk__offload *pool)
{
    const struct bk_loop *loop = pool->loop;

    if (pool->free_count > pool->queued_count)
        return BK_OK;
    if (pool->thread_count < loop->offload_threads) {
        int failure = start_thread(pool);
        if (failure == 0)
            return BK_OK;
        if (pool->thread_count == 0)
            return bk_fail(BK_EUNAVAILABLE, "cannot start a thread: %s", strerror(failure));
    }
    uint32_t waiting = pool->queued_count - pool->free_count;
    if (waiting >= loop->offload_queue)
        return bk_fail(BK_EUNAVAILABLE, "%u jobs wait for %u threads", waiting, pool->thread_count);
    return BK_OK;
}

static bk_err enqueue(struct bk__offload *pool, struct job *job)
{
    pthread_mutex_lock(&pool->lock);
    bk_err err = make_room(pool);
    if (err == BK_OK) {
        bk__list_push(&pool->queued, &job->link);
        pool->queued_count++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return err;
}

/* False when a thread was faster. */
static bool withdraw(struct bk__offload *pool, struct job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool queued = !job->begun;
    if (queued) {
        bk__list_remove(&job->link);
        pool->queued_count--;
    }
    pthread_mutex_unlock(&pool->lock);
    return queued;
}

static bk_err await(const struct job *job)
{
    bk_err err = BK_OK;
    while (!job->ended && err == BK_OK)
        err = bk__fiber_wait(BK__NEVER);
    return job->ended ? BK_OK : err;
}

bk_err bk_offload(bk_offload_fn fn, void *data)
{
    struct job job = {.fn = fn, .data = data, .fiber = bk_fiber_self()};

    BK_TRY(bk_fiber_interrupted());
    struct bk__offload *pool = pool_of(job.fiber->loop);
    BK_TRY(enqueue(pool, &job));
    bk_err err = await(&job);
    if (err == BK_OK || withdraw(pool, &job))
        return err;

    bk__shield_up();
    err = await(&job);
    bk__shield_down();
    return err;
}

void bk__offload_free(struct bk_loop *loop)
{
    struct bk__offload *pool = loop->offload;

    pthread_mutex_lock(&pool->lock);
    bk_assert(bk__list_empty(&pool->queued));
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    bk_assert(bk__list_empty(&pool->ended));
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    loop->offload = NULL;
}

struct bk__offload_stats bk__offload_stats(const struct bk_loop *loop)
{
    struct bk__offload_stats stats = {0};

    if (loop->offload == NULL)
        return stats;
    pthread_mutex_lock(&loop->offload->lock);
    stats.queued = loop->offload->queued_count;
    stats.threads = loop->offload->thread_count;
    pthread_mutex_unlock(&loop->offload->lock);
    return stats;
}
