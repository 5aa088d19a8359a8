/*
 * setting.h: one setting's value, as text and in its member.
 */
#ifndef BK_APP_SETTING_H
#define BK_APP_SETTING_H

#include <backend/describe.h>

/* The description is one of settings: types and names that can be written in a file, defaults that
 * can be read. Ends the program with words where it is not. */
void bk__settings_check(const bk_desc *desc);

/* Reads @p text into the member at @p slot; what that holds is in @p arena. False: @p why receives
 * what is wrong, as in "must be at most 65535". */
bool bk__setting_read(bk_arena *arena, const bk_field *field, bk_str text, void *slot, bk_str *why);

/* Writes the value as one would write it, secrets and passwords in URLs as "***". */
void bk__setting_write(bk_buf *out, const bk_field *field, const void *slot);

/* Writes a text without the passwords that are in it, if it is a URL or a libpq conninfo. */
void bk__setting_write_hidden(bk_buf *out, bk_str text);

/* Writes what may be written there: "an integer from 0 to 65535". */
void bk__setting_write_wanted(bk_buf *out, const bk_field *field);

/* True when both members have the same value. */
bool bk__setting_same(const bk_field *field, const void *a, const void *b);

#endif
