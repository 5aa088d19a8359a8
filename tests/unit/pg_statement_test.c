/* The registry of SQL texts, and what a connection has prepared. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pg/statement.h"

/* --- the registry ------------------------------------------------------------------------------- */

static struct bk__pg_statements all;

static struct bk__pg_statement *find(const char *sql)
{
    struct bk__pg_statement *statement = bk__pg_statement_find(&all, sql);

    assert_string_equal(statement->sql, sql);
    assert_ptr_not_equal(statement->sql, sql);
    return statement;
}

static struct bk__pg_statement *find_number(unsigned n)
{
    char sql[32];

    snprintf(sql, sizeof sql, "SELECT %u", n);
    return find(sql);
}

static void test_a_text_is_found_again_wherever_it_lies(void **state)
{
    static const char literal[] = "SELECT 1";
    char copy[] = "SELECT 1";

    (void)state;
    bk__pg_statements_init(&all, 4);
    struct bk__pg_statement *first = find(literal);
    assert_ptr_equal(find(literal), first);
    assert_ptr_equal(find(copy), first);
    assert_int_equal(all.count, 1);
    assert_int_not_equal(first->id, 0);
    bk__pg_statements_fini(&all);
}

static void test_an_address_with_another_text_is_another_statement(void **state)
{
    char buffer[32] = "SELECT 1";

    (void)state;
    bk__pg_statements_init(&all, 4);
    struct bk__pg_statement *one = find(buffer);
    strcpy(buffer, "SELECT 2");
    struct bk__pg_statement *two = find(buffer);
    assert_ptr_not_equal(one, two);
    assert_int_not_equal(one->id, two->id);
    assert_int_not_equal(one->slot, two->slot);
    strcpy(buffer, "SELECT 1 ");
    assert_ptr_not_equal(find(buffer), one);
    strcpy(buffer, "SELECT 1");
    assert_ptr_equal(find(buffer), one);
    bk__pg_statements_fini(&all);
}

static void test_the_least_recently_used_goes_and_its_slot_is_used_again(void **state)
{
    (void)state;
    bk__pg_statements_init(&all, 3);
    uint32_t ids[3], slots[3];
    for (unsigned i = 0; i < 3; i++) {
        ids[i] = find_number(i)->id;
        slots[i] = find_number(i)->slot;
    }
    find_number(0); /* so that 1 is the oldest */
    struct bk__pg_statement *fourth = find_number(3);
    assert_int_equal(all.count, 3);
    assert_int_equal(fourth->slot, slots[1]);
    assert_int_equal(find_number(0)->id, ids[0]);
    assert_int_equal(find_number(2)->id, ids[2]);
    struct bk__pg_statement *again = find_number(1); /* 3 is the oldest now */
    assert_int_not_equal(again->id, ids[1]);
    assert_int_equal(again->slot, slots[1]);
    bk__pg_statements_fini(&all);
}

static void test_what_is_on_its_way_stays(void **state)
{
    (void)state;
    bk__pg_statements_init(&all, 2);
    struct bk__pg_statement *one = find_number(1), *two = find_number(2);
    one->runs = 1;
    uint32_t slot = two->slot;
    assert_int_equal(find_number(3)->slot, slot); /* 2 went, though 1 is older */
    assert_ptr_equal(find_number(1), one);
    find_number(3)->runs = 1;
    struct bk__pg_statement *more = find_number(4);
    assert_int_equal(all.count, 3); /* nothing could go */
    assert_int_equal(more->slot, 2);
    bk__pg_statements_fini(&all);
}

/* An address may be remembered whose statement has gone. */
static void test_a_literal_that_was_pushed_out_is_added_again(void **state)
{
    static const char literal[] = "SELECT 'literal'";

    (void)state;
    bk__pg_statements_init(&all, 1);
    for (unsigned i = 0; i < 100; i++) {
        uint32_t id = find(literal)->id;
        find_number(i % 7);
        assert_int_not_equal(find(literal)->id, id);
        assert_int_equal(all.count, 1);
    }
    bk__pg_statements_fini(&all);
}

