/*
 * values_text.h: values as PostgreSQL writes them.
 */
#ifndef BK_PG_VALUES_TEXT_H
#define BK_PG_VALUES_TEXT_H

#include "pg/values.h"

/* Appends the text of a value that is no array; of bytea its hexadecimal. */
bk_err bk__pg_add_text(const struct bk__pg_value *value, bk_buf *buf);

/* The text of a numeric that came as binary. */
bk_err bk__pg_numeric_text(const struct bk__pg_value *value, bk_arena *arena, bk_str *out);

#endif
