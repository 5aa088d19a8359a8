/*
 * fuzz_stored_answer.c: bytes from Redis that claim to be an answer. What is read must lie within
 * them, and hold only what a header may; what we write must be read again as it was.
 */
#include <stdint.h>
#include <stdlib.h>

#include "http/header.h"
#include "middleware/stored_answer.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A response that needs no request but for its arena. */
struct fixture {
    bk_fiber fiber;
    bk_req req;
    bk_res res;
};

static void check(const bk_res *res, bk_str input)
{
    bk_assert(res->status == 200);
    bk_assert(res->body.len == 0 || inside(res->body, input));
    for (uint32_t i = 0; i < res->header_count; i++) {
        bk_assert(bk__header_is_token(res->headers[i].name));
        bk_assert(bk__header_is_value(res->headers[i].value));
        bk_assert(inside(res->headers[i].name, input));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fixture it = {0}, again = {0};
    bk_str input = bk_str_at((const char *)data, size);

    if (size > INPUT_MAX)
        return 0;
    bk__arena_init(&it.fiber.task.arena, arena_memory, sizeof arena_memory);
    it.req.fiber = again.req.fiber = &it.fiber;
    bk__res_init(&it.res, &it.req);
    bk__res_init(&again.res, &again.req);
    if (bk__stored_answer_read(input, &it.res)) {
        bk_buf buf = {.arena = &it.fiber.task.arena};
        check(&it.res, input);
        bk__stored_answer_write(&buf, &(struct bk__stored_answer){.etag = it.res.etag,
                                                                  .type = bk_str_of(it.res.type),
                                                                  .headers = it.res.headers,
                                                                  .count = it.res.header_count,
                                                                  .body = it.res.body});
        bk_assert(bk__stored_answer_read(bk_buf_str(&buf), &again.res));
        bk_assert(bk_str_eq(again.res.body, it.res.body));
        bk_assert(again.res.header_count == it.res.header_count);
    } else {
        bk_assert(it.res.header_count == 0);
    }
    bk__arena_reset(&it.fiber.task.arena);
    return 0;
}
