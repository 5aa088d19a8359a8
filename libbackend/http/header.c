/*
 * header.c: the syntax that header fields share.
 *
 * All of it cuts views off views, from left to right, each byte looked at a fixed number of times.
 * A quoted string hides separators; one that never ends hides all the rest.
 */
#include "http/header.h"

#include <backend/arena.h>
#include <backend/str.h>

static const bool token_bytes[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,  ['#'] = true,
    ['$'] = true,         ['%'] = true,         ['&'] = true,         ['\''] = true, ['*'] = true,
    ['+'] = true,         ['-'] = true,         ['.'] = true,         ['^'] = true,  ['_'] = true,
    ['`'] = true,         ['|'] = true,         ['~'] = true,
};

bool bk__header_is_token(bk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!token_bytes[(unsigned char)text.ptr[i]])
            return false;
    }
    return text.len > 0;
}

bool bk__header_is_value(bk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Where the quoted string that begins at @p start has its closing quote; the length of @p text when
 * it has none. */
static size_t closing_quote(bk_str text, size_t start)
{
    for (size_t i = start + 1; i < text.len; i++) {
        if (text.ptr[i] == '"')
            return i;
        if (text.ptr[i] == '\\')
            i++;
    }
    return text.len;
}

/* Cuts off what precedes the next @p separator outside of quoted strings, trimmed; may be empty. */
static bk_str cut(bk_str *rest, char separator)
{
    size_t end = 0;
    while (end < rest->len && rest->ptr[end] != separator) {
        if (rest->ptr[end] == '"')
            end = closing_quote(*rest, end);
        if (end < rest->len)
            end++;
    }

    bk_str part = {rest->ptr, end};
    size_t used = end < rest->len ? end + 1 : end;
    rest->ptr += used;
    rest->len -= used;
    return bk_str_trim(part);
}

bool bk__header_list_next(bk_str *rest, bk_str *element)
{
    while (rest->len > 0) {
        *element = cut(rest, ',');
        if (element->len > 0)
            return true;
    }
    return false;
}

bool bk__header_list_has(bk_str list, bk_str token)
{
    bk_str element;
    while (bk__header_list_next(&list, &element)) {
        if (bk_str_ieq(element, token))
            return true;
    }
    return false;
}

static bool is_param_value(bk_str text)
{
    if (text.len == 0)
        return false;
    if (text.ptr[0] == '"')
        return closing_quote(text, 0) == text.len - 1 && bk__header_is_value(text);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f || text.ptr[i] == '"')
            return false;
    }
    return true;
}

bool bk__header_param_next(bk_str *rest, bk_str *name, bk_str *value)
{
    while (rest->len > 0) {
        bk_str before = *rest;
        bk_str part = cut(rest, ';');
        if (part.len == 0)
            continue;
        const char *equals = memchr(part.ptr, '=', part.len);
        if (equals != NULL) {
            *name = bk_str_at(part.ptr, (size_t)(equals - part.ptr));
            *value = bk_str_at(equals + 1, part.len - name->len - 1);
        }
        if (equals == NULL || !bk__header_is_token(*name) || !is_param_value(*value)) {
            *rest = before;
            return false;
        }
        return true;
    }
    return false;
}

bk_str bk__header_params(bk_str value)
{
    if (value.len > 0)
        (void)cut(&value, ';');
    return value;
}

bk_str bk__header_unquote(bk_arena *arena, bk_str value)
{
    if (value.len < 2 || value.ptr[0] != '"')
        return value;
    bk_str inner = {value.ptr + 1, value.len - 2};
    if (memchr(inner.ptr, '\\', inner.len) == NULL)
        return inner;

    char *plain = bk_arena_alloc(arena, inner.len);
    size_t len = 0;
    for (size_t i = 0; i < inner.len; i++) {
        if (inner.ptr[i] == '\\' && i + 1 < inner.len)
            i++;
        plain[len++] = inner.ptr[i];
    }
    return bk_str_at(plain, len);
}

bk_str bk__header_param(bk_arena *arena, bk_str value, bk_str name)
{
    bk_str rest = bk__header_params(value), key, raw;
    while (bk__header_param_next(&rest, &key, &raw)) {
        if (bk_str_ieq(key, name))
            return bk__header_unquote(arena, raw);
    }
    return (bk_str){NULL, 0};
}

bk_str bk__header_media_type(bk_str value)
{
    return value.len > 0 ? cut(&value, ';') : value;
}
