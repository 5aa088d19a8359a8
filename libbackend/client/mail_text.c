/*
 * mail_text.c: base64, quoted-printable, encoded words. See mail_text.h.
 */
#include "client/mail_text.h"

#include "core/utf8.h"

enum {
    LINE_MAX_BYTES = 76,
    WORD_MAX = 45, /* of a word in a line that is folded at its blanks */
    PLAIN_NAME_MAX = 60
};

/* --- bodies ----------------------------------------------------------------------------------- */

static void add_base64(bk_buf *out, bk_str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *to = bk_buf_reserve(out, (bytes.len + 2) / 3 * 4);
    const unsigned char *from = (const unsigned char *)bytes.ptr;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t three = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                         (left > 2 ? from[i + 2] : 0);
        *to++ = digits[three >> 18];
        *to++ = digits[three >> 12 & 63];
        *to++ = left > 1 ? digits[three >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[three & 63] : '=';
    }
    out->len += (bytes.len + 2) / 3 * 4;
}

void bk__mail_base64(bk_buf *out, bk_str bytes)
{
    const size_t line = LINE_MAX_BYTES / 4 * 3;

    for (size_t at = 0; at < bytes.len; at += line) {
        size_t len = bytes.len - at < line ? bytes.len - at : line;
        add_base64(out, bk_str_at(bytes.ptr + at, len));
        bk_buf_add(out, BK_LIT("\r\n"));
    }
}

/* How many bytes of @p text at @p at end a line; 0: none do. */
static size_t line_end(bk_str text, size_t at)
{
    if (text.ptr[at] == '\n')
        return 1;
    if (text.ptr[at] != '\r')
        return 0;
    return at + 1 < text.len && text.ptr[at + 1] == '\n' ? 2 : 1;
}

bk_str bk__mail_lines(bk_arena *arena, bk_str text)
{
    bk_buf out = {.arena = arena};

    (void)bk_buf_reserve(&out, text.len + text.len / 32 + 2);
    for (size_t at = 0; at < text.len;) {
        size_t end = line_end(text, at);
        if (end != 0)
            bk_buf_add(&out, BK_LIT("\r\n"));
        else
            bk_buf_add_char(&out, text.ptr[at]);
        at += end != 0 ? end : 1;
    }
    return bk_buf_str(&out);
}

void bk__mail_quoted(bk_buf *out, bk_str text)
{
    size_t column = 0;

    for (size_t at = 0; at < text.len;) {
        size_t end = line_end(text, at);
        if (end != 0) {
            bk_buf_add(out, BK_LIT("\r\n"));
            column = 0;
            at += end;
            continue;
        }
        unsigned char c = (unsigned char)text.ptr[at++];
        bool last = at == text.len || line_end(text, at) != 0;
        bool blank = c == ' ' || c == '\t';
        bool plain = blank ? !last : c > ' ' && c < 0x7f && c != '=';
        if (column + (plain ? 1 : 3) > LINE_MAX_BYTES - 1) {
            bk_buf_add(out, BK_LIT("=\r\n"));
            column = 0;
        }
        if (plain)
            bk_buf_add_char(out, (char)c);
        else
            bk_buf_printf(out, "=%02X", c);
        column += plain ? 1 : 3;
    }
}

/* --- heads ------------------------------------------------------------------------------------ */

/* As much of @p text as an encoded word that begins at @p column has room for, without cutting a
 * character; a little also where there is none. */
static size_t word_len(bk_str text, size_t column)
{
    const size_t around = strlen("=?UTF-8?B?"
                                 "?=");
    size_t room = column + around < LINE_MAX_BYTES ? (LINE_MAX_BYTES - column - around) / 4 * 3 : 0;
    size_t len = 0;

    while (len < text.len) {
        size_t next = bk__utf8_char(text.ptr + len, text.len - len);
        if (len + next > room && len != 0)
            break;
        len += next;
    }
    return len;
}

static void add_words(bk_buf *out, bk_str text, size_t column)
{
    const char *between = "";

    while (text.len != 0) {
        size_t len = word_len(text, column);
        bk_buf_printf(out, "%s=?UTF-8?B?", between);
        add_base64(out, bk_str_at(text.ptr, len));
        bk_buf_add(out, BK_LIT("?="));
        text = bk_str_at(text.ptr + len, text.len - len);
        between = "\r\n ";
        column = 1;
    }
}

static bool looks_encoded(bk_str text)
{
    return text.len != 0 && memmem(text.ptr, text.len, "=?", 2) != NULL;
}

static bool is_ascii(bk_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] >= 0x7f)
            return false;
    return true;
}

/* It can be folded at its blanks, and nothing in it looks encoded. */
static bool is_plain(bk_str text)
{
    size_t run = 0;

    if (!is_ascii(text) || looks_encoded(text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        run = text.ptr[i] == ' ' ? 0 : run + 1;
        if (run > WORD_MAX || (run == 0 && (i == 0 || i + 1 == text.len || text.ptr[i - 1] == ' ')))
            return false;
    }
    return true;
}

/* Breaks lines at blanks, which stay where they are. */
static void add_folded(bk_buf *out, bk_str text, size_t column)
{
    bk_str word;

    for (bool first = true; bk_str_split(&text, ' ', &word); first = false) {
        if (!first && column + 1 + word.len > LINE_MAX_BYTES) {
            bk_buf_add(out, BK_LIT("\r\n"));
            column = 0;
        }
        if (!first)
            bk_buf_add_char(out, ' ');
        bk_buf_add(out, word);
        column += word.len + !first;
    }
}

/* No break right behind the name: readers take the blank for a part of the value. */
void bk__mail_header(bk_buf *out, bk_str name, bk_str value)
{
    bk_buf_printf(out, value.len != 0 ? "%.*s: " : "%.*s:", BK_PRI(name));
    if (is_plain(value))
        add_folded(out, value, name.len + 2);
    else
        add_words(out, value, name.len + 2);
    bk_buf_add(out, BK_LIT("\r\n"));
}

void bk__mail_phrase(bk_buf *out, bk_str name)
{
    if (!is_ascii(name) || name.len > PLAIN_NAME_MAX || looks_encoded(name)) {
        add_words(out, name, 1);
        return;
    }
    bk_buf_add_char(out, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"' || name.ptr[i] == '\\')
            bk_buf_add_char(out, '\\');
        bk_buf_add_char(out, name.ptr[i]);
    }
    bk_buf_add_char(out, '"');
}
