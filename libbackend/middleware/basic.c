/*
 * basic.c: user and password in each request. See <backend/middleware/basic.h>.
 *
 * All users are compared, as hashes, whichever it is: the time says nothing.
 */
#include <backend/middleware/basic.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/loop.h>
#include <backend/str.h>
#include <backend/token.h>

#include "core/assert.h"
#include "core/encode.h"
#include "middleware/challenge.h"

#define CREDENTIALS_MAX 2048

struct basic {
    bk_mw_basic_opts opts;
    char challenge[256];
};

/* Base64 with or without its padding; a bad one gives nothing. */
static bk_err decode(bk_arena *arena, bk_str text, bk_str *out)
{
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    char *url = bk_arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        url[i] = (char)(text.ptr[i] == '+' ? '-' : text.ptr[i] == '/' ? '_' : text.ptr[i]);
    return bk__base64url_decode(arena, bk_str_at(url, text.len), out);
}

static bool read_credentials(bk_req *req, bk_str *user, bk_str *password)
{
    bk_str text = bk__credentials(req, "Basic"), both;

    if (!bk_str_present(text) || text.len > CREDENTIALS_MAX)
        return false;
    if (decode(bk_req_arena(req), text, &both) != BK_OK) {
        bk_error_clear();
        return false;
    }
    const char *colon = memchr(both.ptr, ':', both.len);
    if (colon == NULL)
        return false;
    *user = bk_str_at(both.ptr, (size_t)(colon - both.ptr));
    *password = bk_str_at(colon + 1, both.len - user->len - 1);
    return true;
}

static bool is_one_of(const bk_basic_user *users, bk_arena *arena, bk_str user, bk_str password)
{
    bool found = false;

    for (; users->name != NULL; users++) {
        bool same_name = bk_token_matches(user, bk_token_hash(arena, bk_str_of(users->name)));
        bool same_password =
            bk_token_matches(password, bk_token_hash(arena, bk_str_of(users->password)));
        found |= same_name & same_password;
    }
    return found;
}

static bk_err check(const struct basic *self, bk_req *req, bk_principal *who, bk_str password)
{
    if (self->opts.check != NULL)
        return self->opts.check(req, who->id, password, who, self->opts.data);
    return is_one_of(self->opts.users, bk_req_arena(req), who->id, password)
               ? BK_OK
               : bk_fail(BK_EUNAUTHORIZED, "wrong user or password");
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct basic *self = data;
    bk_principal who = {0};
    bk_str password;

    if (!read_credentials(req, &who.id, &password))
        return bk__challenge(res, self->challenge, "this needs a user and a password");
    bk_err err = check(self, req, &who, password);
    if (err == BK_EUNAUTHORIZED) {
        bk_error_clear();
        return bk__challenge(res, self->challenge, "wrong user or password");
    }
    if (err != BK_OK)
        return err;
    bk_req_set_principal(req, &who);
    return bk_next_run(next, req, res);
}

static const bk_part_type part = {.name = "basic", .free = free};

bk_middleware bk_mw_basic(bk_app *app, const bk_mw_basic_opts *opts)
{
    struct basic *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    bk_assert(opts != NULL && (opts->users != NULL || opts->check != NULL));
    self->opts = *opts;
    const char *realm = opts->realm != NULL ? opts->realm : "internal";
    bk_assert(strchr(realm, '"') == NULL && strchr(realm, '\\') == NULL);
    int len = snprintf(self->challenge, sizeof self->challenge,
                       "Basic realm=\"%s\", charset=\"UTF-8\"", realm);
    bk_assert(len < (int)sizeof self->challenge);
    for (const bk_basic_user *user = opts->users; user != NULL && user->name != NULL; user++)
        bk_assert(strchr(user->name, ':') == NULL && user->password != NULL &&
                  user->password[0] != '\0');
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
