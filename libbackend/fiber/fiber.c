/*
 * fiber.c: the life of a fiber, and the switch between the loop's stack and a fiber's. See fiber.h.
 *
 * What must hold: bk_loop.current, bk__task_current and the processor's stack always belong
 * together; only resume() and suspend() change them. A parked fiber is woken by exactly one cause,
 * which it finds in wait_result; a wake that comes when it is not parked is kept in `woken` for its
 * next wait.
 */
#include "fiber/fiber.h"

#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/log.h>
#include <backend/str.h>

#include "core/assert.h"
#include "fiber/loop.h"
#include "fiber/sanitizer.h"

/* The fiber and its arena's first chunk have the top page of the block for themselves. */
#define TOP_BYTES 4096

_Static_assert(sizeof(bk_fiber) + 1024 <= TOP_BYTES, "an arena needs room to begin in");

static char *stack_top(const bk_fiber *fiber)
{
    return fiber->block + BK__STACK_BYTES - TOP_BYTES;
}

/* Loop's stack -> fiber. Returns when it waits or has ended. */
static void resume(bk_fiber *fiber)
{
    struct bk_loop *loop = fiber->loop;

    bk_debug_assert(loop->current == NULL);
    fiber->state = BK__FIBER_RUNNING;
    loop->current = fiber;
    bk__task_current = &fiber->task;
    bk__sanitizer_enter(loop, fiber);
    bk__context_switch(&loop->context, fiber->context);
    bk__sanitizer_back_on_loop(loop);
    bk__task_current = NULL;
    loop->current = NULL;
    if (fiber->state != BK__FIBER_DONE)
        return;

    void (*on_done)(bk_fiber *, bk_err, void *) = fiber->on_done;
    void *data = fiber->on_done_data;
    bk_err result = fiber->result;
    if (on_done != NULL)
        on_done(fiber, result, data);
    bk__fiber_discard(fiber);
}

/* Fiber -> loop's stack. Returns when resumed. */
static void suspend(bk_fiber *fiber)
{
    struct bk_loop *loop = fiber->loop;

    bk__sanitizer_leave(loop, fiber);
    bk__context_switch(&fiber->context, loop->context);
    bk__sanitizer_back_on_fiber(loop, fiber);
}

static void report(bk_fiber *fiber, bk_err err)
{
    const bk_error_link *why = bk_error_chain();

    if (err == BK_OK || err == BK_ECANCELED)
        return;
    bk_error("fiber.failed", bk_kv_cstr("fiber", fiber->task.name),
             bk_kv_cstr("err", bk_err_slug(err)),
             bk_kv_str("detail", why != NULL ? why->message : bk_str_of(bk_err_text(err))));
}

/* The outermost function of every fiber. */
static void run(void *self)
{
    bk_fiber *fiber = self;

    bk__sanitizer_first_entry(fiber->loop);
    fiber->result = fiber->fn(fiber->data);
    if (fiber->is_background)
        report(fiber, fiber->result);
    bk__arena_reset(&fiber->task.arena);
    fiber->state = BK__FIBER_DONE;
    bk__sanitizer_last_exit(fiber->loop);
    bk__context_switch(&fiber->context, fiber->loop->context);
    bk_unreachable("a fiber that is done was resumed");
}

/* Time may have come for the present wait, or not yet: timers are moved lazily. */
static void on_timer(struct bk__timer *timer)
{
    bk_fiber *fiber = bk__container_of(timer, bk_fiber, timer);

    if (fiber->state != BK__FIBER_PARKED || fiber->wait_until == BK__NEVER)
        return;
    if (fiber->loop->clock.now_ms < fiber->wait_until) {
        bk__timer_set(fiber->loop, timer, fiber->wait_until);
        return;
    }
    fiber->wait_result = BK_ETIMEDOUT;
    fiber->state = BK__FIBER_READY;
    bk__list_push(&fiber->loop->ready, &fiber->ready_link);
}

