/*
 * fuzz_http1_head.c: a head is read the same in whatever portions it comes, and once more the same
 * when what was read is written anew.
 *
 * The first byte of the input says how large the portions are.
 */
#include <stdint.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/header.h"
#include "http/http1_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COUNT_MAX 50

static const struct bk__http1_limits limits = {200, 1000, COUNT_MAX};

/* @p whole was read from all of @p text at once. */
static void try_portions(bk_str text, size_t step, bk_err whole, size_t whole_len)
{
    struct bk__http1_scan scan = {0};
    size_t at = 0, len = 0;
    const char *why;
    bk_err err = BK_EAGAIN;

    while (err == BK_EAGAIN && at < text.len) {
        at = text.len - at > step ? at + step : text.len;
        err = bk__http1_scan(&scan, text.ptr, at, &limits, &len, &why);
    }
    bk_assert(err == whole && len == whole_len);
}

static void check_field(const bk_pair *field)
{
    bk_assert(bk__header_is_token(field->name) && bk__header_is_value(field->value));
    for (size_t i = 0; i < field->name.len; i++)
        bk_assert(field->name.ptr[i] < 'A' || field->name.ptr[i] > 'Z');
    bk_assert(bk_str_eq(bk_str_trim(field->value), field->value));
}

static size_t count_fields(const struct bk__http1_head *head, bk_str name)
{
    size_t count = 0;

    for (size_t i = 0; i < head->count; i++)
        count += bk_str_eq(head->headers[i].name, name);
    return count;
}

static void check_framing(const struct bk__http1_head *head)
{
    size_t hosts = count_fields(head, BK_LIT("host"));

    bk_assert(hosts == 1 || (hosts == 0 && head->version == 10));
    bk_assert(count_fields(head, BK_LIT("content-length")) == head->has_length);
    bk_assert(count_fields(head, BK_LIT("transfer-encoding")) == head->chunked);
    bk_assert(!(head->chunked && head->has_length));
    bk_assert(!(head->chunked && head->version == 10));
    for (size_t i = 0; i < head->count; i++)
        check_field(&head->headers[i]);
}

static bk_str write_anew(bk_arena *arena, const struct bk__http1_head *head)
{
    bk_buf buf = {.arena = arena};

    bk_buf_add(&buf, head->method);
    bk_buf_add_char(&buf, ' ');
    bk_buf_add(&buf, head->target);
    bk_buf_add(&buf, head->version == 10 ? BK_LIT(" HTTP/1.0\r\n") : BK_LIT(" HTTP/1.1\r\n"));
    for (size_t i = 0; i < head->count; i++) {
        bk_buf_add(&buf, head->headers[i].name);
        bk_buf_add_char(&buf, ':');
        bk_buf_add(&buf, head->headers[i].value);
        bk_buf_add(&buf, BK_LIT("\r\n"));
    }
    bk_buf_add(&buf, BK_LIT("\r\n"));
    return bk_buf_str(&buf);
}

static void check_same(const struct bk__http1_head *a, const struct bk__http1_head *b)
{
    bk_assert(bk_str_eq(a->method, b->method) && bk_str_eq(a->target, b->target));
    bk_assert(a->version == b->version && a->count == b->count && a->length == b->length);
    bk_assert(a->chunked == b->chunked && a->keep_alive == b->keep_alive);
    bk_assert(a->expects_continue == b->expects_continue && bk_str_eq(a->host, b->host));
    for (size_t i = 0; i < a->count; i++) {
        bk_assert(bk_str_eq(a->headers[i].name, b->headers[i].name));
        bk_assert(bk_str_eq(a->headers[i].value, b->headers[i].value));
    }
}

static void try_parse(bk_str text)
{
    bk_pair fields[COUNT_MAX], again[COUNT_MAX];
    struct bk__http1_head head = {.headers = fields}, copy = {.headers = again};
    const char *why = NULL;
    char *bytes = malloc(text.len); /* of its own size, for the sanitizer */
    bk_arena *arena = bk_arena_new();

    memcpy(bytes, text.ptr, text.len);
    if (bk__http1_parse(bytes, text.len, &head, &why) == BK_OK) {
        check_framing(&head);
        bk_str anew = write_anew(arena, &head);
        bk_err err = bk__http1_parse((char *)(uintptr_t)anew.ptr, anew.len, &copy, &why);
        bk_assert(err == BK_OK);
        check_same(&head, &copy);
    } else {
        bk_assert(why != NULL);
    }
    bk_arena_free(arena);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk__http1_scan scan = {0};
    size_t len = 0;
    const char *why = NULL;

    if (size == 0)
        return 0;
    bk_str text = {(const char *)data + 1, size - 1};
    bk_err err = bk__http1_scan(&scan, text.ptr, text.len, &limits, &len, &why);
    try_portions(text, (size_t)data[0] % 16 + 1, err, len);
    if (err == BK_OK) {
        bk_assert(len <= text.len && scan.lines <= COUNT_MAX + 1);
        try_parse(bk_str_at(text.ptr, len));
    }
    return 0;
}
