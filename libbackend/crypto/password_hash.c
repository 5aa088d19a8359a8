/* password_hash.c: see password_hash.h. */
#include "crypto/password_hash.h"

#include <string.h>

#include <backend/str.h>

#define MEMORY_KIB_MAX 262144

/* --- reading ---------------------------------------------------------------------------------- */

static bool skip(bk_str *text, const char *what)
{
    size_t len = strlen(what);

    if (text->len < len || memcmp(text->ptr, what, len) != 0)
        return false;
    text->ptr += len;
    text->len -= len;
    return true;
}

/* A number without leading zeros, of at most 8 digits. */
static bool take_number(bk_str *text, uint32_t *out)
{
    size_t digits = 0;

    *out = 0;
    for (; text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9' && digits < 9; digits++) {
        *out = *out * 10 + (uint32_t)(text->ptr[0] - '0');
        text->ptr++;
        text->len--;
    }
    return digits > 0 && digits < 9 && (digits == 1 || text->ptr[-(ptrdiff_t)digits] != '0');
}

static int value_of(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

    return at != NULL ? (int)(at - alphabet) : -1;
}

/* Base64 (RFC 4648, 4) without padding, up to '$' or the end; the bits left over must be zero. */
static bool take_base64(bk_str *text, unsigned char *out, size_t room, size_t *len)
{
    uint32_t bits = 0;
    int count = 0;

    *len = 0;
    while (text->len > 0 && text->ptr[0] != '$') {
        int value = value_of(text->ptr[0]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            if (*len == room)
                return false;
            count -= 8;
            out[(*len)++] = (unsigned char)(bits >> count);
            bits &= (1u << count) - 1;
        }
        text->ptr++;
        text->len--;
    }
    return count < 6 && bits == 0;
}

/* SALT$KEY, at the end. */
static bool take_salt_and_key(bk_str *text, struct bk__hash *out)
{
    return take_base64(text, out->salt, sizeof out->salt, &out->salt_len) && skip(text, "$") &&
           take_base64(text, out->key, sizeof out->key, &out->key_len) && text->len == 0 &&
           out->salt_len >= 8 && out->key_len >= 16;
}

static bool parse_argon2(bk_str text, struct bk__hash *out)
{
    return skip(&text, "$v=19$m=") && take_number(&text, &out->costs[0]) && skip(&text, ",t=") &&
           take_number(&text, &out->costs[1]) && skip(&text, ",p=") &&
           take_number(&text, &out->costs[2]) && skip(&text, "$") && take_salt_and_key(&text, out);
}

static bool parse_scrypt(bk_str text, struct bk__hash *out)
{
    return skip(&text, "$ln=") && take_number(&text, &out->costs[0]) && skip(&text, ",r=") &&
           take_number(&text, &out->costs[1]) && skip(&text, ",p=") &&
           take_number(&text, &out->costs[2]) && skip(&text, "$") && take_salt_and_key(&text, out);
}

/* After "$2b$": two digits, '$', 53 characters of its own base64. */
static bool parse_bcrypt(bk_str text, struct bk__hash *out)
{
    enum {
        REST = 2 + 1 + 53
    };

    if (text.len != REST || text.ptr[2] != '$')
        return false;
    for (size_t i = 0; i < REST; i++) {
        char c = text.ptr[i];
        bool digit = c >= '0' && c <= '9';
        bool other = c == '.' || (value_of(c) >= 0 && c != '+');
        if (i < 2 ? !digit : i > 2 && !other)
            return false;
    }
    out->costs[0] = (uint32_t)(text.ptr[0] - '0') * 10 + (uint32_t)(text.ptr[1] - '0');
    return true;
}

/* --- limits ----------------------------------------------------------------------------------- */

static bool within(uint32_t value, uint32_t least, uint32_t most)
{
    return value >= least && value <= most;
}

bk_err bk__hash_check_costs(enum bk__hash_kind kind, const uint32_t costs[3])
{
    bool fine;

    if (kind == BK__HASH_BCRYPT)
        fine = within(costs[0], 4, 15);
    else if (kind == BK__HASH_SCRYPT) /* 128 * N * r bytes, p times */
        fine = within(costs[0], 1, 20) && within(costs[1], 1, 32) && within(costs[2], 1, 16) &&
               (((uint64_t)128 * costs[1]) << costs[0]) <= (uint64_t)MEMORY_KIB_MAX * 1024;
    else
        fine = within(costs[2], 1, 16) && within(costs[0], 8 * costs[2], MEMORY_KIB_MAX) &&
               within(costs[1], 1, 16);
    return fine ? BK_OK : bk_fail(BK_EINVAL, "the costs of the password's hash are not allowed");
}

static const struct {
    const char *prefix;
    enum bk__hash_kind kind;
    bool (*parse)(bk_str text, struct bk__hash *out);
} kinds[] = {
    {"$argon2id", BK__HASH_ARGON2ID, parse_argon2}, {"$argon2i", BK__HASH_ARGON2I, parse_argon2},
    {"$argon2d", BK__HASH_ARGON2D, parse_argon2},   {"$2a$", BK__HASH_BCRYPT, parse_bcrypt},
    {"$2b$", BK__HASH_BCRYPT, parse_bcrypt},        {"$2y$", BK__HASH_BCRYPT, parse_bcrypt},
    {"$scrypt", BK__HASH_SCRYPT, parse_scrypt},
};

bk_err bk__hash_parse(bk_str text, struct bk__hash *out)
{
    if (text.len > BK__HASH_MAX)
        return bk_fail(BK_EINVAL, "the password's hash has more than %d bytes", BK__HASH_MAX);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        bk_str rest = text;

        if (!skip(&rest, kinds[i].prefix))
            continue;
        *out = (struct bk__hash){.kind = kinds[i].kind};
        if (kinds[i].parse(rest, out))
            return bk__hash_check_costs(out->kind, out->costs);
    }
    return bk_fail(BK_EINVAL, "the password's hash is of no kind that is understood");
}
