/*
 * context_ucontext.c: the switch for machines without one of their own.
 *
 * POSIX ucontext saves the signal mask at each switch, with a system call: correct, and slow. The
 * ucontext_t lies on top of the stack that it describes; a stack that makecontext() did not begin
 * (the thread's own) keeps it in the frame that is being left.
 */
#include "fiber/context.h"

#include <stdint.h>
#include <ucontext.h>

#include "core/assert.h"

void bk__context_switch(bk__context *from, bk__context to)
{
    ucontext_t here;

    *from = &here;
    if (swapcontext(&here, to) != 0)
        bk_unreachable("swapcontext failed");
}

/* makecontext() passes ints: a pointer travels as two halves. */
static void begin(unsigned entry_high, unsigned entry_low, unsigned data_high, unsigned data_low)
{
    void (*entry)(void *) = (void (*)(void *))(((uintptr_t)entry_high << 16 << 16) | entry_low);
    entry((void *)(((uintptr_t)data_high << 16 << 16) | data_low));
}

bk__context bk__context_make(void *top, void (*entry)(void *), void *data)
{
    uintptr_t at = ((uintptr_t)top - sizeof(ucontext_t)) & ~(uintptr_t)63;
    ucontext_t *made = (ucontext_t *)at;
    uintptr_t e = (uintptr_t)entry, d = (uintptr_t)data;

    if (getcontext(made) != 0)
        bk_unreachable("getcontext failed");
    /* The start of the mapping is not known here, and only its end matters: stacks grow down. */
    made->uc_stack.ss_size = 16384;
    made->uc_stack.ss_sp = (void *)(at - made->uc_stack.ss_size);
    made->uc_link = NULL;
    makecontext(made, (void (*)(void))begin, 4, (unsigned)(e >> 16 >> 16), (unsigned)e,
                (unsigned)(d >> 16 >> 16), (unsigned)d);
    return made;
}
