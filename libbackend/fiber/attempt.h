/*
 * attempt.h: something that blocks, tried on a thread of its own, with a limit and a way out.
 *
 * For what cannot be made not to block (names, certificates, other libraries' handshakes) and may
 * hang for so long that no thread of a pool should be lent to it. The loop keeps the time: its
 * timer says that it is over even where the thread hangs in the resolver.
 *
 * What must hold: an attempt belongs to two, the loop and the thread (then the post that the thread
 * sends), and the last one out frees it. Once `abandoned` is set, under the lock, the thread's work
 * is for nobody: it touches neither the loop nor what the owner has.
 */
#ifndef BK_FIBER_ATTEMPT_H
#define BK_FIBER_ATTEMPT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fiber/timer.h"

struct bk__attempt;

struct bk__attempt_type {
    const char *name;  /* the thread's; at most 15 bytes */
    const char *fault; /* see core/fault.h: no thread can be started */

    /* On the thread, which blocks all signals. Should end soon once `bell` is readable. */
    void (*run)(struct bk__attempt *attempt);

    /* On the loop's stack, once: run has ended in time. */
    void (*done)(struct bk__attempt *attempt);

    /* On the loop's stack, once, instead of done, when the attempt has been abandoned: the time is
     * over, while run goes on, or (@p failure, an errno) it was never begun. */
    void (*late)(struct bk__attempt *attempt, int failure);

    /* By the last one out, on any thread: closes and frees what the attempt lies in. */
    void (*free)(struct bk__attempt *attempt);
};

struct bk__attempt {
    const struct bk__attempt_type *type;
    pthread_mutex_t lock; /* guards `owners`, `abandoned`, and what else the two share */
    unsigned owners;
    bool abandoned;
    int bell; /* an eventfd, rung to abandon */
    int failure;
    struct bk_loop *loop;
    struct bk__timer timer;
};

/* Begins, on the loop of the calling thread. @p attempt: zeroed, on the heap. Neither done nor late
 * is called before this returns. */
void bk__attempt_start(struct bk__attempt *attempt, const struct bk__attempt_type *type,
                       uint64_t timeout_ms);

/* Neither done nor late is called any more. Does not wait: a thread that hangs ends by itself. To
 * be done before the loop is freed; not once one of them was called. */
void bk__attempt_abandon(struct bk__attempt *attempt);

#endif