bk_fiber *bk__fiber_new(struct bk_loop *loop, const char *name)
{
    if (loop->fiber_count >= loop->fiber_max)
        return NULL;
    char *block = bk__stack_get(&loop->stacks);
    if (block == NULL)
        return NULL;

    bk_fiber *fiber = (bk_fiber *)(block + BK__STACK_BYTES - TOP_BYTES);
    memset(fiber, 0, sizeof *fiber);
    fiber->loop = loop;
    fiber->block = block;
    fiber->task.name = name;
    fiber->timer.fn = on_timer;
    fiber->wait_until = fiber->deadline = BK__NEVER;
    char *chunk =
        (char *)fiber + ((sizeof *fiber + BK__ARENA_ALIGN - 1) & ~(size_t)(BK__ARENA_ALIGN - 1));
    bk__arena_init(&fiber->task.arena, chunk, (size_t)(block + BK__STACK_BYTES - chunk));
    bk__list_push(&loop->fibers, &fiber->member_link);
    loop->fiber_count++;
    bk__sanitizer_new_fiber(fiber);
    return fiber;
}

void bk__fiber_discard(bk_fiber *fiber)
{
    struct bk_loop *loop = fiber->loop;

    bk__timer_stop(loop, &fiber->timer);
    bk__list_remove(&fiber->ready_link);
    bk__list_remove(&fiber->member_link);
    loop->fiber_count--;
    if (fiber->state == BK__FIBER_NEW)
        bk__arena_reset(&fiber->task.arena);
    bk__sanitizer_free_fiber(fiber);
    bk__stack_put(&loop->stacks, fiber->block);
}

void bk__fiber_on_done(bk_fiber *fiber, void (*fn)(bk_fiber *, bk_err, void *), void *data)
{
    fiber->on_done = fn;
    fiber->on_done_data = data;
}

static void prepare(bk_fiber *fiber, bk_fiber_fn fn, void *data)
{
    bk_debug_assert(fiber->state == BK__FIBER_NEW);
    fiber->fn = fn;
    fiber->data = data;
    fiber->context = bk__context_make(stack_top(fiber), run, fiber);
}

void bk__fiber_begin_later(bk_fiber *fiber, bk_fiber_fn fn, void *data)
{
    prepare(fiber, fn, data);
    fiber->state = BK__FIBER_READY;
    bk__list_push(&fiber->loop->ready, &fiber->ready_link);
}

void bk__fiber_begin(bk_fiber *fiber, bk_fiber_fn fn, void *data)
{
    if (fiber->loop->current != NULL) {
        bk__fiber_begin_later(fiber, fn, data);
        return;
    }
    prepare(fiber, fn, data);
    resume(fiber);
}

/* Called by the loop for each ready fiber. */
void bk__fiber_run_ready(bk_fiber *fiber)
{
    bk__list_remove(&fiber->ready_link);
    resume(fiber);
}

void bk_fiber_wake(bk_fiber *fiber)
{
    fiber->woken = true;
    if (fiber->state != BK__FIBER_PARKED)
        return;
    fiber->wait_result = BK_OK;
    fiber->state = BK__FIBER_READY;
    bk__list_push(&fiber->loop->ready, &fiber->ready_link);
}

void bk__fiber_wake_now(bk_fiber *fiber)
{
    bk_debug_assert(fiber->loop->current == NULL);
    fiber->woken = true;
    if (fiber->state != BK__FIBER_PARKED)
        return;
    fiber->wait_result = BK_OK;
    resume(fiber);
}

void bk_fiber_cancel(bk_fiber *fiber)
{
    fiber->cancelled = true;
    if (fiber->state != BK__FIBER_PARKED || fiber->shields != 0)
        return;
    fiber->wait_result = BK_ECANCELED;
    fiber->state = BK__FIBER_READY;
    bk__list_push(&fiber->loop->ready, &fiber->ready_link);
}

/* The calling fiber; waiting outside one is a bug. */
static bk_fiber *self(void)
{
    struct bk_loop *loop = bk__loop_current;

    bk_assert(loop != NULL && loop->current != NULL);
    return loop->current;
}

