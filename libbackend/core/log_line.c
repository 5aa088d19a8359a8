/*
 * log_line.c: a JSON object on one line that may not become too long.
 *
 * What must hold: cap leaves out TAIL_ROOM, so that whatever has been written the line can be
 * closed.
 */
#include "core/log_line.h"

#include <math.h>
#include <stdlib.h>

#include "core/assert.h"
#include "core/log_rules.h"
#include "core/number.h"
#include "core/utf8.h"

#define VALUE_MAX ((size_t)4 << 10)
#define NAME_MAX  ((size_t)128)
#define RUN_MAX   64

#define TAIL_TRUNCATED BK_LIT(",\"truncated\":true}\n")
#define TAIL           BK_LIT("}\n")
#define TAIL_ROOM      32

static bool room(struct bk__log_line *line, size_t more)
{
    if (bk__likely(line->cap - line->len >= more))
        return true;
    if (line->text == line->brief) {
        char *text = malloc(BK__LOG_LINE_MAX);
        bk_assert(text != NULL);
        line->text = memcpy(text, line->brief, line->len);
        line->cap = BK__LOG_LINE_MAX - TAIL_ROOM;
    }
    return line->cap - line->len >= more;
}

static void put(struct bk__log_line *line, bk_str text)
{
    memcpy(line->text + line->len, text.ptr, text.len);
    line->len += text.len;
}

void bk__log_line_init(struct bk__log_line *line, bk_str start, const struct bk__log_redact *redact)
{
    line->text = line->brief;
    line->len = 0;
    line->cap = sizeof(line->brief) - TAIL_ROOM;
    line->truncated = line->bare = false;
    line->depth = line->skipped = 0;
    line->redact = redact;
    bk__log_line_raw(line, start);
}

void bk__log_line_fini(struct bk__log_line *line)
{
    if (line->text != line->brief)
        free(line->text);
}

void bk__log_line_raw(struct bk__log_line *line, bk_str json)
{
    if (room(line, json.len))
        put(line, json);
    else
        line->truncated = true;
}

/* What stands for itself in a JSON string, of ASCII: all but controls, the quote, the backslash. */
static const bool plain_bytes[256] = {
    [' '] = true,
    ['!'] = true,
    ['#' ... '['] = true,
    [']' ... '~'] = true,
};

static bool plain(char c)
{
    return plain_bytes[(unsigned char)c];
}

#define EACH_BYTE(c) (0x0101010101010101u * (c))

/* Marks the high bit of some byte if any is zero. */
static uint64_t zero_bytes(uint64_t bytes)
{
    return (bytes - EACH_BYTE(0x01)) & ~bytes;
}

/* Eight of them at once; may say no of 0x7f alone, which plain() then decides. */
static inline bool all_plain(const char *text)
{
    uint64_t bytes;
    memcpy(&bytes, text, sizeof bytes);
    uint64_t low = (bytes - EACH_BYTE(0x20)) & ~bytes;
    uint64_t high = bytes + EACH_BYTE(0x01);
    uint64_t odd = low | bytes | high | zero_bytes(bytes ^ EACH_BYTE('"')) |
                   zero_bytes(bytes ^ EACH_BYTE('\\'));
    return (odd & EACH_BYTE(0x80)) == 0;
}

/* How many bytes at the beginning of @p text stand for themselves, up to @p max. */
static size_t plain_length(bk_str text, size_t max)
{
    size_t most = text.len < max ? text.len : max, at = 0;
    while (at + 8 <= most && all_plain(text.ptr + at))
        at += 8;
    /* The rest, and some of them again. */
    if (at + 8 > most && most >= 8 && all_plain(text.ptr + most - 8))
        return most;
    while (at < most && plain(text.ptr[at]))
        at++;
    return at;
}

static bk_str escape(unsigned char c, char out[6])
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '"':
        return BK_LIT("\\\"");
    case '\\':
        return BK_LIT("\\\\");
    case '\n':
        return BK_LIT("\\n");
    case '\t':
        return BK_LIT("\\t");
    case '\r':
        return BK_LIT("\\r");
    default:
        memcpy(out, "\\u00", 4);
        out[4] = hex[c >> 4];
        out[5] = hex[c & 15];
        return bk_str_at(out, 6);
    }
}

/* Takes the next few characters off @p text, which is not empty, and returns them as they are to be
 * written. */
