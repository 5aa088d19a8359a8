/* Any bytes: check and parse agree; what is taken prints to a fixpoint, and cJSON takes it too. */
#include <stdint.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include <backend/arena.h>
#include <backend/json.h>

#include "core/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_str text = bk_str_at((const char *)data, size);
    bk_arena *arena = bk_arena_new();
    bk_json *value, *again;

    bk_err checked = bk_json_check(text, NULL);
    bk_err parsed = bk_json_parse(arena, text, NULL, &value);
    bk_assert(checked == parsed);
    if (parsed == BK_OK) {
        bk_buf once = {.arena = arena}, twice = {.arena = arena};
        bk_json_print(&once, value);
        bk_assert(bk_json_parse(arena, bk_buf_str(&once), NULL, &again) == BK_OK);
        bk_json_print(&twice, again);
        bk_assert(bk_str_eq(bk_buf_str(&once), bk_buf_str(&twice)));
        cJSON *other = cJSON_ParseWithLength(text.ptr, text.len);
        bk_assert(other != NULL);
        cJSON_Delete(other);
    }
    bk_arena_free(arena);
    return 0;
}
