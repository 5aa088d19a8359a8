#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/random.h"

#define MANY 20000

static void test_every_length_is_filled_and_no_more(void **state)
{
    (void)state;
    for (size_t len = 0; len < 600; len++) {
        unsigned char bytes[608];
        memset(bytes, 0, sizeof(bytes));
        bk__random(bytes, len);
        for (size_t i = len; i < sizeof(bytes); i++)
            assert_int_equal(bytes[i], 0);
        size_t zeros = 0;
        for (size_t i = 0; i < len; i++)
            zeros += bytes[i] == 0;
        assert_true(zeros <= 8 + len / 16);
    }
}

static int by_text(const void *a, const void *b)
{
    return memcmp(a, b, BK__UUID_TEXT);
}

static void test_ids_do_not_repeat(void **state)
{
    (void)state;
    static char ids[MANY][BK__UUID_TEXT];
    for (int i = 0; i < MANY; i++)
        bk__uuid7(ids[i]);
    qsort(ids, MANY, BK__UUID_TEXT, by_text);
    for (int i = 1; i < MANY; i++)
        assert_memory_not_equal(ids[i - 1], ids[i], BK__UUID_TEXT);
}

static void test_an_id_has_the_form_of_version_7(void **state)
{
    (void)state;
    for (int n = 0; n < 1000; n++) {
        char id[BK__UUID_TEXT];
        bk__uuid7(id);
        for (int i = 0; i < BK__UUID_TEXT; i++) {
            bool dash = i == 8 || i == 13 || i == 18 || i == 23;
            assert_true(dash ? id[i] == '-' : strchr("0123456789abcdef", id[i]) != NULL);
        }
        assert_int_equal(id[14], '7');
        assert_non_null(strchr("89ab", id[19]));
    }
}

static void test_an_id_begins_with_the_time(void **state)
{
    (void)state;
    char id[BK__UUID_TEXT];
    struct bk__clock clock = {.is_virtual = true, .now = INT64_C(0x017f22e279b0) * 1000 + 999};
    bk__clock_current = &clock;
    bk__uuid7(id);
    bk__clock_current = NULL;
    assert_memory_equal(id, "017f22e2-79b0-7", 15); /* the example of RFC 9562, A.6 */
}

static void test_every_bit_is_sometimes_set_and_sometimes_not(void **state)
{
    (void)state;
    unsigned char any[10] = {0}, all[10];
    memset(all, 0xff, sizeof(all));
    for (int n = 0; n < 200; n++) {
        unsigned char bytes[10];
        bk__random(bytes, sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes); i++) {
            any[i] |= bytes[i];
            all[i] &= bytes[i];
        }
    }
    for (size_t i = 0; i < sizeof(any); i++) {
        assert_int_equal(any[i], 0xff);
        assert_int_equal(all[i], 0);
    }
}

static void test_a_child_does_not_repeat_its_parent(void **state)
{
    (void)state;
    char ours[16], theirs[16];
    int ends[2];
    bk__random(ours, sizeof(ours)); /* from here on there is a block */
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        bk__random(theirs, sizeof(theirs));
        _exit(write(ends[1], theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
    }
    bk__random(ours, sizeof(ours));
    assert_int_equal(read(ends[0], theirs, sizeof(theirs)), sizeof(theirs));
    assert_memory_not_equal(ours, theirs, sizeof(ours));
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
}

static void *take_bytes(void *out)
{
    bk__random(out, 16);
    return NULL;
}

static void test_threads_have_blocks_of_their_own(void **state)
{
    (void)state;
    char ours[16], theirs[16];
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_bytes, theirs), 0);
    bk__random(ours, sizeof(ours));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_memory_not_equal(ours, theirs, sizeof(ours));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length_is_filled_and_no_more),
        cmocka_unit_test(test_ids_do_not_repeat),
        cmocka_unit_test(test_an_id_has_the_form_of_version_7),
        cmocka_unit_test(test_an_id_begins_with_the_time),
        cmocka_unit_test(test_every_bit_is_sometimes_set_and_sometimes_not),
        cmocka_unit_test(test_a_child_does_not_repeat_its_parent),
        cmocka_unit_test(test_threads_have_blocks_of_their_own),
    };
    return cmocka_run_group_tests_name("core/random", tests, NULL, NULL);
}
