/*
 * fuzz_ini.c: the input is a settings file, or with a '.' as its first byte a .env.
 */
#include <stdint.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/config.h>

#include "app/ini.h"
#include "app/setting.h"
#include "core/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
    int64_t bytes, ms;
    double number;
    bool flag;
    bk_str text;
    bk_array list;
};

/* clang-format off */
BK_DESCRIBE(values_desc, struct values,
            BK_I64(bytes, BK_UNIT(BK_UNIT_BYTES)),
            BK_I64(ms, BK_UNIT(BK_UNIT_MS)),
            BK_F64(number),
            BK_BOOL(flag),
            BK_STR(text),
            BK_ARRAY(list, BK_TYPE_STR))
/* clang-format on */

/* What is written of a value that was read is read as the same one, but for hidden passwords. */
static void check_value(bk_arena *arena, const bk_field *field, bk_str text)
{
    struct values once = {0}, again = {0};
    bk_buf out = {.arena = arena};
    bk_str why;

    if (!bk__setting_read(arena, field, text, (char *)&once + field->offset, &why)) {
        bk_assert(why.len > 0);
        return;
    }
    bk__setting_write(&out, field, (char *)&once + field->offset);
    if (field->type == BK_TYPE_STR || field->type == BK_TYPE_ARRAY)
        return;
    bool good =
        bk__setting_read(arena, field, bk_buf_str(&out), (char *)&again + field->offset, &why);
    bk_assert(good && bk__setting_same(field, (char *)&once + field->offset,
                                       (char *)&again + field->offset));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool dotenv = size > 0 && data[0] == '.';
    bk_str input = bk_str_at((const char *)data + dotenv, size - dotenv);
    const bk_desc *desc = values_desc();
    bk_arena *arena = bk_arena_new();
    struct bk__ini_entry entry;
    enum bk__ini_result result;
    struct bk__ini ini;
    int line = 0;

    bk__ini_init(&ini, arena, input, dotenv);
    while ((result = bk__ini_next(&ini, &entry)) != BK__INI_END) {
        bk_assert(ini.line > line);
        line = ini.line;
        if (result == BK__INI_WRONG) {
            bk_assert(ini.why != NULL);
            continue;
        }
        bk_assert(entry.name.len > 0 && entry.value.ptr != NULL && bk_str_utf8(entry.value));
        bk_assert(!dotenv || entry.section.len == 0);
        for (size_t i = 0; i < desc->count; i++)
            check_value(arena, &desc->fields[i], entry.value);
    }
    bk_arena_free(arena);
    return 0;
}
