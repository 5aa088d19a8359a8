/*
 * header.h: what header names and values may hold, and lists and parameters in them.
 */
#ifndef BK_HTTP_HEADER_H
#define BK_HTTP_HEADER_H

#include <backend/base.h>

/* RFC 9110, 5.6.2: one or more tchar. */
bool bk__header_is_token(bk_str text);

/* RFC 9110, 5.5: no CR, LF, NUL or other control but tab. */
bool bk__header_is_value(bk_str text);

/* Cuts the next element off a comma-separated list (5.6.1): blanks trimmed, empty ones skipped,
 * commas in quoted strings left alone. False at the end. */
bool bk__header_list_next(bk_str *rest, bk_str *element);

/* True when the list holds @p token, in any case. */
bool bk__header_list_has(bk_str list, bk_str token);

/* Cuts the next "name=value" off a list that semicolons separate (5.6.6). The value is as sent: a
 * whole quoted string, or one or more visible bytes without quotes; these may hold more than a
 * token does, as senders forget the quotes. False at the end, where @p rest is empty, and before
 * what is malformed. */
bool bk__header_param_next(bk_str *rest, bk_str *name, bk_str *value);

/* The parameters of "type/subtype; name=value", for bk__header_param_next(). */
bk_str bk__header_params(bk_str value);

/* A parameter of "type/subtype; name=value; name=\"quoted\"", its name in any case; the first one
 * counts. Escapes in quoted strings are undone into @p arena. Absent when there is none, or when it
 * stands behind something malformed. */
bk_str bk__header_param(bk_arena *arena, bk_str value, bk_str name);

/* Takes the quotes off a value from bk__header_param_next(). @p arena holds it if it had
 * escapes. */
bk_str bk__header_unquote(bk_arena *arena, bk_str value);

/* What precedes the first ';', trimmed. */
bk_str bk__header_media_type(bk_str value);

#endif
