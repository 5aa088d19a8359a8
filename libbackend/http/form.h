/*
 * form.h: name=value pairs, as queries and urlencoded bodies have them (WHATWG URL, 5.1).
 *
 * '+' is a blank, %XX is decoded once; "%" without two hex digits stays as it is, as browsers do;
 * the decoded bytes must be UTF-8 without NUL, else BK_EINVAL. Empty pieces ("a=1&&b=2") are passed
 * over.
 */
#ifndef BK_HTTP_FORM_H
#define BK_HTTP_FORM_H

#include <backend/request.h>

#define BK__FORM_PAIRS_MAX 1000

/* Values point into @p text where nothing was encoded. More than BK__FORM_PAIRS_MAX: BK_EINVAL. */
bk_err bk__form_parse(bk_arena *arena, bk_str text, bk_pairs *out);

/* The first value of @p name straight from the text, decoded; absent when there is none. BK_EINVAL
 * when that value is no UTF-8. Does not parse the rest. */
bk_err bk__form_find(bk_arena *arena, bk_str text, bk_str name, bk_str *out);

#endif
