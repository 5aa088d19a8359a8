/*
 * setup.h: what middleware does when it is made.
 */
#ifndef BK_MIDDLEWARE_SETUP_H
#define BK_MIDDLEWARE_SETUP_H

#include <backend/app.h>
#include <backend/loop.h>

#define BK__MW_NAME_MAX 128 /* the longest header name that options may have */

/* Zeroed memory for one, which is a part of @p app; type->free is free(). */
void *bk__mw_new(bk_app *app, const bk_part_type *type, size_t size);

/* @p name in lower case, as requests have it, in @p out. Stops the program, naming @p middleware,
 * when it is no header's name or too long for one. */
bk_str bk__mw_header_name(const char *middleware, bk_str name, char out[BK__MW_NAME_MAX]);

#endif
