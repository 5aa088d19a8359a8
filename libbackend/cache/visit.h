/*
 * visit.h: one reader's way through the cache, for those who load by other means than a function:
 * bk_cache_fetch() and the response cache are made of it.
 *
 *     struct bk__cache_visit visit;
 *     switch (bk__cache_enter(cache, key, &policy, &visit)) {
 *     case BK__CACHE_FRESH:               use visit.value
 *     case BK__CACHE_STALE:               use visit.value, another refreshes it
 *     case BK__CACHE_REFRESH:             use visit.value; this visit leads: refresh it in the
 *                                         background, with bk__cache_take_lead(), then land or pass
 *     case BK__CACHE_LEAD:                load, then land or pass
 *     case BK__CACHE_FAILED:              visit.err: the load of the one who led has failed, or
 *                                         this fiber was interrupted while it waited
 *     }
 *     bk__cache_leave(&visit);            always
 *
 * What must hold: who leads lands, passes or leaves (which hands the lead on), also when it fails
 * or is cancelled; until then other visitors of the key wait for it.
 */
#ifndef BK_CACHE_VISIT_H
#define BK_CACHE_VISIT_H

#include <backend/cache.h>

struct bk__cache_load; /* a load in progress: who waits, and what was seen when it began */
struct bk__l1_item;

enum bk__cache_state {
    BK__CACHE_FRESH,
    BK__CACHE_STALE,
    BK__CACHE_REFRESH,
    BK__CACHE_LEAD,
    BK__CACHE_FAILED
};

struct bk__cache_visit {
    bk_cache *cache;
    bk_str key;   /* borrowed from the caller while he leads */
    bk_str value; /* lives until bk__cache_leave(): in L1, not copied, or in the fiber's arena */
    bool absent;  /* the value is that there is none */
    bool from_l1;
    int64_t age_ms;   /* since the load began */
    int64_t fresh_ms; /* for how long it is fresh still; negative when stale */
    bk_err err;       /* of BK__CACHE_FAILED */
    bk_cache_policy policy;
    struct bk__cache_load *load; /* while this one leads */
    struct bk__l1_item *pinned;  /* the value's holder */
};

/* Finds, waits or leads. Yields only
 * when L1 does not have it. */
BK_YIELDS enum bk__cache_state bk__cache_enter(bk_cache *cache, bk_str key,
                                               const bk_cache_policy *policy,
                                               struct bk__cache_visit *visit);

/* The leader's value will depend on @p tag: its version is taken now, so call it before what it
 * stands for is read. For tags that are not in the policy. */
BK_YIELDS bk_err bk__cache_visit_tag(struct bk__cache_visit *visit, bk_str tag);

/* The load succeeded (BK_OK with @p value, BK_ENOTFOUND: there is none) or failed: stores it, and
 * gives it to all who wait. @p policy: NULL: that of the visit; else its times. */
BK_YIELDS void bk__cache_land(struct bk__cache_visit *visit, bk_err err, bk_str value,
                              const bk_cache_policy *policy);

/* What was loaded is not for others: those who wait load for themselves, each for its own. */
void bk__cache_pass(struct bk__cache_visit *visit);

/* A stale value that may be used because the load failed: fills visit->value. False: there is none.
 */
bool bk__cache_stale_if_error(struct bk__cache_visit *visit);

/* Moves the lead of @p from into @p to, for a fiber of its own: the key is copied. */
void bk__cache_take_lead(struct bk__cache_visit *from, struct bk__cache_visit *to);

/* Unpins the value. Where this one still leads, the first who waits leads now. Harmless twice. */
void bk__cache_leave(struct bk__cache_visit *visit);

#endif
