/*
 * values_array.c: one-dimensional arrays into bk_array.
 *
 * The items are counted first, so that their room is taken at once.
 */
#include "pg/values.h"

#include "core/arena.h"
#include "core/assert.h"
#include "json/field.h"
#include "pg/items.h"

/* How many items there are; all of them are known to be good then. */
static bk_err count_items(const struct bk__pg_value *value, size_t *count)
{
    struct bk__pg_items items;
    enum bk__pg_item item;

    *count = 0;
    bk__pg_items_begin(&items, value);
    while ((item = bk__pg_items_next(&items)) != BK__PG_ITEM_END) {
        if (item == BK__PG_ITEM_BAD)
            return bk__pg_damaged(value);
        if (item == BK__PG_ITEM_OPEN && items.depth > 1)
            return bk_fail(BK_EINTERNAL, "an array of more than one dimension");
        if (item == BK__PG_ITEM_VALUE && items.value.null)
            return bk_fail(BK_EINTERNAL, "an array with a NULL in it");
        *count += item == BK__PG_ITEM_VALUE;
    }
    return BK_OK;
}

bk_err bk__pg_to_items(const struct bk__pg_value *value, const bk_field *field, bk_arena *arena,
                       bk_array *out)
{
    struct bk__pg_items items;
    bk_field item = *field; /* of an item, as if it were a member */
    size_t count, item_bytes = bk__item_bytes(field);
    enum bk__pg_item what;

    BK_TRY(count_items(value, &count));
    item.type = field->item_type;
    char *slot = bk__arena_get(arena, count * item_bytes);
    bk_array array = {slot, count};
    bk__pg_items_begin(&items, value);
    bk__pg_decode_fn decode = bk__pg_decoder(items.value.type, value->format, &item);
    while ((what = bk__pg_items_next(&items)) != BK__PG_ITEM_END) {
        if (what != BK__PG_ITEM_VALUE)
            continue;
        bk__pg_items_unescape(&items, arena);
        BK_TRY(decode(&items.value, &item, arena, slot));
        slot += item_bytes;
    }
    *out = array;
    return BK_OK;
}

bk_err bk__pg_to_array(const struct bk__pg_value *value, bk_field_type item_type, bk_arena *arena,
                       bk_array *out)
{
    bk_field field = {.type = BK_TYPE_ARRAY, .item_type = item_type};
    char name[BK__PG_TYPE_NAME];

    bk_assert(bk__scalar_bytes(item_type) != 0 && item_type != BK_TYPE_ENUM);
    if (!bk__pg_fits(value->type, &field))
        return bk_fail(BK_EINTERNAL, "%s is no array of such items",
                       bk__pg_type_name(value->type, name));
    return bk__pg_to_items(value, &field, arena, out);
}
