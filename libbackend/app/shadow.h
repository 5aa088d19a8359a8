/*
 * shadow.h: a host program must not take the place of libh2o's functions by accident.
 */
#ifndef BK_APP_SHADOW_H
#define BK_APP_SHADOW_H

/* The name of a function of libh2o that the program or another library stands in for; NULL: none.
 */
const char *bk__shadowed_symbol(void);

#endif
