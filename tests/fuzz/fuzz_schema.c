/*
 * A schema, a NUL, an instance: what is refused says why; a check ends, agrees with itself, and has
 * field errors exactly where it fails.
 */
#include <stdint.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/schema.h>

#include "core/assert.h"

static void check(const bk_schema *schema, const bk_json *value)
{
    size_t count;

    bk_error_clear();
    bk_err first = bk_schema_check(schema, value);
    (void)bk_error_fields(&count);
    bk_assert(count <= 100 && (count > 0) == (first != BK_OK));
    bk_assert(bk_schema_check(schema, value) == first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_str rest = bk_str_at((const char *)data, size), text;
    bk_arena *arena = bk_arena_new();
    const bk_schema *schema = NULL;
    bk_json *value;

    (void)bk_str_split(&rest, '\0', &text);
    if (bk_schema_parse(arena, text, &schema) != BK_OK) {
        bk_assert(schema == NULL && bk_error_chain()->message.len != 0);
    } else {
        check(schema, NULL);
        check(schema, bk_schema_json(schema));
        if (bk_json_parse(arena, rest, NULL, &value) == BK_OK)
            check(schema, value);
    }
    bk_arena_free(arena);
    return 0;
}
