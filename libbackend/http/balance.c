/*
 * balance.c: see balance.h.
 */
#include "http/balance.h"

#define AHEAD 2 /* and a sixteenth: nobody waits for a difference that nobody notices */

void bk__balance_note(struct bk__balance *balance, unsigned slot, size_t connections)
{
    atomic_store_explicit(&balance->held[slot], (uint64_t)connections + 1, memory_order_relaxed);
}

void bk__balance_leave(struct bk__balance *balance, unsigned slot)
{
    atomic_store_explicit(&balance->held[slot], 0, memory_order_relaxed);
}

uint64_t bk__balance_others(const struct bk__balance *balance, unsigned slot)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < BK__BALANCE_SLOTS; i++)
        if (i != slot)
            sum += atomic_load_explicit(&balance->held[i], memory_order_relaxed);
    return sum;
}

bool bk__balance_yields(const struct bk__balance *balance, unsigned slot, size_t connections)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < BK__BALANCE_SLOTS; i++) {
        uint64_t held = atomic_load_explicit(&balance->held[i], memory_order_relaxed);
        if (i != slot && held != 0 && held < least)
            least = held;
    }
    return least != UINT64_MAX && connections + 1 > least + AHEAD + least / 16;
}
