/*
 * data.c: the members of a session. See data.h.
 *
 * Sessions have few members, so they are looked through one by one.
 */
#include "session/data.h"

#include <string.h>

#include <backend/arena.h>

#include "json/plain.h"

/* --- taking apart ----------------------------------------------------------------------------- */

struct reader {
    const char *at, *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct reader *in)
{
    while (in->at < in->end && is_blank(*in->at))
        in->at++;
}

/* Takes @p c, with blanks before it. */
static bool take(struct reader *in, char c)
{
    skip_blanks(in);
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

/* Behind an opening quote: goes behind the closing one. */
static bool pass_string(struct reader *in)
{
    while ((in->at = bk__plain_end(in->at, in->end)) < in->end) {
        char c = *in->at++;
        if (c == '"')
            return true;
        if (c == '\\' && in->at < in->end)
            in->at++;
    }
    return false;
}

static bool take_key(struct reader *in, bk_str *key)
{
    if (!take(in, '"'))
        return false;
    const char *begin = in->at;
    if (!pass_string(in))
        return false;
    *key = bk_str_at(begin, (size_t)(in->at - 1 - begin));
    return true;
}

/* Up to the comma or bracket that ends it, which stays. */
static bool take_value(struct reader *in, bk_str *value)
{
    size_t depth = 0;

    skip_blanks(in);
    const char *begin = in->at;
    while (in->at < in->end) {
        char c = *in->at;
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            break;
        in->at++;
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        else if (c == '"' && !pass_string(in))
            return false;
    }
    const char *end = in->at;
    while (end > begin && is_blank(end[-1]))
        end--;
    *value = bk_str_at(begin, (size_t)(end - begin));
    return depth == 0 && value->len != 0;
}

static void append(struct bk__session_data *data, bk_str key, bk_str value)
{
    if (data->count == data->cap) {
        size_t cap = data->cap != 0 ? 2 * data->cap : 8;
        struct bk__session_member *items = bk_arena_alloc(data->arena, cap * sizeof *items);
        if (data->count != 0)
            memcpy(items, data->items, data->count * sizeof *items);
        data->items = items;
        data->cap = cap;
    }
    data->items[data->count++] = (struct bk__session_member){key, value};
}

bool bk__session_data_read(struct bk__session_data *data, bk_str text)
{
    struct reader in = {text.ptr, text.ptr + text.len};
    bk_str key, value;

    data->count = 0;
    if (!take(&in, '{'))
        return false;
    if (!take(&in, '}')) {
        do {
            if (!take_key(&in, &key) || !take(&in, ':') || !take_value(&in, &value))
                return false;
            append(data, key, value);
        } while (take(&in, ','));
        if (!take(&in, '}'))
            return false;
    }
    skip_blanks(&in);
    return in.at == in.end;
}

/* --- using ------------------------------------------------------------------------------------ */

static struct bk__session_member *find(const struct bk__session_data *data, bk_str key)
{
    for (size_t i = 0; i < data->count; i++)
        if (bk_str_eq(data->items[i].key, key))
            return &data->items[i];
    return NULL;
}

bk_str bk__session_data_get(const struct bk__session_data *data, bk_str key)
{
    const struct bk__session_member *member = find(data, key);

    return member != NULL ? member->value : (bk_str){NULL, 0};
}

void bk__session_data_set(struct bk__session_data *data, bk_str key, bk_str value)
{
    struct bk__session_member *member = find(data, key);

    if (member != NULL)
        member->value = value;
    else
        append(data, key, value);
}

void bk__session_data_unset(struct bk__session_data *data, bk_str key)
{
    struct bk__session_member *member = find(data, key);

    if (member == NULL)
        return;
    size_t after = data->count - 1 - (size_t)(member - data->items);
    memmove(member, member + 1, after * sizeof *member);
    data->count--;
}

void bk__session_data_print(const struct bk__session_data *data, bk_buf *buf)
{
    bk_buf_add_char(buf, '{');
    for (size_t i = 0; i < data->count; i++) {
        if (i != 0)
            bk_buf_add_char(buf, ',');
        bk_buf_add_char(buf, '"');
        bk_buf_add(buf, data->items[i].key);
        bk_buf_add(buf, BK_LIT("\":"));
        bk_buf_add(buf, data->items[i].value);
    }
    bk_buf_add_char(buf, '}');
}
