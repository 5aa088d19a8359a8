/*
 * mail_text.h: text in the encodings of mail.
 */
#ifndef BK_CLIENT_MAIL_TEXT_H
#define BK_CLIENT_MAIL_TEXT_H

#include <backend/str.h>

/* Base64 in lines of 76 (RFC 2045, 6.8), each with its end. */
void bk__mail_base64(bk_buf *out, bk_str bytes);

/* Quoted-printable (RFC 2045, 6.7) of text; any of CRLF, LF and CR ends a line. */
void bk__mail_quoted(bk_buf *out, bk_str text);

/* @p text with CRLF at the end of its lines. */
bk_str bk__mail_lines(bk_arena *arena, bk_str text);

/* "Name: value" and its end, where value is UTF-8 in one line: folded, or as encoded words
 * (RFC 2047) where it is not plain ASCII. */
void bk__mail_header(bk_buf *out, bk_str name, bk_str value);

/* A display name: quoted, or as encoded words. */
void bk__mail_phrase(bk_buf *out, bk_str name);

#endif
