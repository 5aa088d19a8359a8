/*
 * field.h: what may stand in a field of a head, of HTTP or of mail.
 */
#ifndef BK_CLIENT_FIELD_H
#define BK_CLIENT_FIELD_H

#include <stdint.h>

#include <backend/base.h>

/* A token (RFC 9110, 5.6.2). */
bool bk__field_is_name(bk_str text);

/* No control characters but tabs: nothing in it can end the field. */
bool bk__field_is_value(bk_str text);

/* How many seconds a `Cache-Control` says that an answer may be used (RFC 9111): `max-age`, 0 with
 * `no-store` or `no-cache`, at most a year; -1: it does not say. */
int64_t bk__field_max_age(bk_str text);

#endif
