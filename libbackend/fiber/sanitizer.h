/*
 * sanitizer.h: telling ASan and TSan which stack is in use.
 *
 * Both follow the stack pointer and are lost when it jumps. ASan must be told before and after each
 * switch (and keeps a "fake stack" per stack); TSan sees each fiber as a thread of its own. Without
 * them all of this is nothing.
 *
 * All must be inlined, also without optimization: a function of its own would be entered on one
 * stack and left on another, by TSan's count.
 */
#ifndef BK_FIBER_SANITIZER_H
#define BK_FIBER_SANITIZER_H

#include "fiber/fiber.h"
#include "fiber/loop.h"

#if defined(__SANITIZE_ADDRESS__)
#define BK__ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define BK__TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BK__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define BK__TSAN 1
#endif
#endif

#ifdef BK__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef BK__TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define BK__INLINE static inline __attribute__((always_inline))

/* On the loop's stack, before switching to @p fiber. */
BK__INLINE void bk__sanitizer_enter(struct bk_loop *loop, bk_fiber *fiber)
{
#ifdef BK__ASAN
    __sanitizer_start_switch_fiber(&loop->asan_fake_stack, fiber->block + BK__STACK_GUARD,
                                   BK__STACK_BYTES - BK__STACK_GUARD);
#endif
#ifdef BK__TSAN
    loop->tsan_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber->tsan_fiber, 0);
#endif
    (void)loop, (void)fiber;
}

/* On the loop's stack, after a fiber switched back. */
BK__INLINE void bk__sanitizer_back_on_loop(struct bk_loop *loop)
{
#ifdef BK__ASAN
    __sanitizer_finish_switch_fiber(loop->asan_fake_stack, NULL, NULL);
#endif
    (void)loop;
}

/* On a fiber's stack, before switching to the loop's. */
BK__INLINE void bk__sanitizer_leave(struct bk_loop *loop, bk_fiber *fiber)
{
#ifdef BK__ASAN
    __sanitizer_start_switch_fiber(&fiber->asan_fake_stack, loop->asan_bottom, loop->asan_size);
#endif
#ifdef BK__TSAN
    __tsan_switch_to_fiber(loop->tsan_fiber, 0);
#endif
    (void)loop, (void)fiber;
}

/* On a fiber's stack, after being resumed. */
BK__INLINE void bk__sanitizer_back_on_fiber(struct bk_loop *loop, bk_fiber *fiber)
{
#ifdef BK__ASAN
    __sanitizer_finish_switch_fiber(fiber->asan_fake_stack, &loop->asan_bottom, &loop->asan_size);
#endif
    (void)loop, (void)fiber;
}

/* The first thing on a fresh stack: also learns where the loop's stack lies. */
BK__INLINE void bk__sanitizer_first_entry(struct bk_loop *loop)
{
#ifdef BK__ASAN
    __sanitizer_finish_switch_fiber(NULL, &loop->asan_bottom, &loop->asan_size);
#endif
    (void)loop;
}

/* The last thing on a stack that is given up: its fake stack may go. */
BK__INLINE void bk__sanitizer_last_exit(struct bk_loop *loop)
{
#ifdef BK__ASAN
    __sanitizer_start_switch_fiber(NULL, loop->asan_bottom, loop->asan_size);
#endif
#ifdef BK__TSAN
    __tsan_switch_to_fiber(loop->tsan_fiber, 0);
#endif
    (void)loop;
}

BK__INLINE void bk__sanitizer_new_fiber(bk_fiber *fiber)
{
#ifdef BK__TSAN
    fiber->tsan_fiber = __tsan_create_fiber(0);
#endif
    (void)fiber;
}

/* On the loop's stack. Stale frames' redzones must not catch the block's next user. */
BK__INLINE void bk__sanitizer_free_fiber(bk_fiber *fiber)
{
#ifdef BK__TSAN
    __tsan_destroy_fiber(fiber->tsan_fiber);
#endif
#ifdef BK__ASAN
    __asan_unpoison_memory_region(fiber->block + BK__STACK_GUARD,
                                  BK__STACK_BYTES - BK__STACK_GUARD);
#endif
    (void)fiber;
}

#endif
