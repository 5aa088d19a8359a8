#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core/list.h"

struct item {
    char name;
    struct bk__link link;
};

static struct item items[4];
static struct bk__list list;

static int set_up(void **state)
{
    (void)state;
    memset(items, 0, sizeof(items));
    for (int i = 0; i < 4; i++)
        items[i].name = (char)('a' + i);
    bk__list_init(&list);
    return 0;
}

static void assert_holds(const char *names)
{
    char found[8] = "";
    size_t count = 0;
    bk__list_each(it, &list) {
        found[count++] = bk__container_of(it, struct item, link)->name;
    }
    found[count] = '\0';
    assert_string_equal(found, names);
}

static void test_a_new_list_is_empty(void **state)
{
    (void)state;
    assert_true(bk__list_empty(&list));
    assert_null(bk__list_pop(&list));
    assert_holds("");
}

static void test_elements_leave_in_the_order_they_came(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        bk__list_push(&list, &items[i].link);
    assert_holds("abcd");
    assert_ptr_equal(bk__list_pop(&list), &items[0].link);
    assert_ptr_equal(bk__list_pop(&list), &items[1].link);
    assert_holds("cd");
}

static void test_one_may_jump_the_queue(void **state)
{
    (void)state;
    bk__list_push(&list, &items[0].link);
    bk__list_push_front(&list, &items[1].link);
    assert_holds("ba");
}

static void test_an_element_leaves_from_anywhere(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        bk__list_push(&list, &items[i].link);
    bk__list_remove(&items[2].link);
    bk__list_remove(&items[0].link);
    assert_holds("bd");
    bk__list_remove(&items[3].link);
    bk__list_remove(&items[1].link);
    assert_true(bk__list_empty(&list));
}

static void test_removing_what_is_in_no_list_does_nothing(void **state)
{
    (void)state;
    bk__list_remove(&items[0].link); /* all zeros */
    bk__list_push(&list, &items[0].link);
    bk__list_push(&list, &items[1].link);
    bk__list_remove(&items[0].link);
    bk__list_remove(&items[0].link); /* points at itself */
    assert_holds("b");
}

static void test_a_link_knows_whether_it_is_in_a_list(void **state)
{
    (void)state;
    assert_false(bk__link_in_list(&items[0].link));
    bk__list_push(&list, &items[0].link);
    assert_true(bk__link_in_list(&items[0].link));
    (void)bk__list_pop(&list);
    assert_false(bk__link_in_list(&items[0].link));
}

static void test_an_element_can_come_back(void **state)
{
    (void)state;
    bk__list_push(&list, &items[0].link);
    (void)bk__list_pop(&list);
    bk__list_push(&list, &items[0].link);
    assert_holds("a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_new_list_is_empty, set_up),
        cmocka_unit_test_setup(test_elements_leave_in_the_order_they_came, set_up),
        cmocka_unit_test_setup(test_one_may_jump_the_queue, set_up),
        cmocka_unit_test_setup(test_an_element_leaves_from_anywhere, set_up),
        cmocka_unit_test_setup(test_removing_what_is_in_no_list_does_nothing, set_up),
        cmocka_unit_test_setup(test_a_link_knows_whether_it_is_in_a_list, set_up),
        cmocka_unit_test_setup(test_an_element_can_come_back, set_up),
    };
    return cmocka_run_group_tests_name("core/list", tests, NULL, NULL);
}
