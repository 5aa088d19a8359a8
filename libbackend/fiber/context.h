/*
 * context.h: leaving one stack and going on with another.
 *
 * A context is where a stack was left. The switch saves what the C calling convention says a callee
 * must keep, except the floating-point control words: rounding mode belongs to the thread. One file
 * per machine implements it (context_x86_64.S, context_aarch64.S, context_ucontext.c).
 */
#ifndef BK_FIBER_CONTEXT_H
#define BK_FIBER_CONTEXT_H

/* Opaque: a saved stack pointer, or a ucontext_t behind it. */
typedef void *bk__context;

/* Saves the present place in @p from and goes on at @p to. Returns when somebody switches back. */
void bk__context_switch(bk__context *from, bk__context to);

/* A context that calls entry(data) on the stack that ends at @p top (16-byte aligned, growing down)
 * when it is first switched to. @p entry must never return. */
bk__context bk__context_make(void *top, void (*entry)(void *), void *data);

#endif