bk_err bk__fiber_wait(uint64_t until_ms)
{
    bk_fiber *fiber = self();
    bool open = fiber->shields == 0;

    if (fiber->woken) {
        fiber->woken = false;
        return BK_OK;
    }
    if (open && fiber->cancelled)
        return BK_ECANCELED;
    if (open && fiber->deadline < until_ms)
        until_ms = fiber->deadline;
    fiber->wait_until = until_ms;
    if (until_ms != BK__NEVER) {
        if (until_ms <= fiber->loop->clock.now_ms)
            return BK_ETIMEDOUT;
        bk__timer_at_least(fiber->loop, &fiber->timer, until_ms);
    }
    fiber->state = BK__FIBER_PARKED;
    suspend(fiber);
    if (fiber->wait_result == BK_OK)
        fiber->woken = false;
    return fiber->wait_result;
}

bk_err bk_fiber_park(void)
{
    return bk__fiber_wait(BK__NEVER);
}

bk_err bk_fiber_interrupted(void)
{
    const bk_fiber *fiber = self();

    if (fiber->shields != 0)
        return BK_OK;
    if (fiber->cancelled)
        return BK_ECANCELED;
    if (fiber->deadline <= fiber->loop->clock.now_ms)
        return BK_ETIMEDOUT;
    return BK_OK;
}

bk_err bk_yield(void)
{
    bk_fiber *fiber = self();

    BK_TRY(bk_fiber_interrupted());
    fiber->state = BK__FIBER_READY;
    bk__list_push(&fiber->loop->ready, &fiber->ready_link);
    suspend(fiber);
    return bk_fiber_interrupted();
}

bk_err bk_sleep_ms(uint64_t ms)
{
    const bk_fiber *fiber = self();
    uint64_t now = fiber->loop->clock.now_ms;
    uint64_t until = ms < BK__NEVER - now ? now + ms : BK__NEVER;

    for (;;) {
        bk_err err = bk__fiber_wait(until);
        if (err == BK_ETIMEDOUT && fiber->loop->clock.now_ms >= until)
            return BK_OK;
        if (err != BK_OK)
            return err;
    }
}

void bk__shield_up(void)
{
    self()->shields++;
}

void bk__shield_down(void)
{
    bk_fiber *fiber = self();

    bk_assert(fiber->shields > 0);
    fiber->shields--;
}

bk_deadline bk_deadline_push(uint64_t ms)
{
    bk_fiber *fiber = self();
    bk_deadline before = {fiber->deadline};
    uint64_t now = fiber->loop->clock.now_ms;

    if (ms < BK__NEVER - now && now + ms < fiber->deadline)
        fiber->deadline = now + ms;
    return before;
}

void bk_deadline_pop(bk_deadline before)
{
    self()->deadline = before.at_ms;
}

uint64_t bk_deadline_left_ms(void)
{
    const bk_fiber *fiber = self();
    uint64_t now = fiber->loop->clock.now_ms;

    if (fiber->deadline == BK__NEVER)
        return UINT64_MAX;
    return fiber->deadline > now ? fiber->deadline - now : 0;
}

bk_str bk_deadline_header(bk_arena *arena)
{
    uint64_t left = bk_deadline_left_ms();

    if (left == UINT64_MAX)
        return (bk_str){NULL, 0};
    return bk_arena_printf(arena, "%llu", (unsigned long long)left);
}

bk_fiber *bk_fiber_self(void)
{
    return bk__loop_current != NULL ? bk__loop_current->current : NULL;
}

bk_arena *bk_fiber_arena(void)
{
    return &self()->task.arena;
}

void bk_fiber_name(const char *name)
{
    self()->task.name = name;
}

bk_err bk_spawn(const char *name, bk_fiber_fn fn, void *data)
{
    struct bk_loop *loop = bk__loop_current;

    bk_assert(loop != NULL);
    bk_fiber *fiber = bk__fiber_new(loop, name);
    if (fiber == NULL)
        return bk_fail(BK_EUNAVAILABLE, "%s: no room for a fiber, %zu are running", name,
                       loop->fiber_count);
    fiber->is_background = true;
    bk__fiber_begin_later(fiber, fn, data);
    return BK_OK;
}
