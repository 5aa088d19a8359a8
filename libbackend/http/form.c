/*
 * form.c: names and values out of queries and urlencoded bodies.
 *
 * Most pieces hold nothing encoded: those are views of the text. The others are decoded into the
 * arena. The text is cut at '&' and '=' before anything is decoded, so what was encoded separates
 * nothing.
 */
#include "http/form.h"

#include <backend/arena.h>
#include <backend/str.h>

#include "http/escape.h"

/* A piece as it was sent. */
struct piece {
    bk_str name, value;
};

/* Cuts off the next piece; passes over empty ones. */
static bool next_piece(bk_str *rest, struct piece *out)
{
    bk_str piece;
    while (bk_str_split(rest, '&', &piece)) {
        if (piece.len == 0)
            continue;
        const char *equals = memchr(piece.ptr, '=', piece.len);
        size_t name_len = equals != NULL ? (size_t)(equals - piece.ptr) : piece.len;
        size_t used = equals != NULL ? name_len + 1 : name_len;
        out->name = bk_str_at(piece.ptr, name_len);
        out->value = bk_str_at(piece.ptr + used, piece.len - used);
        return true;
    }
    return false;
}

/* The next byte of @p text, decoded; moves *at behind it. */
static char decode_byte(bk_str text, size_t *at)
{
    int escaped = bk__escape_at(text, *at);
    char c = text.ptr[*at];
    *at += escaped >= 0 ? 3 : 1;
    if (escaped >= 0)
        return (char)escaped;
    return c == '+' ? ' ' : c;
}

static bool is_encoded(bk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%' || text.ptr[i] == '+')
            return true;
    }
    return false;
}

static bk_err decode(bk_arena *arena, bk_str text, bk_str *out)
{
    bk_str plain = text;
    if (is_encoded(text)) {
        char *bytes = bk_arena_alloc(arena, text.len);
        size_t len = 0;
        for (size_t at = 0; at < text.len;)
            bytes[len++] = decode_byte(text, &at);
        plain = bk_str_at(bytes, len);
    }
    if (!bk_str_utf8(plain))
        return bk_fail(BK_EINVAL, "A parameter is not UTF-8, or holds a NUL");
    *out = plain;
    return BK_OK;
}

/* True when @p encoded stands for @p name. */
static bool is_name(bk_str encoded, bk_str name)
{
    size_t at = 0, i = 0;
    while (at < encoded.len && i < name.len) {
        if (decode_byte(encoded, &at) != name.ptr[i++])
            return false;
    }
    return at == encoded.len && i == name.len;
}

bk_err bk__form_parse(bk_arena *arena, bk_str text, bk_pairs *out)
{
    struct piece piece;
    size_t count = 0, filled = 0;

    for (bk_str rest = text; next_piece(&rest, &piece); count++) {
        if (count == BK__FORM_PAIRS_MAX)
            return bk_fail(BK_EINVAL, "More than %d parameters", BK__FORM_PAIRS_MAX);
    }
    bk_pair *pairs = bk_arena_alloc(arena, count * sizeof(*pairs));
    for (bk_str rest = text; next_piece(&rest, &piece); filled++) {
        BK_TRY(decode(arena, piece.name, &pairs[filled].name));
        BK_TRY(decode(arena, piece.value, &pairs[filled].value));
    }
    *out = (bk_pairs){pairs, count};
    return BK_OK;
}

bk_err bk__form_find(bk_arena *arena, bk_str text, bk_str name, bk_str *out)
{
    struct piece piece;

    while (next_piece(&text, &piece)) {
        if (is_name(piece.name, name))
            return decode(arena, piece.value, out);
    }
    *out = (bk_str){NULL, 0};
    return BK_OK;
}
