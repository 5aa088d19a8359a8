/*
 * format.h: is a text an e-mail address, a UUID, and so on?
 */
#ifndef BK_JSON_FORMAT_H
#define BK_JSON_FORMAT_H

#include <backend/describe.h>

/* True when @p text, which is UTF-8, has the format; any text has BK_FORMAT_NONE. */
bool bk__format_match(bk_format format, bk_str text);

/* What to tell a person: "an e-mail address". */
const char *bk__format_words(bk_format format);

/* JSON Schema's name for it; NULL where it has none. */
const char *bk__format_schema(bk_format format);

/* A slug as a pattern, for schemas. */
#define BK__SLUG_PATTERN "^[a-z0-9]+(?:-[a-z0-9]+)*$"

#endif