static bk_str next_piece(bk_str *text, char escaped[6])
{
    bk_str piece = {text->ptr, 0};
    size_t taken = plain_length(*text, RUN_MAX);
    if (taken > 0) {
        piece.len = taken;
    } else if ((unsigned char)text->ptr[0] < 0x80) {
        piece = escape((unsigned char)text->ptr[0], escaped);
        taken = 1;
    } else {
        taken = piece.len = bk__utf8_char(text->ptr, text->len);
        if (taken == 0) {
            piece = BK_LIT("\xef\xbf\xbd"); /* U+FFFD, for what is no UTF-8 */
            taken = 1;
        }
    }
    text->ptr += taken;
    text->len -= taken;
    return piece;
}

/* Adds @p text in quotes, at most @p max bytes of it. The quotes have room. */
static void put_quoted(struct bk__log_line *line, bk_str text, size_t max)
{
    char escaped[6];
    if (bk__likely(text.len <= max && room(line, text.len + 2) &&
                   plain_length(text, text.len) == text.len)) {
        char *at = line->text + line->len;
        *at = '"';
        memcpy(at + 1, text.ptr, text.len);
        at[text.len + 1] = '"';
        line->len += text.len + 2;
        return;
    }
    put(line, BK_LIT("\""));
    while (text.len > 0) {
        bk_str piece = next_piece(&text, escaped);
        if (piece.len > max || !room(line, piece.len + 1)) {
            line->truncated = true;
            break;
        }
        put(line, piece);
        max -= piece.len;
    }
    put(line, BK_LIT("\""));
}

/* Adds `"name":`, which has room. */
static void put_name(struct bk__log_line *line, const struct bk__log_name *name)
{
    if (bk__likely(bk_str_present(name->json))) {
        put(line, name->json);
        return;
    }
    put_quoted(line, bk_str_of(name->text), NAME_MAX);
    put(line, BK_LIT(":"));
}

/* Begins a field whose value takes @p len bytes, or at least as many. */
static bool begin_field(struct bk__log_line *line, const struct bk__log_name *name, size_t len)
{
    if (line->skipped != 0)
        return false;
    if (!room(line, NAME_MAX + len + 8)) {
        line->truncated = true;
        return false;
    }
    if (!line->bare)
        put(line, BK_LIT(","));
    line->bare = false;
    put_name(line, name);
    return true;
}

static bool hides(const struct bk__log_line *line, const struct bk__log_name *name)
{
    return bk__unlikely(line->redact != NULL) &&
           bk__log_redact_hides(line->redact, line->objects, line->depth, name->text);
}

static void field(struct bk__log_line *line, const struct bk__log_name *name, bk_str json)
{
    if (hides(line, name))
        json = BK_LIT("\"***\"");
    if (begin_field(line, name, json.len))
        put(line, json);
}

void bk__log_line_str(struct bk__log_line *line, const struct bk__log_name *name, bk_str value)
{
    if (!bk_str_present(value))
        field(line, name, BK_LIT("null"));
    else if (hides(line, name))
        field(line, name, value);
    else if (begin_field(line, name, 2))
        put_quoted(line, value, VALUE_MAX);
}

void bk__log_line_i64(struct bk__log_line *line, const struct bk__log_name *name, int64_t value)
{
    char text[BK__I64_TEXT];
    field(line, name, bk_str_at(text, bk__i64_text(value, text)));
}

void bk__log_line_f64(struct bk__log_line *line, const struct bk__log_name *name, double value)
{
    char text[BK__F64_TEXT];
    if (isfinite(value))
        field(line, name, bk_str_at(text, bk__f64_text(value, text)));
    else
        field(line, name, BK_LIT("null"));
}

void bk__log_line_bool(struct bk__log_line *line, const struct bk__log_name *name, bool value)
{
    field(line, name, value ? BK_LIT("true") : BK_LIT("false"));
}

void bk__log_line_json(struct bk__log_line *line, const struct bk__log_name *name, bk_str json)
{
    field(line, name, json);
}

void bk__log_line_open(struct bk__log_line *line, const struct bk__log_name *name)
{
    bk_debug_assert(line->depth < BK__LOG_LINE_OBJECTS);
    if (begin_field(line, name, 1)) {
        put(line, BK_LIT("{"));
        line->bare = true;
    } else {
        line->skipped++;
    }
    line->objects[line->depth++] = name->text;
}

/* The brace has its room in the tail's. */
void bk__log_line_close(struct bk__log_line *line)
{
    line->depth--;
    if (line->skipped != 0) {
        line->skipped--;
        return;
    }
    put(line, BK_LIT("}"));
    line->bare = false;
}

bk_str bk__log_line_end(struct bk__log_line *line)
{
    put(line, line->truncated ? TAIL_TRUNCATED : TAIL);
    return bk_str_at(line->text, line->len);
}
