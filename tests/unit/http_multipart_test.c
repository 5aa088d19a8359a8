#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "http/multipart.h"
#include "text.h"

#define DISPOSITION "Content-Disposition: form-data; name=\"a\"\r\n"
#define HEAD        "--B\r\n" DISPOSITION "\r\n"
#define END         "\r\n--B--\r\n"

static int new_arena(void **state)
{
    *state = bk_arena_new();
    return 0;
}

static int free_arena(void **state)
{
    bk_arena_free(*state);
    bk_error_clear();
    return 0;
}

static bk_err parse(bk_arena *arena, bk_str body, const bk_multipart_opts *opts, bk_parts *out)
{
    return bk__multipart_parse(arena, body, BK_LIT("B"), opts, out);
}

static bk_parts parts_of(bk_arena *arena, const char *body)
{
    bk_parts parts;
    if (parse(arena, bk_str_of(body), NULL, &parts) != BK_OK)
        fail_msg("%.*s", (int)bk_error_chain()->message.len, bk_error_chain()->message.ptr);
    return parts;
}

/* The only part of a body with the given lines as its head. */
static bk_part part_with_head(bk_arena *arena, const char *head)
{
    bk_str body = bk_arena_printf(arena, "--B\r\n%s\r\n\r\nx" END, head);
    bk_parts parts = parts_of(arena, body.ptr);
    assert_int_equal(parts.count, 1);
    assert_text(parts.items[0].data, "x");
    return parts.items[0];
}

static void assert_malformed(bk_arena *arena, const char *body)
{
    bk_parts parts = {NULL, 42};
    if (parse(arena, bk_str_of(body), NULL, &parts) != BK_EINVAL)
        fail_msg("\"%s\" was taken", body);
    assert_int_equal(parts.count, 42);
    assert_null(parts.items);
}

static void assert_bad_head(bk_arena *arena, const char *head)
{
    assert_malformed(arena, bk_arena_printf(arena, "--B\r\n%s\r\n\r\nx" END, head).ptr);
}

static void test_parts_come_in_order_and_point_into_the_body(void **state)
{
    const char *body = "--B\r\n"
                       "Content-Disposition: form-data; name=\"title\"\r\n"
                       "\r\n"
                       "My cat\r\n"
                       "--B\r\n"
                       "Content-Disposition: form-data; name=\"photo\"; filename=\"cat.jpg\"\r\n"
                       "Content-Type: image/jpeg\r\n"
                       "\r\n"
                       "\xff\xd8\r\n--\r\n-B\r\n"
                       "--B--\r\n";
    bk_parts parts = parts_of(*state, body);
    assert_int_equal(parts.count, 2);
    assert_text(parts.items[0].name, "title");
    assert_absent(parts.items[0].filename);
    assert_text(parts.items[0].content_type, "text/plain");
    assert_text(parts.items[0].data, "My cat");
    assert_text(parts.items[1].name, "photo");
    assert_text(parts.items[1].filename, "cat.jpg");
    assert_text(parts.items[1].content_type, "image/jpeg");
    assert_text(parts.items[1].data, "\xff\xd8\r\n--\r\n-B");
    assert_ptr_equal(parts.items[0].name.ptr, strstr(body, "title"));
    assert_ptr_equal(parts.items[1].filename.ptr, strstr(body, "cat.jpg"));
    assert_ptr_equal(parts.items[0].data.ptr, strstr(body, "My cat"));
}

static void test_a_form_without_fields_has_no_parts(void **state)
{
    assert_int_equal(parts_of(*state, "--B--\r\n").count, 0);
    assert_int_equal(parts_of(*state, "--B--").count, 0);
}

static void test_data_may_be_empty(void **state)
{
    bk_parts parts = parts_of(*state, HEAD "\r\n--B--");
    assert_text(parts.items[0].data, "");
    /* RFC 2046, 5.1.1: a part without a body, whose empty line is the delimiter's CRLF. */
    parts = parts_of(*state, HEAD "--B\r\n" DISPOSITION "\r\nx" END);
    assert_int_equal(parts.count, 2);
    assert_text(parts.items[0].data, "");
    assert_text(parts.items[1].data, "x");
}

