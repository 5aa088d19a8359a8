/*
 * pattern.c: reading path patterns.
 *
 * Patterns come from the program's source, so all that could be a slip is refused with words: a
 * path that never comes, a parameter that is only part of a segment, ":id" of other routers.
 */
#include "http/pattern.h"

#include <stdio.h>

#include <backend/str.h>

#include "http/escape.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_unreserved(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* RFC 3986, 3.3: what a segment holds beside escapes. */
static bool is_path_byte(char c)
{
    return is_unreserved(c) || (c != '\0' && strchr("!$&'()*+,;=:@", c) != NULL);
}

static bool has_byte(bk_str text, char c)
{
    return text.len > 0 && memchr(text.ptr, c, text.len) != NULL;
}

bool bk__segment_is_dots(bk_str segment)
{
    size_t dots = 0;
    for (size_t i = 0; i < segment.len; i++, dots++) {
        if (bk__escape_at(segment, i) == '.')
            i += 2;
        else if (segment.ptr[i] != '.')
            return false;
    }
    return dots == 1 || dots == 2;
}

size_t bk__segment_normalize(bk_str segment, char out[BK__SEGMENT_MAX])
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;

    for (size_t i = 0; i < segment.len; i++) {
        int escaped = bk__escape_at(segment, i);
        bool stays = escaped >= 0 && !is_unreserved((char)escaped);
        if (BK__SEGMENT_MAX - len < (stays ? 3 : 1))
            return 0;
        out[len++] = escaped >= 0 && !stays ? (char)escaped : segment.ptr[i];
        if (stays) {
            out[len++] = digits[escaped >> 4];
            out[len++] = digits[escaped & 15];
        }
        if (escaped >= 0)
            i += 2;
    }
    return len;
}

void bk__pattern_explain(char why[BK__WHY_MAX], bk_str about, const char *words)
{
    int shown = about.len < 80 ? (int)about.len : 80;
    snprintf(why, BK__WHY_MAX, "\"%.*s\": %s", shown, about.ptr, words);
}

static const char *read_param(bk_str segment, struct bk__piece *out)
{
    if (segment.ptr[0] != '{' || segment.ptr[segment.len - 1] != '}')
        return "a parameter is a whole segment, as in \"/v/{n}\"";

    bk_str name = {segment.ptr + 1, segment.len - 2};
    out->kind = BK__PIECE_PARAM;
    if (name.len > 0 && name.ptr[name.len - 1] == '*') {
        out->kind = BK__PIECE_WILDCARD;
        name.len--;
    }
    if (name.len == 0)
        return "the parameter has no name";
    if (is_digit(name.ptr[0]))
        return "a parameter's name does not begin with a digit";
    for (size_t i = 0; i < name.len; i++) {
        if (!is_alpha(name.ptr[i]) && !is_digit(name.ptr[i]) && name.ptr[i] != '_')
            return "a parameter's name is made of letters, digits and \"_\"";
    }
    out->text = name;
    return NULL;
}

static const char *read_static(bk_str segment, struct bk__piece *out)
{
    char normal[BK__SEGMENT_MAX];

    if (segment.ptr[0] == ':')
        return "a parameter is written \"{name}\"";
    if (segment.ptr[0] == '*')
        return "a wildcard is written \"{name*}\"";
    for (size_t i = 0; i < segment.len; i++) {
        if (bk__escape_at(segment, i) >= 0)
            i += 2;
        else if (!is_path_byte(segment.ptr[i]))
            return "a path has bytes like these only percent-encoded";
    }
    if (bk__segment_is_dots(segment))
        return "paths with \".\" and \"..\" are never matched";
    if (bk__segment_normalize(segment, normal) == 0)
        return "the segment is longer than 255 bytes";
    out->kind = BK__PIECE_STATIC;
    out->text = segment;
    return NULL;
}

/* What the last of @p count pieces may not be, given those before it. */
static const char *check_last(const struct bk__piece *pieces, size_t count)
{
    const struct bk__piece *last = &pieces[count - 1];
    size_t params = 0;

    if (last->kind == BK__PIECE_STATIC)
        return NULL;
    for (size_t i = 0; i < count - 1; i++) {
        if (pieces[i].kind == BK__PIECE_STATIC)
            continue;
        params++;
        if (bk_str_eq(pieces[i].text, last->text))
            return "the pattern has this parameter twice";
    }
    return params < BK__PATTERN_PARAMS_MAX ? NULL : "the pattern has more than 16 parameters";
}

static const char *add_piece(bk_str segment, struct bk__pattern *out)
{
    if (segment.len == 0)
        return "a segment is empty";
    if (out->count == BK__PATTERN_SEGMENTS_MAX)
        return "the pattern has more than 32 segments";
    if (out->count > 0 && out->pieces[out->count - 1].kind == BK__PIECE_WILDCARD)
        return "nothing follows a wildcard, which takes the rest";

    struct bk__piece *piece = &out->pieces[out->count++];
    bool braces = has_byte(segment, '{') || has_byte(segment, '}');
    const char *wrong = braces ? read_param(segment, piece) : read_static(segment, piece);
    return wrong != NULL ? wrong : check_last(out->pieces, out->count);
}

bool bk__pattern_read(bk_str text, struct bk__pattern *out, char why[BK__WHY_MAX])
{
    bk_str rest = text, segment;

    out->count = 0;
    if (text.len == 0 || text.ptr[0] != '/') {
        bk__pattern_explain(why, text, "a pattern begins with \"/\"");
        return false;
    }
    rest.ptr++;
    rest.len--;
    while (rest.len > 0 && bk_str_split(&rest, '/', &segment)) {
        const char *wrong = add_piece(segment, out);
        if (wrong != NULL) {
            bk__pattern_explain(why, segment.len > 0 ? segment : text, wrong);
            return false;
        }
    }
    return true;
}
