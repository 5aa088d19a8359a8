/*
 * pointer.c: a value by its RFC 6901 pointer.
 *
 * Each reference token is compared with the keys while its "~0" and "~1" are resolved, so nothing
 * is copied. A pointer that is not well-formed leads nowhere.
 */
#include <backend/json.h>

/* True when @p token, escapes resolved, is @p key. */
static bool names(bk_str token, bk_str key)
{
    size_t at = 0;

    for (size_t i = 0; i < token.len; i++, at++) {
        char c = token.ptr[i];
        if (c == '~') {
            i++;
            if (i == token.len || (token.ptr[i] != '0' && token.ptr[i] != '1'))
                return false;
            c = token.ptr[i] == '0' ? '~' : '/';
        }
        if (at == key.len || key.ptr[at] != c)
            return false;
    }
    return at == key.len;
}

static const bk_json *member(const bk_json *object, bk_str token)
{
    const bk_json *it = bk_json_first(object);
    while (it != NULL && !names(token, bk_json_key(it)))
        it = bk_json_next(it);
    return it;
}

static const bk_json *item(const bk_json *array, bk_str token)
{
    int64_t index;
    if (bk_str_to_i64(token, &index) != BK_OK || index < 0 || token.ptr[0] == '-')
        return NULL;
    const bk_json *it = bk_json_first(array);
    while (it != NULL && index-- > 0)
        it = bk_json_next(it);
    return it;
}

const bk_json *bk_json_at(const bk_json *value, bk_str pointer)
{
    bk_str rest = pointer, token;

    if (pointer.len == 0)
        return value;
    if (pointer.ptr[0] != '/')
        return NULL;
    bk_str_split(&rest, '/', &token); /* the empty part before the first slash */
    while (value != NULL && bk_str_split(&rest, '/', &token)) {
        switch (bk_json_type_of(value)) {
        case BK_JSON_OBJECT:
            value = member(value, token);
            break;
        case BK_JSON_ARRAY:
            value = item(value, token);
            break;
        default:
            return NULL;
        }
    }
    return value;
}
