/*
 * mime_mail.h: a bk_mail as a message of RFC 5322 with MIME.
 *
 * What it writes is 7-bit with short lines (78 bytes, but for long addresses), so that every server
 * takes it as it is.
 * Whatever could end a header or an address is refused.
 */
#ifndef BK_CLIENT_MIME_MAIL_H
#define BK_CLIENT_MIME_MAIL_H

#include <backend/mail.h>
#include <backend/str.h>

#define BK__MAIL_RECIPIENTS 100

/* What makes a message different from all others. */
struct bk__mail_stamp {
    bk_time at;
    const char *unique; /* letters, digits and '-', at most 40 */
};

/* BK_EINVAL, with words, when @p mail cannot be a message. `from` must be filled in. */
bk_err bk__mail_check(const bk_mail *mail);

/* "unique@domain.of.the.sender" */
bk_str bk__mail_id(bk_arena *arena, const bk_mail *mail, const struct bk__mail_stamp *stamp);

/* Writes a mail that has been checked. */
void bk__mail_write(bk_buf *out, const bk_mail *mail, const struct bk__mail_stamp *stamp);

/* True for "local@domain" that can stand in SMTP commands as it is: ASCII, nothing quoted. */
bool bk__mail_is_email(bk_str text);

#endif
