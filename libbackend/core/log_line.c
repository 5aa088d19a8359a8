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
#define NAME_MAX  BK__LOG_LINE_NAME
#define RUN_MAX   64

#define TAIL_TRUNCATED BK_LIT(",\"truncated\":true}\n")
#define TAIL           BK_LIT("}\n")
#define TAIL_ROOM      32

/* The brief text is full: moves what there is to where more fits. */
__attribute__((noinline)) static bool grow(struct bk__log_line *line, size_t more)
{
    if (line->text == line->brief) {
        char *text = malloc(BK__LOG_LINE_MAX);
        bk_assert(text != NULL);
        line->text = memcpy(text, line->brief, line->len);
        line->cap = BK__LOG_LINE_MAX - TAIL_ROOM;
    }
    return line->cap - line->len >= more;
}

static bool room(struct bk__log_line *line, size_t more)
{
    return bk__likely(line->cap - line->len >= more) || grow(line, more);
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

/* --- texts ------------------------------------------------------------------------------------ */

#define BLOCK 16

typedef uint8_t block __attribute__((vector_size(BLOCK)));

/* What stands for itself in a JSON string, of ASCII: all but controls, the quote, the backslash. */
static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* The same of each byte at @p text, which can be read in whole blocks. */
static bool all_plain(const char *text, size_t len)
{
    block bytes, odd = {0};
    uint64_t halves[2];

    for (size_t at = 0; at < len; at += BLOCK) {
        memcpy(&bytes, text + at, BLOCK);
        odd |= (block)(bytes - ' ' > '~' - ' ') | (block)(bytes == '"') | (block)(bytes == '\\');
    }
    memcpy(halves, &odd, sizeof halves);
    return (halves[0] | halves[1]) == 0;
}

/* How many bytes at the beginning of @p text stand for themselves, up to @p max. */
static size_t plain_length(bk_str text, size_t max)
{
    size_t at = 0;

    while (at < text.len && at < max && is_plain(text.ptr[at]))
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
__attribute__((noinline)) static void put_escaped(struct bk__log_line *line, bk_str text,
                                                  size_t max)
{
    char escaped[6];

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

/* The same, quickly where nothing is to be escaped, as nearly always: the text is looked at where
 * it has been copied to, with blanks behind it up to a whole block. */
static void put_quoted(struct bk__log_line *line, bk_str text, size_t max)
{
    if (bk__likely(text.len <= max && room(line, text.len + 2 + BLOCK))) {
        char *at = line->text + line->len + 1;
        memcpy(at, text.ptr, text.len);
        memset(at + text.len, ' ', BLOCK);
        if (bk__likely(all_plain(at, text.len))) {
            at[-1] = at[text.len] = '"';
            line->len += text.len + 2;
            return;
        }
    }
    put_escaped(line, text, max);
}

void bk__log_line_quoted(struct bk__log_line *line, bk_str text)
{
    put_quoted(line, text, VALUE_MAX);
}

/* --- fields ----------------------------------------------------------------------------------- */

static void put_name(struct bk__log_line *line, const struct bk__log_name *name)
{
    if (!line->bare)
        put(line, BK_LIT(","));
    line->bare = false;
    put_quoted(line, bk_str_of(name->text), NAME_MAX);
    put(line, BK_LIT(":"));
}

static bool hides(const struct bk__log_line *line, const struct bk__log_name *name)
{
    return line->redact != NULL &&
           bk__log_redact_hides(line->redact, line->objects, line->depth, name->text);
}

bool bk__log_line_begin_slowly(struct bk__log_line *line, const struct bk__log_name *name,
                               size_t len)
{
    bk_str stars = BK_LIT("\"***\"");
    bool hidden = hides(line, name);

    if (hidden)
        len = stars.len;
    if (line->skipped != 0)
        return false;
    if (!room(line, NAME_MAX + len + 8)) {
        line->truncated = true;
        return false;
    }
    put_name(line, name);
    if (hidden)
        put(line, stars);
    return !hidden;
}

void bk__log_line_f64(struct bk__log_line *line, const struct bk__log_name *name, double value)
{
    char text[BK__F64_TEXT];
    if (isfinite(value))
        bk__log_line_json(line, name, bk_str_at(text, bk__f64_text(value, text)));
    else
        bk__log_line_json(line, name, BK_LIT("null"));
}

void bk__log_line_bool(struct bk__log_line *line, const struct bk__log_name *name, bool value)
{
    bk__log_line_json(line, name, value ? BK_LIT("true") : BK_LIT("false"));
}

void bk__log_line_open(struct bk__log_line *line, const struct bk__log_name *name)
{
    bk_debug_assert(line->depth < BK__LOG_LINE_OBJECTS);
    if (bk__log_line_begin(line, name, 1)) {
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
