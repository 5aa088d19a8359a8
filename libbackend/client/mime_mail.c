/*
 * mime_mail.c: the head and the parts of a message. See mime_mail.h.
 *
 *   text or html alone    the body
 *   both                  multipart/alternative
 *   with files            multipart/mixed: one of the above, then the files
 */
#include "client/mime_mail.h"

#include <backend/arena.h>

#include "client/field.h"
#include "client/mail_text.h"
#include "core/clock.h"
#include "core/encode.h"

enum {
    EMAIL_MAX = 254,
    LOCAL_MAX = 64,
    LINE_MAX_LEN = 1000, /* of a subject, a name, a header's value */
    HEADER_NAME_MAX = 70,
    FILE_NAME_MAX = 200,
    NAME_PIECE = 48 /* of a file's name in a line */
};

/* --- checks ----------------------------------------------------------------------------------- */

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Dots stand between other characters only. */
static bool is_dotted(bk_str text, const char *besides)
{
    char before = '.';

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' ? before == '.' : !is_alnum(c) && (c == '\0' || strchr(besides, c) == NULL))
            return false;
        before = c;
    }
    return before != '.';
}

bool bk__mail_is_email(bk_str text)
{
    bk_str domain = text, local;

    if (text.len > EMAIL_MAX || !bk_str_split(&domain, '@', &local) || !bk_str_present(domain))
        return false;
    return local.len <= LOCAL_MAX && is_dotted(local, "!#$%&'*+-/=?^_`{|}~") &&
           is_dotted(domain, "-");
}

static bool is_line(bk_str text)
{
    return text.len <= LINE_MAX_LEN && bk__field_is_value(text) &&
           (text.len == 0 || (bk_str_utf8(text) && memchr(text.ptr, '\t', text.len) == NULL));
}

static bk_err check_address(const char *what, const bk_mail_address *address)
{
    if (!bk__mail_is_email(address->email))
        return bk_fail(BK_EINVAL, "%s: \"%.*s\" is no address that mail can go to", what,
                       BK_PRI(address->email));
    if (!is_line(address->name))
        return bk_fail(BK_EINVAL, "%s: the name of %.*s is no line of UTF-8", what,
                       BK_PRI(address->email));
    return BK_OK;
}

static bk_err check_addresses(const char *what, const bk_mail_address *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        BK_TRY(check_address(what, &list[i]));
    return BK_OK;
}

/* Those that are made here, and those that say where a mail goes. */
static bool is_ours(bk_str name)
{
    static const char *const ours[] = {"date",    "message-id",   "from",        "sender",
                                       "to",      "cc",           "bcc",         "reply-to",
                                       "subject", "mime-version", "return-path", "received"};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (bk_str_ieq(name, bk_str_of(ours[i])))
            return true;
    return name.len >= 8 && bk_str_ieq(bk_str_at(name.ptr, 8), BK_LIT("content-"));
}

static bk_err check_headers(const bk_mail_header *headers)
{
    for (; headers != NULL && headers->name.ptr != NULL; headers++) {
        if (!bk__field_is_name(headers->name) || headers->name.len > HEADER_NAME_MAX)
            return bk_fail(BK_EINVAL, "\"%.*s\" is no name of a header", BK_PRI(headers->name));
        if (is_ours(headers->name))
            return bk_fail(BK_EINVAL, "header %.*s is made by the mailer", BK_PRI(headers->name));
        if (!is_line(headers->value))
            return bk_fail(BK_EINVAL, "header %.*s: its value is no line of UTF-8",
                           BK_PRI(headers->name));
    }
    return BK_OK;
}

/* "type/subtype", with parameters or without. */
static bool is_type(bk_str text)
{
    bk_str rest = text, type;

    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] >= 0x7f)
            return false;
    return text.len <= 60 && bk_str_split(&rest, '/', &type) && bk__field_is_name(type) &&
           rest.len != 0;
}

static bk_err check_files(const bk_mail *mail)
{
    for (size_t i = 0; i < mail->file_count; i++) {
        const bk_mail_file *file = &mail->files[i];
        if (file->name.len == 0 || file->name.len > FILE_NAME_MAX || !is_line(file->name) ||
            memchr(file->name.ptr, '/', file->name.len) != NULL)
            return bk_fail(BK_EINVAL, "file %zu has no name that can be shown", i + 1);
        if (file->type.len != 0 && !is_type(file->type))
            return bk_fail(BK_EINVAL, "file %zu: \"%.*s\" is no media type", i + 1,
                           BK_PRI(file->type));
    }
    return BK_OK;
}

