/*
 * fuzz_accept_encoding.c: the input is a byte of what is offered, then an Accept-Encoding header.
 */
#include <stdint.h>

#include "core/assert.h"
#include "middleware/fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned offered = data[0] & (BK__CODING_GZIP | BK__CODING_BROTLI);
    bk_str header = {(const char *)data + 1, size - 1};
    enum bk__coding choice = bk__coding_choose(header, offered);
    bk_assert(choice == BK__CODING_IDENTITY || (offered & (unsigned)choice) != 0);
    /* With less on offer, what is still there is still the best. */
    bk_assert(choice == BK__CODING_IDENTITY || bk__coding_choose(header, choice) == choice);
    return 0;
}
