/* Slots of keys, and keys of commands. The slots are those that CLUSTER KEYSLOT of Redis 7.0 gives.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <backend/str.h>

#include "redis/slots.h"

static void test_slots_are_those_of_the_server(void **state)
{
    static const struct {
        const char *key;
        uint16_t slot;
    } cases[] = {
        {"", 0},
        {"a", 15495},
        {"user", 5474},
        {"foo", 12182},
        {"bar", 5061},
        {"123456789", 12739},
        {"user:1000", 1649},
        {"{user:1000}.following", 1649},
        {"foo{}{bar}", 8363},
        {"foo{{bar}}zap", 4015},
        {"foo{bar}{zap}", 5061},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         2134},
        {"\xc3\xa9\xc3\xbc", 11813},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(bk__redis_slot_of(bk_str_of(cases[i].key)), cases[i].slot);
    assert_int_equal(bk__redis_slot_of(bk_str_at("\0\xff{", 3)), 3075);
}

static void test_a_hash_tag_is_what_counts_unless_it_is_empty(void **state)
{
    uint16_t slot = bk__redis_slot_of(BK_LIT("user"));

    (void)state;
    assert_int_equal(bk__redis_slot_of(BK_LIT("{user}")), slot);
    assert_int_equal(bk__redis_slot_of(BK_LIT("a{user}b{c}")), slot);
    assert_int_equal(bk__redis_slot_of(BK_LIT("a}{user}}")), slot);
    assert_int_not_equal(bk__redis_slot_of(BK_LIT("{}user")), slot);
    assert_int_not_equal(bk__redis_slot_of(BK_LIT("{user")), slot);
    assert_int_equal(bk__redis_slot_of(BK_LIT("{{user}}")), bk__redis_slot_of(BK_LIT("{user")));
}

/* Splits at blanks and gives the key; "" when there is none. */
static bk_str key_of(const char *command)
{
    bk_str words[16], rest = bk_str_of(command), key;
    size_t count = 0;

    while (bk_str_split(&rest, ' ', &words[count]))
        count++;
    return bk__redis_key_of(words, count, &key) ? key : BK_LIT("");
}

static void test_the_first_key_is_found_in_each_kind_of_command(void **state)
{
    static const struct {
        const char *command, *key;
    } cases[] = {
        {"GET k", "k"},
        {"set k v", "k"},
        {"MSET k v l w", "k"},
        {"PING", ""},
        {"PUBLISH c k", ""},
        {"SPUBLISH k x", "k"},
        {"EVAL text 1 k", "k"},
        {"evalsha digest 2 k l x", "k"},
        {"EVAL text 0 x", ""},
        {"FCALL f 1 k", "k"},
        {"BITOP AND k a b", "k"},
        {"OBJECT ENCODING k", "k"},
        {"MEMORY USAGE k", "k"},
        {"MEMORY DOCTOR", ""},
        {"XGROUP CREATE k g $", "k"},
        {"XREAD COUNT 2 STREAMS k l 0 0", "k"},
        {"XREADGROUP GROUP g c streams k >", "k"},
        {"XREAD COUNT 2", ""},
        {"ZUNION 2 k l", "k"},
        {"ZUNIONSTORE k 2 a b", "k"},
        {"LMPOP 1 k LEFT", "k"},
        {"GET", ""},
        {"EVAL text", ""},
        {"EVAL text 1", ""},
        {"SCAN 0", ""},
        {"FLUSHALL", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bk_str key = key_of(cases[i].command);
        if (!bk_str_eq(key, bk_str_of(cases[i].key)))
            fail_msg("%s: %.*s", cases[i].command, BK_PRI(key));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_are_those_of_the_server),
        cmocka_unit_test(test_a_hash_tag_is_what_counts_unless_it_is_empty),
        cmocka_unit_test(test_the_first_key_is_found_in_each_kind_of_command),
    };

    return cmocka_run_group_tests_name("redis_slots", tests, NULL, NULL);
}