static void test_line_ends_belong_to_the_data_but_for_the_last(void **state)
{
    assert_text(parts_of(*state, HEAD "\r\n\r\n\n\r" END).items[0].data, "\r\n\r\n\n\r");
    assert_text(parts_of(*state, HEAD "a\r\r\n--B--").items[0].data, "a\r");
    assert_text(parts_of(*state, HEAD "a\n--B--" END).items[0].data, "a\n--B--");
}

static void test_data_may_hold_nul_bytes(void **state)
{
    static const char body[] = HEAD "a\0b" END;
    bk_parts parts;
    assert_int_equal(parse(*state, bk_str_at(body, sizeof(body) - 1), NULL, &parts), BK_OK);
    assert_int_equal(parts.items[0].data.len, 3);
    assert_memory_equal(parts.items[0].data.ptr, "a\0b", 3);
}

static void test_preamble_and_epilogue_are_passed_over(void **state)
{
    bk_parts parts =
        parts_of(*state, "This is MIME.\r\n--A\r\n" HEAD "x" END "bye\r\n" HEAD "y" END);
    assert_int_equal(parts.count, 1);
    assert_text(parts.items[0].data, "x");
    assert_int_equal(parts_of(*state, "\r\n" HEAD "x" END).count, 1);
    assert_malformed(*state, "x" HEAD "x\r\n--");
}

static void test_the_boundary_counts_at_the_beginning_of_a_line_only(void **state)
{
    assert_text(parts_of(*state, HEAD "a--B\r\n --B--" END).items[0].data, "a--B\r\n --B--");
    assert_malformed(*state, " " HEAD "x--B--");
    assert_malformed(*state, HEAD "x--B--");
    assert_malformed(*state, HEAD "x\n--B--");
    assert_malformed(*state, HEAD "x\r--B--");
}

static void test_a_boundary_line_holds_nothing_else(void **state)
{
    assert_malformed(*state, "--B \r\n" DISPOSITION "\r\nx" END);
    assert_malformed(*state, "--Bx\r\n" DISPOSITION "\r\nx" END);
    assert_malformed(*state, "--B-\r\n" DISPOSITION "\r\nx" END);
    assert_malformed(*state, "--B\n" DISPOSITION "\r\nx" END);
    assert_malformed(*state, HEAD "x\r\n--Bx\r\n" END);
    assert_malformed(*state, HEAD "x\r\n--B--x");
    assert_malformed(*state, HEAD "x\r\n--B--\n");
    assert_malformed(*state, HEAD "x\r\n--B-- \r\n");
    assert_malformed(*state, "--B");
    assert_malformed(*state, "--B-");
    assert_malformed(*state, "--B\r");
}

static void test_a_body_cut_short_anywhere_is_refused(void **state)
{
    static const char body[] =
        "--B\r\nContent-Disposition: form-data; name=a; filename=\"f\"\r\n"
        "Content-Type: a/b\r\n\r\nsome data\r\n--B\r\n" DISPOSITION "\r\nmore\r\n--B--";
    bk_parts parts;
    for (size_t len = 0; len < sizeof(body) - 1; len++) {
        char *copy = malloc(len + 1); /* of its own size, for the sanitizer to see */
        memcpy(copy, body, len);
        assert_int_equal(parse(*state, bk_str_at(copy, len), NULL, &parts), BK_EINVAL);
        free(copy);
    }
    assert_int_equal(parse(*state, bk_str_at(body, sizeof(body) - 1), NULL, &parts), BK_OK);
    assert_int_equal(parse(*state, (bk_str){0}, NULL, &parts), BK_EINVAL);
}

