/*
 * fuzz_multipart.c: the first line of the input is a content type, the rest is a body.
 */
#include <stdint.h>
#include <stdlib.h>

#include "http/multipart.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_filename(bk_str name)
{
    for (size_t i = 0; i < name.len; i++)
        bk_assert((unsigned char)name.ptr[i] >= 0x20 && strchr("/\\\x7f", name.ptr[i]) == NULL);
    bk_assert(name.len > 0 && !bk_str_eq(name, BK_LIT(".")) && !bk_str_eq(name, BK_LIT("..")));
}

static void check_part(const bk_part *part, bk_str body, const char **at)
{
    bk_assert(bk_str_present(part->name) && inside_either(part->name, body));
    bk_assert(bk_str_utf8(part->name));
    if (bk_str_present(part->filename)) {
        bk_assert(inside_either(part->filename, body) && bk_str_utf8(part->filename));
        check_filename(part->filename);
    }
    bk_assert(inside(part->content_type, body) ||
              bk_str_eq(part->content_type, BK_LIT("text/plain")));
    bk_assert(inside(part->data, body) && part->data.ptr >= *at);
    *at = part->data.ptr + part->data.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk_arena arena;
    bk_str body = bk_str_at((const char *)data, size), boundary = BK_LIT("B");
    const bk_multipart_opts opts = {.max_parts = 50, .max_files = 3, .max_head_bytes = 256};
    bk_parts parts;

    if (size == 0 || size > INPUT_MAX)
        return 0;
    bk_str type = take_line(&body);
    if (bk__multipart_boundary(type, &boundary) == BK_OK)
        bk_assert(inside(boundary, type) && boundary.len >= 1 && boundary.len <= 70);
    bk__arena_init(&arena, arena_memory, sizeof(arena_memory));
    if (bk__multipart_parse(&arena, body, boundary, &opts, &parts) == BK_OK) {
        const char *at = body.ptr;
        bk_assert(parts.count <= opts.max_parts);
        for (size_t i = 0; i < parts.count; i++)
            check_part(&parts.items[i], body, &at);
    }
    bk__arena_reset(&arena);
    return 0;
}
