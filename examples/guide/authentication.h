/* authentication.h: what the handlers of authentication.c share. */
#ifndef GUIDE_AUTHENTICATION_H
#define GUIDE_AUTHENTICATION_H

#include <backend/backend.h>

struct account {
    char name[64], password[160];        /* the password's hash */
    char key_id[16], key[BK_TOKEN_HASH]; /* of its API key; the id is empty when it has none */
};

struct office { /* what handlers find by bk_req_state() */
    bk_limiter *guesses;
    bk_jwt_keys *tokens;
    struct account accounts[8]; /* stands for a table */
    size_t count;
};

/* @p secrets ends with NULL. */
void authentication_declare(bk_app *app, struct office *office, const char *const *secrets);

/* Takes over the keys that an issuer publishes now. */
bk_err authentication_renew(bk_jwt_keys *keys, bk_str jwks);

/* Bearer tokens of another's issuing. */
bk_middleware authentication_by_issuer(bk_app *app);

#endif
