/*
 * attempt.c: see attempt.h.
 */
#include "fiber/attempt.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/assert.h"
#include "core/fault.h"
#include "fiber/loop.h"

#define STACK_BYTES (256 * 1024)

/* One owner less. */
static void leave(struct bk__attempt *attempt)
{
    pthread_mutex_lock(&attempt->lock);
    bool last = --attempt->owners == 0;
    pthread_mutex_unlock(&attempt->lock);
    if (!last)
        return;
    if (attempt->bell >= 0)
        close(attempt->bell);
    pthread_mutex_destroy(&attempt->lock);
    attempt->type->free(attempt);
}

/* --- the thread's side ------------------------------------------------------------------------ */

/* On the loop's stack; takes over the thread's share. */
static void on_end(void *data)
{
    struct bk__attempt *attempt = data;

    if (!attempt->abandoned) {
        bk__timer_stop(attempt->loop, &attempt->timer);
        attempt->type->done(attempt);
        leave(attempt);
    }
    leave(attempt);
}

static void *run(void *data)
{
    struct bk__attempt *attempt = data;

    pthread_setname_np(pthread_self(), attempt->type->name);
    attempt->type->run(attempt);
    pthread_mutex_lock(&attempt->lock);
    bool posted = !attempt->abandoned && bk__loop_post(attempt->loop, on_end, attempt) == BK_OK;
    pthread_mutex_unlock(&attempt->lock);
    if (!posted)
        leave(attempt);
    return NULL;
}

/* Signals are for the threads of the host. Returns an errno. */
static int start_thread(struct bk__attempt *attempt)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = BK__FAULT(attempt->type->fault)
                      ? EAGAIN
                      : pthread_create(&thread, &attributes, run, attempt);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failure;
}

/* --- the loop's side -------------------------------------------------------------------------- */

/* The thread's hands are off the loop and the owner's data when this returns. */
static void give_up(struct bk__attempt *attempt)
{
    uint64_t one = 1;

    pthread_mutex_lock(&attempt->lock);
    attempt->abandoned = true;
    pthread_mutex_unlock(&attempt->lock);
    bk__timer_stop(attempt->loop, &attempt->timer);
    if (attempt->bell >= 0 && write(attempt->bell, &one, sizeof one) < 0)
        bk_unreachable("an eventfd takes its first ring");
}

void bk__attempt_abandon(struct bk__attempt *attempt)
{
    give_up(attempt);
    leave(attempt);
}

/* The time is over, or there was no thread to begin with. */
static void on_timer(struct bk__timer *timer)
{
    struct bk__attempt *attempt = bk__container_of(timer, struct bk__attempt, timer);

    give_up(attempt);
    attempt->type->late(attempt, attempt->failure);
    leave(attempt);
}

void bk__attempt_start(struct bk__attempt *attempt, const struct bk__attempt_type *type,
                       uint64_t timeout_ms)
{
    struct bk_loop *loop = bk__loop_current;

    bk_assert(loop != NULL);
    pthread_mutex_init(&attempt->lock, NULL);
    attempt->type = type;
    attempt->owners = 2;
    attempt->loop = loop;
    attempt->timer.fn = on_timer;
    bk__timer_set(loop, &attempt->timer, loop->clock.now_ms + timeout_ms);
    attempt->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    attempt->failure = attempt->bell < 0 ? errno : start_thread(attempt);
    if (attempt->failure != 0) {
        attempt->owners = 1;
        bk__timer_set(loop, &attempt->timer, loop->clock.now_ms);
    }
}
