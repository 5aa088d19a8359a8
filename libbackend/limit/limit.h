/*
 * limit.h: what others of the library may know of a limiter.
 */
#ifndef BK_LIMIT_LIMIT_H
#define BK_LIMIT_LIMIT_H

#include <backend/limit.h>

/* Its settings, with the defaults filled in. */
const bk_limiter_opts *bk__limiter_opts(const bk_limiter *limiter);

/* The most that can be taken at once. */
uint32_t bk__limiter_most(const bk_limiter *limiter);

#endif
