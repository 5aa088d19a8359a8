/*
 * fuzz_header.c: the input is a header value, and is read as each kind that there is.
 */
#include <stdint.h>
#include <stdlib.h>

#include "http/etag.h"
#include "http/forwarded.h"
#include "http/header.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(bk_str list)
{
    bk_str rest = list, element;
    const char *at = list.ptr;
    while (bk__header_list_next(&rest, &element)) {
        bk_assert(inside(element, list) && element.ptr >= at && element.len > 0);
        bk_assert(bk_str_eq(element, bk_str_trim(element)));
        bk_assert(bk__header_list_has(list, element));
        at = element.ptr + element.len;
    }
    bk_assert(rest.len == 0);
}

static void check_params(bk_arena *arena, bk_str header)
{
    bk_str rest = bk__header_params(header), first = {NULL, 0}, name, value;
    bk_assert(inside(bk__header_media_type(header), header));
    while (bk__header_param_next(&rest, &name, &value)) {
        bk_assert(inside(name, header) && bk__header_is_token(name));
        bk_assert(inside(value, header) && value.len > 0 && bk__header_is_value(value));
        bk_str plain = bk__header_unquote(arena, value);
        bk_assert(inside_either(plain, header) && plain.len <= value.len);
        first = bk_str_present(first) ? first : name;
    }
    bk_str found = bk__header_param(arena, header, first);
    bk_assert(!bk_str_present(first) || (bk_str_present(found) && inside_either(found, header)));
}

static void check_forwarded(bk_arena *arena, bk_str header)
{
    static const char *const networks[] = {"10.0.0.0/8", "fd00::/8", "unix", NULL};
    const char *bad;
    char text[BK__ADDRESS_TEXT];
    bk_str peer = BK_LIT("unix"), none = {NULL, 0};
    struct bk__trust *trust = bk__trust_new(networks, &bad);
    struct bk__forwarded by[2];

    bk__forwarded_resolve(arena, trust, peer, header, none, none, none, &by[0]);
    bk__forwarded_resolve(arena, trust, peer, none, header, header, header, &by[1]);
    for (size_t i = 0; i < 2; i++) {
        size_t len = bk__address_canonical(by[i].client, text);
        bk_assert(bk_str_eq(by[i].client, peer) || bk_str_eq(by[i].client, bk_str_at(text, len)));
        bk_assert(!bk_str_present(by[i].scheme) || bk_str_starts(by[i].scheme, BK_LIT("http")));
        bk_assert(!bk_str_present(by[i].host) || bk__header_is_value(by[i].host));
    }
    bk__trust_free(trust);
}

/* Whatever the client sent: what the last proxy adds decides. */
static void check_last_word(bk_arena *arena, bk_str header)
{
    static const char *const networks[] = {"unix", NULL};
    const char *bad;
    bk_str none = {NULL, 0};
    struct bk__trust *trust = bk__trust_new(networks, &bad);
    struct bk__forwarded out;
    bk_buf list = {.arena = arena};

    bk_buf_add(&list, header);
    bk_buf_add(&list, BK_LIT(", for=\"[2001:db8::7]:80\";proto=https"));
    bk__forwarded_resolve(arena, trust, BK_LIT("unix"), bk_buf_str(&list), none, none, none, &out);
    bk_assert(bk_str_eq(out.client, BK_LIT("2001:db8::7")));
    bk_assert(bk_str_eq(out.scheme, BK_LIT("https")));
    bk__trust_free(trust);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk_arena arena;
    bk_str header = bk_str_at((const char *)data, size), tag = BK_LIT("\"v1\"");

    if (size == 0 || size > INPUT_MAX)
        return 0;
    bk__arena_init(&arena, arena_memory, sizeof(arena_memory));
    check_list(header);
    check_params(&arena, header);
    check_forwarded(&arena, header);
    check_last_word(&arena, header);
    if (bk__etag_match_hits(header, tag))
        bk_assert(bk__etag_none_match_hits(header, tag));
    if (bk__etag_valid(header))
        bk_assert(bk__etag_none_match_hits(header, header));
    bk__arena_reset(&arena);
    return 0;
}
