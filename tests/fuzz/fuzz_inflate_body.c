/*
 * fuzz_inflate_body.c: the input is a byte that says how, a byte of a limit, then a packed body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "middleware/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *out = NULL, *again = NULL;
    size_t len = 0, len_again = 0;

    if (size < 2)
        return 0;
    enum bk__packed how = (enum bk__packed)(data[0] % 3);
    size_t limit = (size_t)data[1] << (data[1] % 13);
    bk_str packed = {(const char *)data + 2, size - 2};
    bk_err err = bk__inflate(how, packed, limit, &out, &len);
    bk_assert(err == BK_OK || err == BK_EINVAL || err == BK_ETOOBIG);
    if (err != BK_OK) {
        bk_assert(out == NULL);
        return 0;
    }
    bk_assert(out != NULL && len <= limit);
    /* Exactly as much as it becomes is enough, and one byte less is not. */
    bk_assert(bk__inflate(how, packed, len, &again, &len_again) == BK_OK);
    bk_assert(len_again == len && memcmp(out, again, len) == 0);
    free(again);
    if (len != 0)
        bk_assert(bk__inflate(how, packed, len - 1, &again, &len_again) != BK_OK);
    free(out);
    return 0;
}
