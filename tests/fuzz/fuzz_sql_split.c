/*
 * fuzz_sql_split.c: the input is a file of SQL.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/assert.h"
#include "migrate/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was cut out is one statement, and the same one when it is cut again. */
static void check_alone(bk_str text)
{
    struct bk__sql_statement again;
    struct bk__sql_split split;
    bool more = false;

    bk__sql_split_init(&split, text);
    bk_assert(bk__sql_split_next(&split, &again, &more) == BK_OK && more);
    bk_assert(again.line == 1 && again.text.ptr == text.ptr && again.text.len == text.len);
    bk_assert(bk__sql_split_next(&split, &again, &more) == BK_OK && !more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_str input = bk_str_at((const char *)data, size);
    struct bk__sql_statement statement;
    struct bk__sql_split split;
    const char *at = input.ptr;
    bool more = true;
    int line = 1;

    if (size == 0)
        return 0;
    bk__sql_split_init(&split, input);
    while (bk__sql_split_next(&split, &statement, &more) == BK_OK && more) {
        bk_assert(statement.text.len > 0 && statement.text.ptr >= at);
        bk_assert(statement.text.ptr + statement.text.len <= input.ptr + input.len);
        for (; at < statement.text.ptr; at++)
            line += *at == '\n';
        bk_assert(statement.line == line);
        if (!bk_str_starts(statement.text, BK_LIT("\xef\xbb\xbf")))
            check_alone(statement.text);
    }
    bk_error_clear();
    return 0;
}
