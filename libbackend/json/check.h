/*
 * check.h: bk_json_check() for those who want no error recorded.
 */
#ifndef BK_JSON_CHECK_H
#define BK_JSON_CHECK_H

#include <backend/json.h>

/* True when @p text passes bk_json_check() with the usual limits. */
bool bk__json_valid(bk_str text);

#endif
