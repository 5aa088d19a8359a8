/* What a statement counts as, by its first word. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pg/observe.h"

static void test_a_statement_counts_as_its_first_word(void **state)
{
    static const struct {
        const char *sql, *name;
    } cases[] = {
        {"SELECT 1", "SELECT"},
        {"  \n\tselect 1", "SELECT"},
        {"(SELECT 1) UNION (SELECT 2)", "SELECT"},
        {"Insert INTO a VALUES (1)", "INSERT"},
        {"UPDATE a SET b = 1", "UPDATE"},
        {"DELETE FROM a", "DELETE"},
        {"MERGE INTO a", "MERGE"},
        {"WITH a AS (SELECT 1) SELECT", "WITH"},
        {"COMMIT", "COMMIT"},
        {"COMMIT;", "COMMIT"},
        {"ROLLBACK TO SAVEPOINT a", "ROLLBACK"},
        {"SELECTED", "OTHER"},
        {"batch", "OTHER"}, /* no SQL's own word */
        {"SEL", "OTHER"},
        {"", "OTHER"},
        {"CREATE TABLE a ()", "OTHER"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(bk__pg_operation_name(bk__pg_operation_of(cases[i].sql)),
                            cases[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_statement_counts_as_its_first_word),
    };
    return cmocka_run_group_tests_name("pg_observe", tests, NULL, NULL);
}
