/* fuzz_password_hash.c: what may stand in a table of users: it is refused, or within all limits. */
#include <stdint.h>

#include <backend/errors.h>
#include <backend/str.h>

#include "core/assert.h"
#include "crypto/password_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk__hash hash;

    if (bk__hash_parse(bk_str_at((const char *)data, size), &hash) == BK_OK) {
        bk_assert(bk__hash_check_costs(hash.kind, hash.costs) == BK_OK);
        bk_assert(hash.salt_len <= BK__SALT_MAX && hash.key_len <= BK__KEY_MAX);
        bk_assert(hash.kind == BK__HASH_BCRYPT || hash.key_len >= 16);
    }
    bk_error_clear();
    return 0;
}
