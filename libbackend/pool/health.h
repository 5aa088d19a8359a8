/*
 * health.h: the seam of the engine's two halves: pool.c lends, health.c opens and closes.
 */
#ifndef BK_POOL_HEALTH_H
#define BK_POOL_HEALTH_H

#include "pool/pool.h"

/* --- pool.c ----------------------------------------------------------------------------------- */

/* Serves who is first in line for as long as that is possible, and sees to it that the others will
 * be: by opening, and by draining. To be called after each change that may help somebody. */
void bk__pool_settle(struct bk__pool *pool);

/* Changes the state of a member and the gauges with it. */
void bk__pool_move(struct bk__pool *pool, struct bk__member *member, enum bk__member_state to);

/* Closes an idle member. */
void bk__pool_close(struct bk__pool *pool, struct bk__member *member);

/* How many connections there are beyond max, because some were reserved after they were opened. */
uint32_t bk__pool_excess(const struct bk__pool *pool);

/* --- health.c --------------------------------------------------------------------------------- */

/* Begins to open one more if that is needed and allowed; false when it is not. */
bool bk__pool_open_more(struct bk__pool *pool);

/* No member is quick enough to share since a while, and one more may be opened. */
bool bk__pool_too_slow(const struct bk__pool *pool);

/* Lets @p wanted of the shared members drain, the least used first, beside those whose time is
 * over; more than that are shared again. True when one was. */
bool bk__pool_drain(struct bk__pool *pool, uint32_t wanted);

/* What the timer calls. */
void bk__pool_on_timer(struct bk__timer *timer);

/* @p ms from now in loop time; BK__NEVER where that is unlimited. */
uint64_t bk__pool_in(const struct bk__pool *pool, uint32_t ms);

#endif
