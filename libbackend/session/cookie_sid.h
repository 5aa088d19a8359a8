/*
 * cookie_sid.h: a session's id as it stands in the cookie.
 *
 *     "s%3A" ID "." SIGNATURE
 *
 * as npm express-session writes it: the whole percent-encoded, the signature being HMAC-SHA256 of
 * the id by the secret, in base64 without padding.
 */
#ifndef BK_SESSION_COOKIE_SID_H
#define BK_SESSION_COOKIE_SID_H

#include <backend/arena.h>

struct bk__hmac;

enum {
    BK__SID_LEN = 32,  /* of an id of ours: 24 bytes in base64url */
    BK__SID_MAX = 256, /* of an id that another service made */
    BK__SECRETS_MAX = 16
};

/* What verifies, the first of which signs. */
struct bk__sid_keys {
    struct bk__hmac *keys[BK__SECRETS_MAX];
    size_t count;
};

/* @p secrets ends with NULL and has at most BK__SECRETS_MAX. */
void bk__sid_keys_init(struct bk__sid_keys *keys, const char *const *secrets);
void bk__sid_keys_fini(struct bk__sid_keys *keys);

/* A new id. */
bk_str bk__sid_new(bk_arena *arena);

/* The id in a cookie's value; absent when it is none that was signed by one of the keys. */
bk_str bk__sid_read(const struct bk__sid_keys *keys, bk_arena *arena, bk_str cookie);

/* The cookie's value for an id. */
bk_str bk__sid_write(const struct bk__sid_keys *keys, bk_arena *arena, bk_str id);

/* Something that tells ids apart and does not tell what they are. */
bk_str bk__sid_name(const struct bk__sid_keys *keys, bk_arena *arena, bk_str id);

#endif
