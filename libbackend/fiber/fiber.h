/*
 * fiber.h: a fiber's inside, and what the rest of the library does with fibers.
 *
 * A fiber, its arena's first chunk and its stack share one block (stack.h): the fiber lies at the
 * very top, the chunk fills the rest of that page, the stack begins below. A warm fiber costs no
 * allocation, and a parked one three pages.
 *
 * Life:  new -> begun (running | ready | parked) -> done -> its block goes back.
 *
 * Only the loop's own stack switches to fibers, and a fiber only back to it. So code on the loop's
 * stack (timers, socket callbacks) never waits, and code on a fiber may.
 */
#ifndef BK_FIBER_FIBER_H
#define BK_FIBER_FIBER_H

#include <backend/fiber.h>

#include "core/heap.h"
#include "core/list.h"
#include "core/task.h"
#include "fiber/context.h"
#include "fiber/timer.h"

#define BK__NEVER UINT64_MAX

struct bk_loop;

enum bk__fiber_state {
    BK__FIBER_NEW,     /* has a block, has not run */
    BK__FIBER_READY,   /* in the loop's ready list */
    BK__FIBER_RUNNING, /* on the processor */
    BK__FIBER_PARKED,  /* waits */
    BK__FIBER_DONE     /* its function returned, its arena is empty */
};

struct bk_fiber {
    struct bk__task task; /* first: bk__task_current points here while it runs */
    bk__context context;
    struct bk_loop *loop;
    char *block;
    struct bk__link ready_link;  /* in bk_loop.ready */
    struct bk__link member_link; /* in bk_loop.fibers */
    struct bk__timer timer;      /* armed at or before `wait_until`, and lazily moved */
    uint64_t wait_until;         /* end of the present wait; BK__NEVER */
    uint64_t deadline;           /* of the work; BK__NEVER */
    bk_fiber_fn fn;
    void *data;
    void (*on_done)(bk_fiber *fiber, bk_err result, void *data); /* loop's stack */
    void *on_done_data;
    enum bk__fiber_state state;
    bk_err wait_result; /* why the present wait ended */
    bk_err result;      /* what fn returned */
    bool woken;         /* a wake that no wait has used up yet */
    bool cancelled;
    bool is_background; /* began by bk_spawn(): an error it returns is logged */
    uint32_t shields;   /* while not 0, waits end neither by cancel nor by deadline */
    void *asan_fake_stack, *tsan_fiber;
};

/* A fiber with an empty arena, not begun. NULL when the loop has as many as it may, or no memory
 * for one. */
bk_fiber *bk__fiber_new(struct bk_loop *loop, const char *name);

/* Ends one that was never begun. */
void bk__fiber_discard(bk_fiber *fiber);

/* Called on the loop's stack when a fiber has ended; its arena is empty already, its chain of
 * errors gone. Set before it begins. */
void bk__fiber_on_done(bk_fiber *fiber, void (*fn)(bk_fiber *, bk_err, void *), void *data);

/* Begins it: at once when called on the loop's stack, else at the next turn. */
void bk__fiber_begin(bk_fiber *fiber, bk_fiber_fn fn, void *data);

/* Begins it at the next turn. */
void bk__fiber_begin_later(bk_fiber *fiber, bk_fiber_fn fn, void *data);

/* Goes on with a fiber of the ready list. Only for the loop. */
void bk__fiber_run_ready(bk_fiber *fiber);

/* Like bk_fiber_wake(), but goes on with it at once. Only on the loop's stack. */
void bk__fiber_wake_now(bk_fiber *fiber);

/* Waits for a wake, until @p until_ms or the fiber's deadline: BK_OK, BK_ETIMEDOUT, BK_ECANCELED. A
 * wake may be a stale one: check what you wait for, and wait again. */
BK_YIELDS bk_err bk__fiber_wait(uint64_t until_ms);

/* Between these, the calling fiber's waits end neither by cancel nor by deadline: for clean-up that
 * must go through. May nest. */
void bk__shield_up(void);
void bk__shield_down(void);

/* Sets the deadline of the work, in loop time. */
static inline void bk__fiber_set_deadline(bk_fiber *fiber, uint64_t at_ms)
{
    fiber->deadline = at_ms;
}

#endif
