/*
 * select.h: the inside of a bk_source, for those who own one. See bk_select() in <backend/sync.h>.
 *
 * A source lies in its owner (a channel, a subscription, a WebSocket), which says whether it is
 * ready and signals when it may have become so. Signals may be too many; one too few is a fiber
 * that sleeps for ever.
 */
#ifndef BK_FIBER_SELECT_H
#define BK_FIBER_SELECT_H

#include <backend/sync.h>

#include "core/list.h"

struct bk_source {
    bool (*ready)(const struct bk_source *source); /* must not wait, and changes nothing */
    struct bk__list selecting;                     /* fibers in bk_select() on it */
};

void bk__source_init(struct bk_source *source, bool (*ready)(const struct bk_source *source));

/* At the end of the owner: nobody may select on it. */
void bk__source_fini(const struct bk_source *source);

void bk__source_wake(const struct bk_source *source);

/* Wakes those who select on it, to look again. */
static inline void bk__source_signal(const struct bk_source *source)
{
    if (!bk__list_empty(&source->selecting))
        bk__source_wake(source);
}

#endif
