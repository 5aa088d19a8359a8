#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "text.h"
#include "harness/http_app.h"
#include "http/ws_frames.h"
#include "http/ws_handshake.h"

static void test_the_accept_key_is_the_rfcs(void **state)
{
    char out[BK__WS_ACCEPT + 1];
    (void)state;

    bk__ws_accept_key(BK_LIT("dGhlIHNhbXBsZSBub25jZQ=="), out); /* RFC 6455, 1.3 */
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static bool same(const char *origin, const char *host)
{
    return bk__ws_same_host(bk_str_of(origin), bk_str_of(host));
}

static void test_an_origin_is_the_hosts_own_or_not(void **state)
{
    (void)state;

    assert_true(same("https://shop.example", "shop.example"));
    assert_true(same("https://Shop.Example", "shop.example"));
    assert_true(same("https://shop.example", "shop.example:443"));
    assert_true(same("http://shop.example:80", "shop.example"));
    assert_true(same("http://localhost:8080", "localhost:8080"));
    assert_true(same("http://[::1]:8080", "[::1]:8080"));
    assert_false(same("https://shop.example", "shop.example:80"));
    assert_false(same("https://shop.example:8443", "shop.example"));
    assert_false(same("https://shop.example.evil", "shop.example"));
    assert_false(same("https://evil.shop.example", "shop.example"));
    assert_false(same("null", "shop.example"));
    assert_false(same("https://", ""));
    assert_false(same("shop.example", "shop.example"));
}

static void test_a_frames_head_tells_its_length_in_the_shortest_form(void **state)
{
    char head[BK__WS_HEAD];
    (void)state;

    assert_int_equal(bk__ws_frame_head(head, BK__WS_TEXT, 125), 2);
    assert_memory_equal(head, "\x81\x7d", 2);
    assert_int_equal(bk__ws_frame_head(head, BK__WS_BINARY, 126), 4);
    assert_memory_equal(head, "\x82\x7e\x00\x7e", 4);
    assert_int_equal(bk__ws_frame_head(head, BK__WS_BINARY, 65535), 4);
    assert_memory_equal(head, "\x82\x7e\xff\xff", 4);
    assert_int_equal(bk__ws_frame_head(head, BK__WS_CLOSE, 65536), 10);
    assert_memory_equal(head, "\x88\x7f\0\0\0\0\0\x01\0\0", 10);
}

struct heard {
    struct bk__ws_frames frames;
    char text[64];
    size_t replies;
};

static void on_message(struct bk__ws_frames *frames, struct bk__ws_message *message)
{
    struct heard *heard = bk__container_of(frames, struct heard, frames);

    strncat(heard->text, message->bytes, message->len);
    free(message);
}

static void on_reply(struct bk__ws_frames *frames, bk_str bytes)
{
    bk__container_of(frames, struct heard, frames)->replies += bytes.len;
}

static struct heard hear(void)
{
    return (struct heard){
        .frames = {.message_bytes = 100, .message = on_message, .reply = on_reply}};
}

/* Frames with a mask of zeros are easy to write. */
#define HELLO   "\x81\x85\0\0\0\0hello"
#define NO_MORE "\x88\x82\0\0\0\0\x03\xe8"

static size_t feed(struct heard *heard, const char *bytes, size_t len)
{
    return bk__ws_frames_feed(&heard->frames, bytes, len);
}

static void test_between_messages_nothing_is_held(void **state)
{
    struct heard heard = hear();
    size_t len = sizeof HELLO - 1;
    (void)state;

    for (size_t at = 0; at < len; at++) {
        assert_int_equal(feed(&heard, &HELLO[at], 1), 1);
        assert_int_equal(heard.frames.wslay != NULL, at + 1 < len);
    }
    assert_string_equal(heard.text, "hello");
    assert_null(heard.frames.building);
    assert_int_equal(feed(&heard, "\x01\x81\0\0\0\0a", 7), 7); /* the first of fragments */
    assert_non_null(heard.frames.wslay);
    assert_int_equal(feed(&heard, "\x89\x80\0\0\0\0", 6), 6); /* a ping */
    assert_int_equal(heard.replies, 2);
    assert_non_null(heard.frames.wslay);
    assert_int_equal(feed(&heard, "\x80\x81\0\0\0\0b", 7), 7);
    assert_null(heard.frames.wslay);
    assert_string_equal(heard.text, "helloab");
    bk__ws_frames_free(&heard.frames);
}

static void test_while_paused_nothing_is_taken(void **state)
{
    struct heard heard = hear();
    (void)state;

    heard.frames.paused = true;
    assert_int_equal(feed(&heard, HELLO, sizeof HELLO - 1), 0);
    assert_string_equal(heard.text, "");
    heard.frames.paused = false;
    assert_int_equal(feed(&heard, HELLO, sizeof HELLO - 1), sizeof HELLO - 1);
    assert_string_equal(heard.text, "hello");
}

static void test_after_the_close_nothing_comes(void **state)
{
    struct heard heard = hear();
    (void)state;

    assert_int_equal(feed(&heard, NO_MORE HELLO, sizeof NO_MORE + sizeof HELLO - 2),
                     sizeof NO_MORE + sizeof HELLO - 2);
    assert_int_equal(heard.frames.peer_code, 1000);
    assert_int_equal(feed(&heard, HELLO, sizeof HELLO - 1), sizeof HELLO - 1);
    assert_string_equal(heard.text, "");
    assert_null(heard.frames.wslay);
}

static void test_a_reason_that_is_not_utf8_is_refused_in_any_pieces(void **state)
{
    static const char bad[] = "\x88\x85\0\0\0\0\x03\xe8\xc3\x28!";
    static const char nul[] = "\x88\x83\0\0\0\0\x03\xe8\0";
    size_t len = sizeof bad - 1;
    (void)state;

    for (size_t piece = 1; piece <= len; piece++) {
        struct heard heard = hear();

        for (size_t at = 0; at < len; at += piece)
            feed(&heard, &bad[at], len - at < piece ? len - at : piece);
        assert_int_equal(heard.frames.broken_code, 1007);
        assert_int_equal(heard.frames.peer_code, 0);
        assert_int_equal(heard.replies, 4);
        bk__ws_frames_free(&heard.frames);
    }
    struct heard fine = hear();
    for (size_t at = 0; at < sizeof nul - 1; at++)
        feed(&fine, &nul[at], 1);
    assert_int_equal(fine.frames.peer_code, 1000);
}

static bk_err open_socket(bk_req *req, bk_res *res)
{
    bk_ws *ws;

    return bk_ws_accept(req, res, NULL, &ws);
}

static void routes(bk_router *root)
{
    bk_get(root, "/ws", open_socket, NULL);
}

static void test_where_there_is_no_connection_the_answer_is_501(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);
    (void)state;

    bk_test_res *res = http_send(&it, "GET", "/ws", (const char *[]){NULL}, NULL);
    assert_int_equal(bk_test_status(res), 501);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_accept_key_is_the_rfcs),
        cmocka_unit_test(test_an_origin_is_the_hosts_own_or_not),
        cmocka_unit_test(test_a_frames_head_tells_its_length_in_the_shortest_form),
        cmocka_unit_test(test_between_messages_nothing_is_held),
        cmocka_unit_test(test_while_paused_nothing_is_taken),
        cmocka_unit_test(test_after_the_close_nothing_comes),
        cmocka_unit_test(test_a_reason_that_is_not_utf8_is_refused_in_any_pieces),
        cmocka_unit_test(test_where_there_is_no_connection_the_answer_is_501),
    };
    return cmocka_run_group_tests_name("http/websocket", tests, NULL, NULL);
}
