/*
 * fuzz_field.c: the input is the value of a field that a server sent: a Cache-Control, a name.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "client/field.h"
#include "core/assert.h"

#define YEAR_S (365 * 24 * 60 * 60)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With one directive more; in memory of its very size. */
static int64_t age_with(bk_str text, const char *more)
{
    size_t len = text.len + strlen(more);
    char *copy = malloc(len);

    bk_assert(copy != NULL);
    if (text.len != 0)
        memcpy(copy, text.ptr, text.len);
    memcpy(copy + text.len, more, strlen(more));
    int64_t age = bk__field_max_age(bk_str_at(copy, len));
    free(copy);
    return age;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_str text = {(const char *)data, size};
    int64_t age = bk__field_max_age(text);

    bk_assert(age >= -1 && age <= YEAR_S);
    bk_assert(age_with(text, ",x=1") == age);
    bk_assert(age_with(text, " , No-Store") == 0);
    bk_assert(age_with(text, ",max-age=7") == (age < 0 ? 7 : age));
    bk_assert(!bk__field_is_name(text) || (bk__field_is_value(text) && size != 0));
    bk_assert(!bk__field_is_value(text) ||
              (memchr(data, '\n', size) == NULL && memchr(data, '\0', size) == NULL));
    return 0;
}
