/*
 * balance.h: which of the workers that share a listening socket should take the next connection.
 *
 * A worker that happens to wake first would take a whole burst, and with connections that live long
 * the others would stand idle for as long. So each notes in shared memory how many it has, and one
 * that is ahead of the least lets the others go first for a moment.
 */
#ifndef BK_HTTP_BALANCE_H
#define BK_HTTP_BALANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BK__BALANCE_SLOTS 64u

/* In shared memory; all zeros to begin with. A slot has one writer: its worker. */
struct bk__balance {
    _Atomic uint64_t held[BK__BALANCE_SLOTS]; /* connections + 1; 0: it takes none */
};

/* Notes that @p slot has @p connections and takes more. */
void bk__balance_note(struct bk__balance *balance, unsigned slot, size_t connections);

/* Notes that @p slot takes no more; also for one whose worker has died. */
void bk__balance_leave(struct bk__balance *balance, unsigned slot);

/* Connections of all slots but @p slot. */
uint64_t bk__balance_others(const struct bk__balance *balance, unsigned slot);

/* Whether @p slot, which has so many, should let others go first. */
bool bk__balance_yields(const struct bk__balance *balance, unsigned slot, size_t connections);

#endif
