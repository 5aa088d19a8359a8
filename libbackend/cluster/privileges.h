/*
 * privileges.h: from root to somebody who may do less.
 */
#ifndef BK_CLUSTER_PRIVILEGES_H
#define BK_CLUSTER_PRIVILEGES_H

#include <backend/errors.h>

/* Becomes @p user, with that user's groups, and @p group in place of his own; either may be NULL.
 * For good: there is no way back. */
bk_err bk__privileges_drop(const char *user, const char *group);

#endif
