/*
 * number.h: numbers as text where there is no bk_buf to write to.
 */
#ifndef BK_CORE_NUMBER_H
#define BK_CORE_NUMBER_H

#include <backend/str.h>

#define BK__I64_TEXT 20
#define BK__F64_TEXT 32

/* Writes @p value in decimal, without NUL; returns the length. */
size_t bk__i64_text(int64_t value, char out[BK__I64_TEXT]);

/* Writes a finite @p value in its shortest form that reads back the same, as JSON, without NUL;
 * returns the length. */
size_t bk__f64_text(double value, char out[BK__F64_TEXT]);

#endif
