/*
 * cache_rules.h: which requests may be answered from the cache, which answers may be kept, and for
 * how long (RFC 9111, 3 and 5.2; RFC 5861).
 */
#ifndef BK_MIDDLEWARE_CACHE_RULES_H
#define BK_MIDDLEWARE_CACHE_RULES_H

#include <backend/cache.h>

#include "http/exchange.h"

/* True for a request that may be answered from what is kept. */
bool bk__cache_may_answer(const bk_req *req);

/* True for an answer that may be given to others. @p outer: how many headers were there before the
 * handler ran, whose own they are not. @p vary: headers that are in the key; may be NULL. */
bool bk__cache_may_keep(const bk_res *res, uint32_t outer, const char *const *vary);

/* Puts what the answer's Cache-Control says about time into @p policy. False when it is not to be
 * kept at all: a max-age of 0. */
bool bk__cache_times(const bk_res *res, bk_cache_policy *policy);

#endif
