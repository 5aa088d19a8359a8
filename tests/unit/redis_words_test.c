/* Commands as words: values as they are, and what a shared connection cannot do. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/str.h>

#include "harness/fiber_run.h"
#include "redis/words.h"

/* The words of @p command, each between bars. */
#define assert_words(want, command, args) check_words(want, command, args, __FILE__, __LINE__)

static void check_words(const char *want, const char *command, bk_args args, const char *file,
                        int line)
{
    struct bk__redis_words words;
    char text[1024] = "|";
    size_t len = 1;

    _assert_int_equal(bk__redis_words_make(&words, command, args), BK_OK, file, line);
    for (size_t i = 0; i < words.count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s|", BK_PRI(words.items[i]));
    bk__redis_words_fini(&words);
    _assert_string_equal(text, want, file, line);
}

#define assert_refused(part, command, args) check_refused(part, command, args, __FILE__, __LINE__)

static void check_refused(const char *part, const char *command, bk_args args, const char *file,
                          int line)
{
    struct bk__redis_words words;

    _assert_int_equal(bk__redis_words_make(&words, command, args), BK_EINVAL, file, line);
    bk__redis_words_fini(&words);
    bk_str message = bk_error_chain()->message;
    if (memmem(message.ptr, message.len, part, strlen(part)) == NULL) {
        print_error("\"%s\" is not in \"%.*s\"\n", part, BK_PRI(message));
        _fail(file, line);
    }
    bk_error_clear();
}

static bk_err test_words_are_between_spaces(void *data)
{
    (void)data;
    assert_words("|GET|a|", "GET a", BK_NO_ARGS);
    assert_words("|GET|a|", "  GET   a ", BK_NO_ARGS);
    return BK_OK;
}

static bk_err test_a_value_is_one_word_whatever_it_holds(void *data)
{
    (void)data;
    assert_words("|SET|a b|$1 DEL\r\n|", "SET $1 $2",
                 BK_ARGS(bk_text(BK_LIT("a b")), bk_text(BK_LIT("$1 DEL\r\n"))));
    assert_words("|SET||x|", "SET $2 $1", BK_ARGS(bk_text(BK_LIT("x")), bk_text(BK_LIT(""))));
    assert_words("|ECHO|x|x|", "ECHO $1 $1", BK_ARGS(bk_text(BK_LIT("x"))));
    return BK_OK;
}

static bk_err test_numbers_booleans_and_times_are_decimal(void *data)
{
    (void)data;
    assert_words("|A|-9223372036854775808|7|10|1|0|1.5|1700000000123|", "A $1 $2 $3 $4 $5 $6 $7",
                 BK_ARGS(bk_i64(INT64_MIN), bk_i64(7), bk_i64(10), bk_bool(true), bk_bool(false),
                         bk_f64(1.5), bk_timestamp(INT64_C(1700000000123456))));
    return BK_OK;
}

static bk_err test_an_array_is_one_word_for_each_item(void *data)
{
    int64_t many[100];
    bk_str names[] = {BK_LIT("a"), BK_LIT("b c")};
    struct bk__redis_words words;

    (void)data;
    assert_words("|DEL|a|b c|z|", "DEL $1 z", BK_ARGS(bk_array_of(BK_TYPE_STR, names, 2)));
    assert_words("|DEL|z|", "DEL $1 z", BK_ARGS(bk_array_of(BK_TYPE_STR, names, 0)));
    for (size_t i = 0; i < 100; i++)
        many[i] = (int64_t)(1000 + i);
    assert_int_equal(
        bk__redis_words_make(&words, "RPUSH k $1", BK_ARGS(bk_array_of(BK_TYPE_I64, many, 100))),
        BK_OK);
    assert_int_equal(words.count, 102);
    assert_true(bk_str_eq(words.items[101], BK_LIT("1099")));
    bk__redis_words_fini(&words);
    return BK_OK;
}

static bk_err test_a_dollar_alone_is_a_word(void *data)
{
    (void)data;
    assert_words("|XREAD|STREAMS|s|$|", "XREAD STREAMS s $", BK_NO_ARGS);
    return BK_OK;
}

static bk_err test_a_value_that_is_not_given_is_refused(void *data)
{
    bk_str names[] = {BK_LIT("a"), {NULL, 0}};

    (void)data;
    assert_refused("$1 stands for no value", "GET $1", BK_NO_ARGS);
    assert_refused("$2 stands for no value", "GET $2", BK_ARGS(bk_i64(1)));
    assert_refused("$0 stands for no value", "GET $0", BK_ARGS(bk_i64(1)));
    assert_refused("stands for no value", "GET $x", BK_ARGS(bk_i64(1)));
    assert_refused("stands for no value", "GET $99999999999999999999", BK_ARGS(bk_i64(1)));
    assert_refused("null", "GET $1", BK_ARGS(bk_null()));
    assert_refused("null", "GET $1", BK_ARGS(bk_text((bk_str){NULL, 0})));
    assert_refused("null", "DEL $1", BK_ARGS(bk_array_of(BK_TYPE_STR, names, 2)));
    return BK_OK;
}

static bk_err test_no_word_is_no_command(void *data)
{
    (void)data;
    assert_refused("without a word", "", BK_NO_ARGS);
    assert_refused("without a word", "  ", BK_NO_ARGS);
    assert_refused("without a word", "$1", BK_ARGS(bk_text(BK_LIT(""))));
    return BK_OK;
}

static bk_err test_what_a_shared_connection_cannot_do_is_refused(void *data)
{
    (void)data;
    assert_refused("blocks", "BLPOP a 0", BK_NO_ARGS);
    assert_refused("blocks", "blmove a b LEFT LEFT 0", BK_NO_ARGS);
    assert_refused("blocks", "$1 a 0", BK_ARGS(bk_text(BK_LIT("bzpopmin"))));
    assert_refused("blocks", "XREAD BLOCK 0 STREAMS s $", BK_NO_ARGS);
    assert_refused("blocks", "XREADGROUP GROUP g c block 0 STREAMS s >", BK_NO_ARGS);
    assert_refused("blocks", "WAIT 1 0", BK_NO_ARGS);
    assert_refused("pubsub.h", "SUBSCRIBE a", BK_NO_ARGS);
    assert_refused("pubsub.h", "MONITOR", BK_NO_ARGS);
    assert_refused("changes", "MULTI", BK_NO_ARGS);
    assert_refused("changes", "watch a", BK_NO_ARGS);
    assert_refused("changes", "SELECT 1", BK_NO_ARGS);
    assert_refused("changes", "CLIENT REPLY OFF", BK_NO_ARGS);
    assert_refused("changes", "client tracking on", BK_NO_ARGS);
    assert_words("|CLIENT|ID|", "CLIENT ID", BK_NO_ARGS);
    assert_words("|XREAD|STREAMS|s|0|", "XREAD STREAMS s 0", BK_NO_ARGS);
    return BK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fiber_unit_test(test_words_are_between_spaces),
        fiber_unit_test(test_a_value_is_one_word_whatever_it_holds),
        fiber_unit_test(test_numbers_booleans_and_times_are_decimal),
        fiber_unit_test(test_an_array_is_one_word_for_each_item),
        fiber_unit_test(test_a_dollar_alone_is_a_word),
        fiber_unit_test(test_a_value_that_is_not_given_is_refused),
        fiber_unit_test(test_no_word_is_no_command),
        fiber_unit_test(test_what_a_shared_connection_cannot_do_is_refused),
    };

    return cmocka_run_group_tests_name("redis_words", tests, NULL, NULL);
}
