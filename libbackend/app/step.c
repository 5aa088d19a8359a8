/*
 * step.c: the loop turned for one purpose, on its way into service or out of it. See step.h.
 */
#include "app/step.h"

#include <backend/app.h>
#include <backend/log.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/task.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"

#define STUCK_MS 5000

struct step {
    bk_err (*fn)(void *data);
    void *data;
    bk_err result;
    bool done;
};

static bk_err run_one(void *data)
{
    struct step *step = data;

    step->result = step->fn(step->data);
    const bk_error_link *why = bk_error_chain();
    if (step->result != BK_OK)
        bk_error("app.failed", bk_kv_cstr("step", bk__task_self()->name),
                 bk_kv_cstr("err", bk_err_slug(step->result)),
                 bk_kv_str("detail", why != NULL ? why->message : BK_LIT("")));
    return step->result;
}

static void on_done(bk_fiber *fiber, bk_err result, void *data)
{
    struct step *step = data;

    (void)fiber, (void)result;
    step->done = true;
}

bk_err bk__step_run(struct bk_loop *loop, const char *name, bk_err (*fn)(void *data), void *data)
{
    struct step step = {.fn = fn, .data = data};
    bk_fiber *fiber = bk__fiber_new(loop, name);

    bk_assert(fiber != NULL);
    bk__fiber_on_done(fiber, on_done, &step);
    bk__fiber_begin(fiber, run_one, &step);
    while (!step.done)
        bk__loop_turn(loop, BK__NEVER);
    return step.result;
}

bool bk__step_until_zero(struct bk_loop *loop, const size_t *count, uint32_t ms)
{
    uint64_t end = ms == BK_UNLIMITED ? BK__NEVER : loop->clock.now_ms + ms;

    while (*count != 0 && loop->clock.now_ms < end) {
        uint64_t left = end - loop->clock.now_ms;
        bk__loop_turn(loop, left < 100 ? left : 100);
    }
    return *count == 0;
}

static void name_stuck(struct bk_loop *loop)
{
    bk__list_each(it, &loop->fibers) {
        const bk_fiber *fiber = bk__container_of(it, bk_fiber, member_link);
        bk_warn("app.fiber_does_not_end", bk_kv_cstr("fiber", fiber->task.name),
                bk_kv_str("route", fiber->task.route));
    }
}

void bk__step_end_fibers(struct bk_loop *loop)
{
    bk__loop_cancel_all(loop);
    while (!bk__step_until_zero(loop, &loop->fiber_count, STUCK_MS))
        name_stuck(loop);
}