bk_err bk__mail_check(const bk_mail *mail)
{
    size_t recipients = mail->to_count + mail->cc_count + mail->bcc_count;

    if (recipients == 0)
        return bk_fail(BK_EINVAL, "the mail goes to nobody");
    if (recipients > BK__MAIL_RECIPIENTS)
        return bk_fail(BK_EINVAL, "the mail goes to %zu addresses, %d are the most", recipients,
                       BK__MAIL_RECIPIENTS);
    BK_TRY(check_address("from", &mail->from));
    if (bk_str_present(mail->reply_to.email))
        BK_TRY(check_address("reply_to", &mail->reply_to));
    BK_TRY(check_addresses("to", mail->to, mail->to_count));
    BK_TRY(check_addresses("cc", mail->cc, mail->cc_count));
    BK_TRY(check_addresses("bcc", mail->bcc, mail->bcc_count));
    if (!is_line(mail->subject))
        return bk_fail(BK_EINVAL, "the subject is no line of UTF-8");
    if (!bk_str_present(mail->text) && !bk_str_present(mail->html))
        return bk_fail(BK_EINVAL, "the mail has neither text nor html");
    if ((mail->text.len != 0 && !bk_str_utf8(mail->text)) ||
        (mail->html.len != 0 && !bk_str_utf8(mail->html)))
        return bk_fail(BK_EINVAL, "the mail's text is no UTF-8");
    BK_TRY(check_files(mail));
    return check_headers(mail->headers);
}

/* --- the head --------------------------------------------------------------------------------- */

bk_str bk__mail_id(bk_arena *arena, const bk_mail *mail, const struct bk__mail_stamp *stamp)
{
    bk_str domain = mail->from.email, local;

    (void)bk_str_split(&domain, '@', &local);
    return bk_arena_printf(arena, "%s@%.*s", stamp->unique, BK_PRI(domain));
}

static void write_addresses(bk_buf *out, const char *name, const bk_mail_address *list,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const bk_mail_address *one = &list[i];
        bk_buf_printf(out, i == 0 ? "%s:\r\n " : ",\r\n ", name);
        if (one->name.len != 0) {
            bk__mail_phrase(out, one->name);
            bk_buf_add(out, BK_LIT("\r\n "));
        }
        bk_buf_printf(out, "<%.*s>", BK_PRI(one->email));
    }
    if (count != 0)
        bk_buf_add(out, BK_LIT("\r\n"));
}

static void write_head(bk_buf *out, const bk_mail *mail, const struct bk__mail_stamp *stamp)
{
    char date[29];
    bk_str id = bk__mail_id(out->arena, mail, stamp);

    bk__clock_http_date(stamp->at, date);
    bk_buf_printf(out, "Date: %.26s+0000\r\n", date); /* GMT is obsolete here */
    bk_buf_printf(out, "Message-ID: <%.*s>\r\n", BK_PRI(id));
    write_addresses(out, "From", &mail->from, 1);
    write_addresses(out, "Reply-To", &mail->reply_to, bk_str_present(mail->reply_to.email));
    write_addresses(out, "To", mail->to, mail->to_count);
    write_addresses(out, "Cc", mail->cc, mail->cc_count);
    bk__mail_header(out, BK_LIT("Subject"), mail->subject);
    for (const bk_mail_header *it = mail->headers; it != NULL && it->name.ptr != NULL; it++)
        bk__mail_header(out, it->name, it->value);
    bk_buf_add(out, BK_LIT("MIME-Version: 1.0\r\n"));
}

/* --- the parts -------------------------------------------------------------------------------- */

/* Quoted-printable can be read by people, as long as there is not much to quote. */
static bool is_mostly_ascii(bk_str text)
{
    size_t others = 0;

    for (size_t i = 0; i < text.len; i++)
        others += (unsigned char)text.ptr[i] >= 0x80;
    return others <= text.len / 6;
}

static void write_text(bk_buf *out, const char *type, bk_str text)
{
    bool quoted = is_mostly_ascii(text);

    bk_buf_printf(out, "Content-Type: text/%s; charset=utf-8\r\n", type);
    bk_buf_printf(out, "Content-Transfer-Encoding: %s\r\n\r\n",
                  quoted ? "quoted-printable" : "base64");
    if (quoted)
        bk__mail_quoted(out, text);
    else
        bk__mail_base64(out, bk__mail_lines(out->arena, text));
}

