/*
 * items.c: arrays, item by item.
 *
 * In binary an array says its dimensions, then come all items; as text there are braces. Both are
 * read as one sequence of openings, values and closings, so that nobody else need know. Nothing is
 * allocated, and the number of steps is bounded by the array's bytes.
 */
#include "pg/items.h"

#include "core/arena.h"

/* Nothing comes any more. */
static enum bk__pg_item bad(struct bk__pg_items *items)
{
    items->reader.bad = true;
    return BK__PG_ITEM_BAD;
}

static bool begin_binary(struct bk__pg_items *items)
{
    struct bk__pg_reader *reader = &items->reader;
    uint32_t dimensions = bk__pg_read_u32(reader), flags = bk__pg_read_u32(reader);
    uint32_t element = bk__pg_read_u32(reader);
    uint64_t count = 1;

    if (reader->bad || dimensions > BK__PG_DIMENSIONS_MAX || flags > 1 ||
        element != items->value.type)
        return false;
    for (uint32_t i = 0; i < dimensions; i++) {
        items->lengths[i] = bk__pg_read_u32(reader);
        (void)bk__pg_read_u32(reader); /* the first subscript */
        if (items->lengths[i] == 0 || items->lengths[i] > INT32_MAX)
            return false;
        count *= items->lengths[i];
        if (reader->bad || count > (size_t)(reader->end - reader->at) / 4)
            return false; /* each takes four bytes at least */
    }
    items->dimensions = dimensions != 0 ? dimensions : 1; /* an empty one has length 0 */
    return true;
}

/* Passes over the subscripts in front: "[0:1]={...}". */
static bool begin_text(struct bk__pg_items *items)
{
    struct bk__pg_reader *reader = &items->reader;
    size_t left = (size_t)(reader->end - reader->at);

    if (left == 0 || *reader->at != '[')
        return true;
    const char *equals = memchr(reader->at, '=', left);
    if (equals == NULL)
        return false;
    reader->at = equals + 1;
    return true;
}

void bk__pg_items_begin(struct bk__pg_items *items, const struct bk__pg_value *array)
{
    *items = (struct bk__pg_items){
        .value = {.type = bk__pg_element(array->type), .format = array->format},
        .reader = bk__pg_reader_of(array->bytes),
    };
    if (array->format == 1 ? !begin_binary(items) : !begin_text(items))
        (void)bad(items);
}

static enum bk__pg_item open(struct bk__pg_items *items)
{
    if (items->depth == BK__PG_DIMENSIONS_MAX)
        return bad(items);
    items->at[items->depth++] = 0;
    items->begun = items->first = true;
    return BK__PG_ITEM_OPEN;
}

static enum bk__pg_item close(struct bk__pg_items *items)
{
    items->depth--;
    items->first = false;
    return BK__PG_ITEM_CLOSE;
}

static enum bk__pg_item next_binary(struct bk__pg_items *items)
{
    unsigned level = items->depth - 1;

    if (items->at[level] == items->lengths[level])
        return close(items);
    items->at[level]++;
    if (items->depth < items->dimensions)
        return open(items);
    items->value.null = !bk__pg_read_value(&items->reader, &items->value.bytes);
    return items->reader.bad ? BK__PG_ITEM_BAD : BK__PG_ITEM_VALUE;
}

static enum bk__pg_item read_quoted(struct bk__pg_items *items)
{
    struct bk__pg_reader *reader = &items->reader;
    const char *begin = ++reader->at;

    for (; reader->at < reader->end && *reader->at != '"'; reader->at++) {
        if (*reader->at != '\\')
            continue;
        items->escaped = true;
        if (++reader->at == reader->end)
            break;
    }
    if (reader->at == reader->end)
        return bad(items);
    items->value.bytes = bk_str_at(begin, (size_t)(reader->at++ - begin));
    return BK__PG_ITEM_VALUE;
}

static enum bk__pg_item read_plain(struct bk__pg_items *items)
{
    struct bk__pg_reader *reader = &items->reader;
    const char *begin = reader->at;

    while (reader->at < reader->end && memchr(",}{\"\\", *reader->at, 5) == NULL)
        reader->at++;
    if (reader->at == begin)
        return bad(items);
    items->value.bytes = bk_str_at(begin, (size_t)(reader->at - begin));
    items->value.null = bk_str_eq(items->value.bytes, BK_LIT("NULL"));
    return BK__PG_ITEM_VALUE;
}

static enum bk__pg_item next_text(struct bk__pg_items *items)
{
    struct bk__pg_reader *reader = &items->reader;
    bool first = items->first;

    items->first = items->escaped = items->value.null = false;
    if (reader->at < reader->end && *reader->at == '}') {
        reader->at++;
        return close(items);
    }
    if (!first && (reader->at == reader->end || *reader->at++ != ','))
        return bad(items);
    if (reader->at == reader->end)
        return bad(items);
    if (*reader->at == '{') {
        reader->at++;
        return open(items);
    }
    return *reader->at == '"' ? read_quoted(items) : read_plain(items);
}

enum bk__pg_item bk__pg_items_next(struct bk__pg_items *items)
{
    struct bk__pg_reader *reader = &items->reader;

    if (reader->bad)
        return BK__PG_ITEM_BAD;
    if (items->depth != 0)
        return items->value.format == 1 ? next_binary(items) : next_text(items);
    if (items->begun)
        return reader->at == reader->end ? BK__PG_ITEM_END : bad(items);
    if (items->value.format == 0 && (reader->at == reader->end || *reader->at++ != '{'))
        return bad(items);
    return open(items);
}

void bk__pg_items_unescape(struct bk__pg_items *items, bk_arena *arena)
{
    bk_str raw = items->value.bytes;

    if (!items->escaped)
        return;
    char *text = bk__arena_get(arena, raw.len), *at = text;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '\\')
            i++; /* one follows, or the item would not have ended */
        *at++ = raw.ptr[i];
    }
    items->value.bytes = bk_str_at(text, (size_t)(at - text));
    items->escaped = false;
}