static void test_heads_are_strict(void **state)
{
    static const char *const bad[] = {
        "X: y",
        "Content-Disposition form-data; name=\"a\"",
        "Content-Disposition : form-data; name=\"a\"",
        " Content-Disposition: form-data; name=\"a\"",
        DISPOSITION " folded: x",
        DISPOSITION "\tfolded",
        DISPOSITION "X: a\nb",
        DISPOSITION "X: a\rb",
        DISPOSITION "X: a\x01",
        DISPOSITION ": x",
        DISPOSITION "nothing",
        DISPOSITION "--B",
        DISPOSITION "Content-Disposition: form-data; name=\"b\"",
        DISPOSITION "Content-Type: a/b\r\nContent-Type: a/c",
        DISPOSITION "Content-Type: multipart/mixed; boundary=C",
        DISPOSITION "Content-Type: Multipart/X",
        DISPOSITION "Content-Type: multipart/",
        DISPOSITION "Content-Transfer-Encoding: base64",
        DISPOSITION "Content-Transfer-Encoding: quoted-printable",
        "",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_bad_head(*state, bad[i]);
    part_with_head(*state, DISPOSITION "Content-Transfer-Encoding: Binary");
    part_with_head(*state, DISPOSITION "X-Other: \xff \t y");
    assert_malformed(*state, "--B\r\n\r\nx" END);
}

static void test_a_boundary_in_a_head_is_no_header(void **state)
{
    bk_parts parts;
    bk_str body = BK_LIT("--a:b\r\n--a:b\r\n" DISPOSITION "\r\nx\r\n--a:b--");
    assert_int_equal(bk__multipart_parse(*state, body, BK_LIT("a:b"), NULL, &parts), BK_EINVAL);
}

static void test_the_disposition_is_form_data_with_one_name(void **state)
{
    static const char *const bad[] = {
        "Content-Disposition: form-data",
        "Content-Disposition: form-data; filename=\"x\"",
        "Content-Disposition: attachment; name=\"a\"",
        "Content-Disposition: name=\"a\"",
        "Content-Disposition:",
        "Content-Disposition: form-data; name",
        "Content-Disposition: form-data; name=",
        "Content-Disposition: form-data; name=\"a",
        "Content-Disposition: form-data; name=\"a\"b",
        "Content-Disposition: form-data; name=\"a\" filename=\"b\"",
        "Content-Disposition: form-data; name=\"a\"; name=\"b\"",
        "Content-Disposition: form-data; name=\"a\"; filename=\"b\"; filename=\"c\"",
        "Content-Disposition: form-data; name=\"a\"; filename=\"\"; filename=\"c\"",
        "Content-Disposition: form-data; name=\"a\"; filename",
        "Content-Disposition: form-data; name=\"\xff\"",
        "Content-Disposition: form-data; name=\"a\"; filename=\"\xc3\"",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_bad_head(*state, bad[i]);
}

static bk_str name_of(bk_arena *arena, const char *value)
{
    return part_with_head(
               arena, bk_arena_printf(arena, "content-disposition:form-data;name=%s", value).ptr)
        .name;
}

static void test_names_are_read_as_browsers_write_them(void **state)
{
    assert_text(name_of(*state, "a"), "a");
    assert_text(name_of(*state, "\"a b;c\""), "a b;c");
    assert_text(name_of(*state, "\"\""), "");
    assert_text(name_of(*state, "\"a%22b\""), "a\"b");
    assert_text(name_of(*state, "\"a\\\"b\""), "a\"b");
    assert_text(name_of(*state, "\"a\\\\\""), "a\\");
    assert_text(name_of(*state, "\"a\\b%20%\""), "a\\b%20%");
    assert_text(name_of(*state, "\"\xc3\xa9\""), "\xc3\xa9");
    assert_text(name_of(*state, "\"items[0]\""), "items[0]");
}

static bk_str file_of(bk_arena *arena, const char *value)
{
    const char *format = "Content-Disposition: form-data; name=\"a\"; FileName=%s";
    return part_with_head(arena, bk_arena_printf(arena, format, value).ptr).filename;
}

static void test_a_filename_is_a_base_name(void **state)
{
    assert_text(file_of(*state, "x.txt"), "x.txt");
    assert_text(file_of(*state, "\"my file.txt\""), "my file.txt");
    assert_text(file_of(*state, "\"../../etc/passwd\""), "passwd");
    assert_text(file_of(*state, "\"/abs/x\""), "x");
    assert_text(file_of(*state, "\"C:\\dir\\x.txt\""), "x.txt");
    assert_text(file_of(*state, "\"C:\\\\dir\\\\x.txt\""), "x.txt");
    assert_text(file_of(*state, "\"a/b\\c/d\""), "d");
    assert_text(file_of(*state, "\"a\tb\""), "ab");
    assert_text(file_of(*state, "\"a%22b.txt\""), "a\"b.txt");
    assert_text(file_of(*state, "\"a%2Fb\""), "a%2Fb");
    assert_text(file_of(*state, "\"...\""), "...");
    assert_text(file_of(*state, "\".profile\""), ".profile");
    assert_text(file_of(*state, "\"\xe2\x82\xac.png\""), "\xe2\x82\xac.png");
}

static void test_a_filename_of_which_nothing_is_left_is_absent(void **state)
{
    static const char *const empty[] = {"\"\"",   "\"/\"",    "\"a/\"", "\"C:\\\\\"", "\".\"",
                                        "\"..\"", "\"a/..\"", "\"\t\"", "\"a/.\t.\""};
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
        assert_absent(file_of(*state, empty[i]));
}

static void test_the_extended_filename_is_passed_over(void **state)
{
    bk_part part = part_with_head(*state, "Content-Disposition: form-data; name=a; "
                                          "filename*=UTF-8''evil; filename=good");
    assert_text(part.filename, "good");
    assert_absent(part_with_head(*state, "Content-Disposition: form-data; name=a; "
                                         "filename*=UTF-8''evil")
                      .filename);
}

static void test_a_content_type_comes_as_sent(void **state)
{
    assert_text(
        part_with_head(*state, DISPOSITION "content-type:  Text/HTML; charset=x ").content_type,
        "Text/HTML; charset=x");
    assert_text(part_with_head(*state, DISPOSITION "Content-Type:").content_type, "text/plain");
}

static bk_err parse_with(bk_arena *arena, bk_multipart_opts opts, const char *body)
{
    bk_parts parts;
    return parse(arena, bk_str_of(body), &opts, &parts);
}

static void test_limits_are_exact_and_too_much_is_too_big(void **state)
{
    const char *two = HEAD "12345\r\n" HEAD "1\r\n--B--";
    assert_int_equal(parse_with(*state, (bk_multipart_opts){.max_parts = 2}, two), BK_OK);
    assert_int_equal(parse_with(*state, (bk_multipart_opts){.max_parts = 1}, two), BK_ETOOBIG);
    assert_int_equal(parse_with(*state, (bk_multipart_opts){.max_part_bytes = 5}, two), BK_OK);
    assert_int_equal(parse_with(*state, (bk_multipart_opts){.max_part_bytes = 4}, two), BK_ETOOBIG);
    size_t head = strlen(DISPOSITION) - 2; /* without the line's end */
    assert_int_equal(parse_with(*state, (bk_multipart_opts){.max_head_bytes = head}, two), BK_OK);
    assert_int_equal(parse_with(*state, (bk_multipart_opts){.max_head_bytes = head - 1}, two),
                     BK_ETOOBIG);
    bk_multipart_opts all = {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX};
    assert_int_equal(parse_with(*state, all, two), BK_OK);
}

static void test_only_parts_with_a_filename_are_files(void **state)
{
    const char *body = "--B\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n1\r\n"
                       "--B\r\nContent-Disposition: form-data; name=a; filename=\"\"\r\n\r\n2\r\n"
                       "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n3\r\n"
                       "--B\r\nContent-Disposition: form-data; name=a; filename=c\r\n\r\n4\r\n"
                       "--B--";
    assert_int_equal(parse_with(*state, (bk_multipart_opts){.max_files = 2}, body), BK_OK);
    assert_int_equal(parse_with(*state, (bk_multipart_opts){.max_files = 1}, body), BK_ETOOBIG);
}

static void test_the_defaults_bound_parts_files_and_heads(void **state)
{
    bk_arena *arena = *state;
    bk_buf fields = {.arena = arena}, files = {.arena = arena}, head = {.arena = arena};
    bk_parts parts;
    for (int i = 0; i < 100; i++)
        bk_buf_add(&fields, BK_LIT(HEAD "x\r\n"));
    bk_str last = BK_LIT("--B--");
    bk_str hundred = bk_arena_printf(arena, "%.*s%s", (int)fields.len, fields.ptr, last.ptr);
    assert_int_equal(parse(arena, hundred, NULL, &parts), BK_OK);
    assert_int_equal(parts.count, 100);
    assert_text(parts.items[99].data, "x");
    bk_buf_add(&fields, BK_LIT(HEAD "x\r\n--B--"));
    assert_int_equal(parse(arena, bk_buf_str(&fields), NULL, &parts), BK_ETOOBIG);

    for (int i = 0; i < 21; i++)
        bk_buf_add(&files, BK_LIT("--B\r\nContent-Disposition: form-data; name=a; filename=b\r\n"
                                  "\r\nx\r\n"));
    bk_buf_add(&files, last);
    assert_int_equal(parse(arena, bk_buf_str(&files), NULL, &parts), BK_ETOOBIG);

    bk_buf_add(&head, BK_LIT("--B\r\n" DISPOSITION "X: "));
    for (int i = 0; i < 5000; i++)
        bk_buf_add_char(&head, 'x');
    assert_int_equal(parse(arena, bk_buf_str(&head), NULL, &parts), BK_ETOOBIG);
    bk_buf_add(&head, BK_LIT("\r\n\r\nx" END));
    assert_int_equal(parse(arena, bk_buf_str(&head), NULL, &parts), BK_ETOOBIG);
    assert_int_equal(
        parse(arena, bk_buf_str(&head), &(bk_multipart_opts){.max_head_bytes = 6000}, &parts),
        BK_OK);
}

static void test_a_hostile_body_takes_linear_time(void **state)
{
    enum {
        SIZE = 8 << 20
    };
    char boundary[70], *body = malloc(SIZE);
    bk_parts parts;
    clock_t start = clock();
    memset(boundary, 'a', sizeof(boundary));
    bk_str name = {boundary, sizeof(boundary)};

    memset(body, 'a', SIZE);
    assert_int_equal(bk__multipart_parse(*state, bk_str_at(body, SIZE), name, NULL, &parts),
                     BK_EINVAL);
    for (size_t i = 0; i + 74 < SIZE; i += 73) {
        memcpy(body + i, "\r\n--", 4);
        memset(body + i + 4, 'a', 69);
    }
    assert_int_equal(bk__multipart_parse(*state, bk_str_at(body, SIZE), name, NULL, &parts),
                     BK_EINVAL);
    assert_true(clock() - start < 10 * CLOCKS_PER_SEC); /* some 50 ms */
    free(body);
}

static bk_err boundary_of(const char *content_type, bk_str *out)
{
    return bk__multipart_boundary(bk_str_of(content_type), out);
}

static void test_a_boundary_may_be_quoted_or_not(void **state)
{
    bk_str out;
    (void)state;
    assert_int_equal(boundary_of("multipart/form-data; boundary=----WebKitFormBoundary7MA4", &out),
                     BK_OK);
    assert_text(out, "----WebKitFormBoundary7MA4");
    assert_int_equal(boundary_of("Multipart/Form-Data;charset=x;BOUNDARY=\"a b(c)/:=?\"", &out),
                     BK_OK);
    assert_text(out, "a b(c)/:=?");
    assert_int_equal(boundary_of("multipart/form-data; boundary=a/b:c=d?", &out), BK_OK);
    assert_text(out, "a/b:c=d?");
    assert_int_equal(boundary_of("multipart/form-data; boundary=\"'()+_,-./:=?09azAZ\"", &out),
                     BK_OK);
}

static void test_other_media_types_are_named_as_such(void **state)
{
    static const char *const types[] = {
        NULL,
        "",
        "text/plain",
        "multipart/mixed; boundary=a",
        "multipart/form-data2; boundary=a",
        "application/x-www-form-urlencoded",
        "boundary=a",
        "multipart; boundary=a",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        bk_str out = BK_LIT("kept");
        assert_int_equal(boundary_of(types[i], &out), BK_EMEDIATYPE);
        assert_text(out, "kept");
    }
}

static void test_seventy_bytes_is_the_longest_boundary(void **state)
{
    char type[256] = "multipart/form-data; boundary=";
    size_t start = strlen(type);
    bk_str out;
    (void)state;
    memset(type + start, 'a', 70);
    assert_int_equal(boundary_of(type, &out), BK_OK);
    assert_int_equal(out.len, 70);
    type[start + 70] = 'a';
    assert_int_equal(boundary_of(type, &out), BK_EINVAL);
}

static void test_a_bad_boundary_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "; boundary",
        "; boundary=",
        "; boundary=\"\"",
        "; boundary=\"a",
        "; boundary=\"a \"",
        "; boundary=a b",
        "; boundary=\"a\\\"b\"",
        "; boundary=\"a\\b\"",
        "; boundary=a@b",
        "; boundary=\"\xc3\xa9\"",
        "; boundary=a; boundary=b",
        "; boundary=a; boundary=a",
        "; boundary=a; x",
        "; x; boundary=a",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char type[256];
        bk_str out = BK_LIT("kept");
        snprintf(type, sizeof(type), "multipart/form-data%s", bad[i]);
        if (boundary_of(type, &out) != BK_EINVAL)
            fail_msg("\"%s\" was taken", type);
        assert_text(out, "kept");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_come_in_order_and_point_into_the_body),
        cmocka_unit_test(test_a_form_without_fields_has_no_parts),
        cmocka_unit_test(test_data_may_be_empty),
        cmocka_unit_test(test_line_ends_belong_to_the_data_but_for_the_last),
        cmocka_unit_test(test_data_may_hold_nul_bytes),
        cmocka_unit_test(test_preamble_and_epilogue_are_passed_over),
        cmocka_unit_test(test_the_boundary_counts_at_the_beginning_of_a_line_only),
        cmocka_unit_test(test_a_boundary_line_holds_nothing_else),
        cmocka_unit_test(test_a_body_cut_short_anywhere_is_refused),
        cmocka_unit_test(test_heads_are_strict),
        cmocka_unit_test(test_a_boundary_in_a_head_is_no_header),
        cmocka_unit_test(test_the_disposition_is_form_data_with_one_name),
        cmocka_unit_test(test_names_are_read_as_browsers_write_them),
        cmocka_unit_test(test_a_filename_is_a_base_name),
        cmocka_unit_test(test_a_filename_of_which_nothing_is_left_is_absent),
        cmocka_unit_test(test_the_extended_filename_is_passed_over),
        cmocka_unit_test(test_a_content_type_comes_as_sent),
        cmocka_unit_test(test_limits_are_exact_and_too_much_is_too_big),
        cmocka_unit_test(test_only_parts_with_a_filename_are_files),
        cmocka_unit_test(test_the_defaults_bound_parts_files_and_heads),
        cmocka_unit_test(test_a_hostile_body_takes_linear_time),
        cmocka_unit_test(test_a_boundary_may_be_quoted_or_not),
        cmocka_unit_test(test_other_media_types_are_named_as_such),
        cmocka_unit_test(test_seventy_bytes_is_the_longest_boundary),
        cmocka_unit_test(test_a_bad_boundary_is_refused),
    };
    return cmocka_run_group_tests_name("http/multipart", tests, new_arena, free_arena);
}
