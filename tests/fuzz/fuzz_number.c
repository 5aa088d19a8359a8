/*
 * fuzz_number.c: numbers are what the C library makes of them, and survive being written.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include <backend/arena.h>

#include "core/assert.h"
#include "core/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_i64(bk_arena *arena, bk_str text)
{
    char written[BK__I64_TEXT];
    int64_t value, back;
    if (bk_str_to_i64(text, &value) != BK_OK)
        return;
    errno = 0;
    bk_assert(strtoll(bk_arena_cstr(arena, text), NULL, 10) == value && errno == 0);
    size_t len = bk__i64_text(value, written);
    bk_assert(bk_str_to_i64(bk_str_at(written, len), &back) == BK_OK && back == value);
}

static void try_write(double value)
{
    char written[BK__F64_TEXT];
    double back;
    size_t len = bk__f64_text(value, written);
    bk_assert(len <= sizeof(written));
    bk_assert(bk_str_to_f64(bk_str_at(written, len), &back) == BK_OK);
    bk_assert(back == value && signbit(back) == signbit(value));
}

static void try_f64(bk_arena *arena, bk_str text)
{
    double value;
    if (bk_str_to_f64(text, &value) != BK_OK)
        return;
    double expected = strtod(bk_arena_cstr(arena, text), NULL);
    bk_assert(memcmp(&value, &expected, sizeof(value)) == 0);
    try_write(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_arena *arena = bk_arena_new();
    bk_str text = {(const char *)data, size};
    double value;
    try_i64(arena, text);
    try_f64(arena, text);
    if (size >= sizeof(value)) {
        memcpy(&value, data, sizeof(value));
        if (isfinite(value))
            try_write(value);
    }
    bk_arena_free(arena);
    return 0;
}