static void test_slots_are_never_shared(void **state)
{
    char sql[40];

    (void)state;
    bk__pg_statements_init(&all, 50);
    uint64_t dice = 88172645463325252u;
    for (unsigned i = 0; i < 20000; i++) {
        dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
        snprintf(sql, sizeof sql, "SELECT %u /* %u */", (unsigned)(dice % 90),
                 (unsigned)(dice % 90 % 11));
        struct bk__pg_statement *statement = find(sql);
        statement->runs = (uint32_t)(dice >> 20) % 8 == 0;
    }
    bool taken[128] = {false};
    unsigned count = 0;
    bk__list_each(it, &all.lru) {
        const struct bk__pg_statement *statement =
            bk__container_of(it, struct bk__pg_statement, lru_link);
        assert_true(statement->slot < 128);
        assert_false(taken[statement->slot]);
        taken[statement->slot] = true;
        count++;
    }
    assert_int_equal(count, all.count);
    assert_in_range(count, 50, 90);
    bk__pg_statements_fini(&all);
}

/* --- verbs -------------------------------------------------------------------------------------- */

static void test_verbs_are_seen_behind_blanks_and_comments_in_any_case(void **state)
{
    static const struct {
        const char *sql;
        enum bk__pg_verb verb;
    } texts[] = {
        {"SELECT 1", BK__PG_VERB_PLAIN},
        {"", BK__PG_VERB_PLAIN},
        {"   ", BK__PG_VERB_PLAIN},
        {"-- only a comment", BK__PG_VERB_PLAIN},
        {"/* open", BK__PG_VERB_PLAIN},
        {"/* /* */ BEGIN", BK__PG_VERB_PLAIN}, /* the comment is still open */
        {"/", BK__PG_VERB_PLAIN},
        {"-", BK__PG_VERB_PLAIN},
        {"SETTINGS", BK__PG_VERB_PLAIN},
        {"SET_x", BK__PG_VERB_PLAIN},
        {"BEGINS", BK__PG_VERB_PLAIN},
        {"INSERT INTO t VALUES ('COPY')", BK__PG_VERB_PLAIN},
        {"WITH x AS (SELECT 1) SELECT * FROM x", BK__PG_VERB_PLAIN},
        {"SAVEPOINT a", BK__PG_VERB_PLAIN},
        {"BEGIN", BK__PG_VERB_TX},
        {"begin;", BK__PG_VERB_TX},
        {";BEGIN", BK__PG_VERB_TX},
        {" \t\r\n\f\vCommit", BK__PG_VERB_TX},
        {"-- x\nROLLBACK", BK__PG_VERB_TX},
        {"--\n--\n  START TRANSACTION", BK__PG_VERB_TX},
        {"/**/END", BK__PG_VERB_TX},
        {"/* a /* nested */ b */ ABORT", BK__PG_VERB_TX},
        {"/* -- */ ABORT", BK__PG_VERB_TX},
        {"-- /*\nABORT", BK__PG_VERB_TX},
        {"PREPARE TRANSACTION 'x'", BK__PG_VERB_TX},
        {"prepare /* x */ transaction 'x'", BK__PG_VERB_TX},
        {"PREPARE transactions AS SELECT 1", BK__PG_VERB_SESSION},
        {"PREPARE p AS SELECT 1", BK__PG_VERB_SESSION},
        {"SET x = 1", BK__PG_VERB_SESSION},
        {"SET/**/x = 1", BK__PG_VERB_SESSION},
        {"set local x = 1", BK__PG_VERB_SESSION},
        {"RESET ALL", BK__PG_VERB_SESSION},
        {"LISTEN a", BK__PG_VERB_SESSION},
        {"UNLISTEN *", BK__PG_VERB_SESSION},
        {"DISCARD ALL", BK__PG_VERB_SESSION},
        {"DECLARE c CURSOR FOR SELECT 1", BK__PG_VERB_SESSION},
        {"DEALLOCATE ALL", BK__PG_VERB_SESSION},
        {"LOAD 'x'", BK__PG_VERB_SESSION},
        {"COPY t FROM STDIN", BK__PG_VERB_COPY},
        {"copy t to stdout", BK__PG_VERB_COPY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (bk__pg_verb_of(texts[i].sql) != texts[i].verb)
            fail_msg("\"%s\" is not %d", texts[i].sql, texts[i].verb);
}

/* --- a connection's table ----------------------------------------------------------------------- */

static void test_a_table_grows_and_begins_empty(void **state)
{
    struct bk__pg_table table = {0};

    (void)state;
    for (uint32_t slot = 0; slot < 1000; slot = 3 * slot + 1) {
        struct bk__pg_prepared *entry = bk__pg_table_at(&table, slot);
        assert_int_equal(entry->id, 0);
        assert_false(entry->stale);
        assert_null(entry->shape);
        entry->id = slot + 1;
    }
    for (uint32_t slot = 0; slot < 1000; slot = 3 * slot + 1)
        assert_int_equal(bk__pg_table_at(&table, slot)->id, slot + 1);
    bk__pg_table_fini(&table);
    bk__pg_table_fini(&table);
}

static void test_a_table_gives_back_its_shapes(void **state)
{
    struct bk__pg_table table = {0};
    struct bk__pg_shape *shape = bk__pg_shape_new();

    (void)state;
    for (uint32_t slot = 0; slot < 3; slot++)
        *bk__pg_table_at(&table, slot) =
            (struct bk__pg_prepared){.id = slot + 1, .shape = bk__pg_shape_ref(shape)};
    assert_int_equal(shape->refs, 4);
    bk__pg_prepared_drop(bk__pg_table_at(&table, 1));
    assert_int_equal(shape->refs, 3);
    assert_int_equal(bk__pg_table_at(&table, 1)->id, 0);
    bk__pg_table_doubt(&table);
    assert_true(bk__pg_table_at(&table, 0)->stale);
    assert_int_equal(shape->refs, 3);
    bk__pg_table_clear(&table);
    assert_int_equal(shape->refs, 1);
    assert_false(bk__pg_table_at(&table, 2)->stale);
    assert_int_equal(bk__pg_table_at(&table, 2)->id, 0);
    bk__pg_table_fini(&table);
    bk__pg_shape_unref(shape);
}

static void test_names_differ_and_fit(void **state)
{
    char room[BK__PG_NAME_MAX], other[BK__PG_NAME_MAX];

    (void)state;
    assert_string_equal(bk__pg_statement_name(1, room), "bk1");
    assert_string_equal(bk__pg_statement_name(10, room), "bk10");
    assert_string_equal(bk__pg_statement_name(UINT32_MAX, room), "bk4294967295");
    assert_string_not_equal(bk__pg_statement_name(11, room), bk__pg_statement_name(12, other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_found_again_wherever_it_lies),
        cmocka_unit_test(test_an_address_with_another_text_is_another_statement),
        cmocka_unit_test(test_the_least_recently_used_goes_and_its_slot_is_used_again),
        cmocka_unit_test(test_what_is_on_its_way_stays),
        cmocka_unit_test(test_a_literal_that_was_pushed_out_is_added_again),
        cmocka_unit_test(test_slots_are_never_shared),
        cmocka_unit_test(test_verbs_are_seen_behind_blanks_and_comments_in_any_case),
        cmocka_unit_test(test_a_table_grows_and_begins_empty),
        cmocka_unit_test(test_a_table_gives_back_its_shapes),
        cmocka_unit_test(test_names_differ_and_fit),
    };

    return cmocka_run_group_tests_name("pg/statement", tests, NULL, NULL);
}
