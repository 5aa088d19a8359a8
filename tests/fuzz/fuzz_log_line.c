/*
 * fuzz_log_line.c: whatever is logged, the line is UTF-8, JSON, one line and not too long.
 *
 * The input is cut at each 0xff: the pieces are names and values in turn, until it is used up often
 * enough to fill a line.
 */
#include <stdint.h>

#include <cjson/cJSON.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/log_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_fields(struct bk__log_line *line, bk_arena *arena, bk_str rest)
{
    bk_str name, value;
    while (bk_str_split(&rest, (char)0xff, &name)) {
        if (!bk_str_split(&rest, (char)0xff, &value))
            value = (bk_str){0};
        const struct bk__log_name field = {.text = bk_arena_cstr(arena, name)};
        bk__log_line_str(line, &field, value);
        bk__log_line_i64(line, &field, (int64_t)value.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_arena *arena = bk_arena_new();
    struct bk__log_line line;
    bk__log_line_init(&line, BK_LIT("{\"level\":30"), NULL);
    for (size_t repeat = size != 0 ? data[0] : 0; repeat < 256; repeat += 64)
        add_fields(&line, arena, bk_str_at((const char *)data, size));

    bk_str text = bk__log_line_end(&line);
    bk_assert(text.len <= BK__LOG_LINE_MAX && bk_str_utf8(text));
    bk_assert(memchr(text.ptr, '\n', text.len) == text.ptr + text.len - 1);
    cJSON *json = cJSON_ParseWithLength(text.ptr, text.len);
    bk_assert(json != NULL);
    cJSON_Delete(json);
    bk__log_line_fini(&line);
    bk_arena_free(arena);
    return 0;
}
