/*
 * sync.c: mutex, condition and semaphore for fibers of one loop. See <backend/sync.h>.
 *
 * Fibers of a loop never run at the same time, so none of this locks; what it does is put fibers in
 * line. A mutex or permit goes straight from who gives it up to the first waiter (waiter.h) and is
 * never free in between.
 *
 * What must hold: where somebody waits, the mutex has an owner, the semaphore no permit.
 *
 * Taking what is free is no wait. So a fiber that was cancelled, or is past its deadline, still
 * gets it: clean-up that must take a mutex works after a cancel, as long as nobody holds it.
 */
#include <backend/sync.h>

#include <stdlib.h>

#include "core/assert.h"
#include "fiber/waiter.h"

struct bk_mutex {
    bk_fiber *owner; /* NULL: free */
    struct bk__list waiters;
};

struct bk_cond {
    struct bk__list waiters;
};

struct bk_semaphore {
    size_t permits;
    struct bk__list waiters;
};

bk_mutex *bk_mutex_new(void)
{
    bk_mutex *mutex = calloc(1, sizeof(*mutex));
    bk_assert(mutex != NULL);
    bk__list_init(&mutex->waiters);
    return mutex;
}

void bk_mutex_free(bk_mutex *mutex)
{
    if (mutex == NULL)
        return;
    bk_assert(mutex->owner == NULL);
    free(mutex);
}

bk_err bk_mutex_lock(bk_mutex *mutex)
{
    struct bk__waiter self = {0};

    if (bk_mutex_try_lock(mutex))
        return BK_OK;
    bk_assert(mutex->owner != bk_fiber_self());
    return bk__waiter_wait(&self, &mutex->waiters);
}

bool bk_mutex_try_lock(bk_mutex *mutex)
{
    bk_fiber *self = bk_fiber_self();

    bk_assert(self != NULL);
    if (mutex->owner != NULL)
        return false;
    mutex->owner = self;
    return true;
}

void bk_mutex_unlock(bk_mutex *mutex)
{
    bk_assert(mutex->owner != NULL && mutex->owner == bk_fiber_self());
    struct bk__waiter *next = bk__waiter_first(&mutex->waiters);
    mutex->owner = next != NULL ? next->fiber : NULL;
    if (next != NULL)
        bk__waiter_serve(next, BK_OK);
}

bk_cond *bk_cond_new(void)
{
    bk_cond *cond = calloc(1, sizeof(*cond));
    bk_assert(cond != NULL);
    bk__list_init(&cond->waiters);
    return cond;
}

void bk_cond_free(bk_cond *cond)
{
    if (cond == NULL)
        return;
    bk_assert(bk__list_empty(&cond->waiters));
    free(cond);
}

bk_err bk_cond_wait(bk_cond *cond)
{
    struct bk__waiter self = {0};
    return bk__waiter_wait(&self, &cond->waiters);
}

void bk_cond_signal(bk_cond *cond)
{
    struct bk__waiter *first = bk__waiter_first(&cond->waiters);
    if (first != NULL)
        bk__waiter_serve(first, BK_OK);
}

/* Serving only makes fibers ready, so nobody can join the line meanwhile. */
void bk_cond_broadcast(bk_cond *cond)
{
    while (!bk__list_empty(&cond->waiters))
        bk_cond_signal(cond);
}

bk_semaphore *bk_semaphore_new(size_t permits)
{
    bk_semaphore *semaphore = calloc(1, sizeof(*semaphore));
    bk_assert(semaphore != NULL);
    semaphore->permits = permits;
    bk__list_init(&semaphore->waiters);
    return semaphore;
}

void bk_semaphore_free(bk_semaphore *semaphore)
{
    if (semaphore == NULL)
        return;
    bk_assert(bk__list_empty(&semaphore->waiters));
    free(semaphore);
}

bk_err bk_semaphore_acquire(bk_semaphore *semaphore)
{
    struct bk__waiter self = {0};

    if (bk_semaphore_try_acquire(semaphore))
        return BK_OK;
    return bk__waiter_wait(&self, &semaphore->waiters);
}

bool bk_semaphore_try_acquire(bk_semaphore *semaphore)
{
    if (semaphore->permits == 0)
        return false;
    semaphore->permits--;
    return true;
}

void bk_semaphore_release(bk_semaphore *semaphore)
{
    struct bk__waiter *first = bk__waiter_first(&semaphore->waiters);
    if (first != NULL)
        bk__waiter_serve(first, BK_OK);
    else
        semaphore->permits++;
}

size_t bk_semaphore_available(const bk_semaphore *semaphore)
{
    return semaphore->permits;
}
