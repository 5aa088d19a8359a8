/*
 * object.c: JSON to other services and from them. See <backend/http_client.h>.
 *
 * What another service answers is no mistake of our own client's, so whatever is wrong with it is
 * BK_EUPSTREAM, and none of its words reach an answer of ours.
 */
#include "client/client.h"

#include <backend/fiber.h>

static const bk_http_header accept_json[] = {
    {{"Accept", 6}, {"application/json", 16}},
    {{NULL, 0}, {NULL, 0}},
};

static bk_err expect_success(const bk_http_request *request, const bk_http_answer *answer)
{
    if (answer->status / 100 == 2)
        return BK_OK;
    bk_str words = bk__http_request_words(bk_fiber_arena(), request);
    return bk_fail(BK_EUPSTREAM, "%.*s: the answer was %d", BK_PRI(words), answer->status);
}

/* Makes an error of the answer's content one of the service. */
static bk_err blame(const bk_http_request *request, bk_err err)
{
    bk_arena *arena = bk_fiber_arena();
    const bk_error_link *link = bk_error_chain();
    size_t count;
    const bk_field_error *fields = bk_error_fields(&count);
    bk_str why = link != NULL ? link->message : BK_LIT("");

    if (err == BK_OK)
        return BK_OK;
    why = count != 0 ? bk_arena_printf(arena, "%.*s %.*s", BK_PRI(fields[0].pointer),
                                       BK_PRI(fields[0].detail))
                     : bk_arena_dup(arena, why);
    bk_str words = bk__http_request_words(arena, request);
    return bk_fail(BK_EUPSTREAM, "%.*s: the answer does not fit: %.*s", BK_PRI(words), BK_PRI(why));
}

bk_err bk_http_get_json(bk_http_client *client, bk_str url, bk_json **out)
{
    const bk_http_request request = {.url = url, .headers = accept_json};
    bk_http_answer answer;

    BK_TRY(bk_http_send(client, &request, &answer));
    BK_TRY(expect_success(&request, &answer));
    return blame(&request, bk_json_parse(bk_fiber_arena(), answer.body, NULL, out));
}

bk_err bk_http_get_object(bk_http_client *client, bk_str url, bk_desc_fn desc, void *out)
{
    const bk_http_request request = {.url = url, .headers = accept_json};
    bk_http_answer answer;

    BK_TRY(bk_http_send(client, &request, &answer));
    BK_TRY(expect_success(&request, &answer));
    return blame(&request, bk_bind_json(bk_fiber_arena(), answer.body, desc, NULL, out));
}

bk_err bk_http_post_object(bk_http_client *client, bk_str url, bk_desc_fn desc, const void *object,
                           bk_desc_fn answer_desc, void *out)
{
    bk_buf body = {.arena = bk_fiber_arena()};
    bk_http_answer answer;

    bk_write_json(&body, desc, object);
    const bk_http_request request = {.method = "POST",
                                     .url = url,
                                     .headers = accept_json,
                                     .body = bk_buf_str(&body),
                                     .content_type = BK_LIT("application/json")};
    BK_TRY(bk_http_send(client, &request, &answer));
    BK_TRY(expect_success(&request, &answer));
    if (answer_desc == NULL)
        return BK_OK;
    return blame(&request, bk_bind_json(bk_fiber_arena(), answer.body, answer_desc, NULL, out));
}