/* Boundaries hold "=_", which neither encoding ever makes. The line end before one belongs to it.
 */
static void begin_parts(bk_buf *out, const char *kind, const struct bk__mail_stamp *stamp)
{
    bk_buf_printf(out, "Content-Type: multipart/%s;\r\n boundary=\"=_%s_%c\"\r\n", kind,
                  stamp->unique, kind[0]);
}

static void begin_part(bk_buf *out, const char *kind, const struct bk__mail_stamp *stamp)
{
    bk_buf_printf(out, "\r\n--=_%s_%c\r\n", stamp->unique, kind[0]);
}

static void end_parts(bk_buf *out, const char *kind, const struct bk__mail_stamp *stamp)
{
    bk_buf_printf(out, "\r\n--=_%s_%c--", stamp->unique, kind[0]);
}

static void write_words(bk_buf *out, const bk_mail *mail, const struct bk__mail_stamp *stamp)
{
    bool has_text = bk_str_present(mail->text), has_html = bk_str_present(mail->html);

    if (!has_text || !has_html) {
        write_text(out, has_text ? "plain" : "html", has_text ? mail->text : mail->html);
        return;
    }
    begin_parts(out, "alternative", stamp);
    begin_part(out, "alternative", stamp);
    write_text(out, "plain", mail->text);
    begin_part(out, "alternative", stamp);
    write_text(out, "html", mail->html);
    end_parts(out, "alternative", stamp);
}

static bool is_plain_name(bk_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < ' ' || name.ptr[i] >= 0x7f || name.ptr[i] == '"' || name.ptr[i] == '\\')
            return false;
    return name.len <= NAME_PIECE;
}

/* How much of percent-encoded @p text a line may have without cutting a byte. */
static size_t piece_len(bk_str text)
{
    if (text.len <= NAME_PIECE)
        return text.len;
    size_t len = NAME_PIECE;
    while (text.ptr[len - 1] == '%' || text.ptr[len - 2] == '%')
        len--;
    return len;
}

/* As it is, or by RFC 2231, in pieces where it is long. */
static void write_file_name(bk_buf *out, bk_str name)
{
    if (is_plain_name(name)) {
        bk_buf_printf(out, ";\r\n filename=\"%.*s\"", BK_PRI(name));
        return;
    }
    bk_str rest = bk__percent_encode(out->arena, name);
    if (rest.len <= NAME_PIECE) {
        bk_buf_printf(out, ";\r\n filename*=UTF-8''%.*s", BK_PRI(rest));
        return;
    }
    for (unsigned i = 0; rest.len != 0; i++) {
        size_t len = piece_len(rest);
        bk_buf_printf(out, ";\r\n filename*%u*=%s%.*s", i, i == 0 ? "UTF-8''" : "", (int)len,
                      rest.ptr);
        rest = bk_str_at(rest.ptr + len, rest.len - len);
    }
}

static void write_file(bk_buf *out, const bk_mail_file *file)
{
    bk_str type = file->type.len != 0 ? file->type : BK_LIT("application/octet-stream");

    bk_buf_printf(out, "Content-Type: %.*s\r\n", BK_PRI(type));
    bk_buf_add(out, BK_LIT("Content-Transfer-Encoding: base64\r\n"));
    bk_buf_add(out, BK_LIT("Content-Disposition: attachment"));
    write_file_name(out, file->name);
    bk_buf_add(out, BK_LIT("\r\n\r\n"));
    bk__mail_base64(out, file->content);
}

static void write_parts(bk_buf *out, const bk_mail *mail, const struct bk__mail_stamp *stamp)
{
    begin_parts(out, "mixed", stamp);
    begin_part(out, "mixed", stamp);
    write_words(out, mail, stamp);
    for (size_t i = 0; i < mail->file_count; i++) {
        begin_part(out, "mixed", stamp);
        write_file(out, &mail->files[i]);
    }
    end_parts(out, "mixed", stamp);
}

void bk__mail_write(bk_buf *out, const bk_mail *mail, const struct bk__mail_stamp *stamp)
{
    write_head(out, mail, stamp);
    if (mail->file_count != 0)
        write_parts(out, mail, stamp);
    else
        write_words(out, mail, stamp);
    if (out->ptr[out->len - 1] != '\n')
        bk_buf_add(out, BK_LIT("\r\n"));
}
