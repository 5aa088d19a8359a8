/**
 * @file backend/token.h
 * @brief Random tokens and API keys: handed out once, kept as hashes.
 *
 * @code
 * bk_api_key key;
 * bk_api_key_new(arena, "shop", &key);
 * BK_TRY(keys_insert(db, key.id, key.hash, user)); // never key.text
 * return bk_res_text(res, 201, key.text);          // shop_4fK..., shown this one time
 * @endcode
 *
 * What a person chooses needs backend/password.h. These are 256 bits (API keys: 238) that nobody
 * can guess, so one round of SHA-256 is enough to keep them.
 */
#ifndef BACKEND_TOKEN_H
#define BACKEND_TOKEN_H

#include <backend/arena.h>
#include <backend/base.h>
#include <backend/str.h>

BK_BEGIN_DECLS

/** Characters of a token's hash. */
#define BK_TOKEN_HASH 64

/** A new token for a link in a mail, an invitation: 43 characters of base64url. In @p arena.
 *  @threads Any. */
BK_API BK_NODISCARD bk_str bk_token_new(bk_arena *arena);

/** What to keep of it: SHA-256, as 64 lower-case hexadecimal digits. In @p arena. @threads Any. */
BK_API BK_NODISCARD bk_str bk_token_hash(bk_arena *arena, bk_str token);

/** Whether @p hash is that of @p token, in a time that does not tell how much of it is.
 *  @threads Any. */
BK_API bool bk_token_matches(bk_str token, bk_str hash);

/** A new API key: `PREFIX_IDENTIFIER_SECRET`. */
typedef struct bk_api_key {
    bk_str text; /**< All of it, for who is to use it. */
    bk_str id;   /**< Its 12 characters to look it up by; not secret. */
    bk_str hash; /**< To keep: bk_token_hash() of the text. */
} bk_api_key;

/** Makes one. @param prefix  1 to 16 letters and digits, by which people and secret scanners know
 *  it; anything else stops the program. @param out  In @p arena. @threads Any. */
BK_API void bk_api_key_new(bk_arena *arena, const char *prefix, bk_api_key *out);

/** The id in @p text; absent when it has not the form of a key with @p prefix. Part of @p text.
 *  @threads Any. */
BK_API bk_str bk_api_key_id(bk_str text, const char *prefix);

BK_END_DECLS

#endif
