/* service.c: the rules of accounts: passwords, guesses at them, and what a change voids. */
#include "../jobs/jobs.h"
#include "users.h"

/* --- the account of each request's user, from the cache --- */

static bk_str account_key(int64_t id)
{
    return bk_arena_printf(bk_fiber_arena(), "account:%lld", (long long)id);
}

struct load {
    bk_pg *db;
    int64_t id;
};

static bk_err load_account(bk_str key, void *data, void *out)
{
    const struct load *load = data;

    (void)key;
    return users_find_account(load->db, load->id, out);
}

bk_err users_account(struct shop *shop, int64_t id, struct account *out)
{
    struct load load = {shop->db, id};

    return bk_cache_fetch_object(shop->cache, account_key(id), NULL, account_desc, load_account,
                                 &load, out);
}

/* What was known of the account does not hold any more. Without Redis this host knows that, and
 * the others' own copies end within seconds: no reason to call the change a failure. */
static void forget_account(struct shop *shop, int64_t id)
{
    if (bk_cache_del(shop->cache, account_key(id)) != BK_OK)
        bk_warn("users.cache_behind", bk_kv_i64("user", id));
}

/* --- registering and logging in --- */

struct sign_up {
    struct shop *shop;
    const struct registration *in;
    bk_str password_hash;
    struct user *out;
};

/* The account and the job of its welcome mail: both or none. */
static bk_err sign_up(bk_pg *tx, void *data)
{
    struct sign_up *it = data;

    BK_TRY(users_insert(tx, it->in, it->password_hash, it->out));
    return it->shop->queue != NULL ? jobs_welcome(it->shop, tx, it->out->id) : BK_OK;
}

bk_err users_register(struct shop *shop, bk_arena *arena, const struct registration *in,
                      struct user *out)
{
    struct sign_up it = {.shop = shop, .in = in, .out = out};

    BK_TRY(bk_password_hash(arena, in->password, NULL, &it.password_hash));
    return bk_pg_tx(shop->db, sign_up, &it);
}

/* @p cost 0 only looks whether there is one left. */
static bk_err count_guess(bk_limiter *guesses, bk_str key, uint32_t cost)
{
    bk_limit_result result;

    BK_TRY(bk_limiter_take(guesses, key, cost, &result));
    if (!result.allowed)
        return bk_fail(BK_ELIMITED, "too many attempts, try again later");
    return BK_OK;
}

bk_err users_check_login(struct shop *shop, bk_str client, const struct login *in, struct user *out,
                         int64_t *token_version)
{
    struct account account;

    /* Whether there is such an account must show neither in the answer nor in its time. An office
     * behind one address logs in often, so of addresses only what was wrong counts. */
    BK_TRY(count_guess(shop->address_guesses, client, 0));
    BK_TRY(count_guess(shop->account_guesses, in->email, 1));
    bk_err found = users_find_account_by_email(shop->db, in->email, &account);
    if (found != BK_OK && found != BK_ENOTFOUND)
        return found;
    bk_err right = bk_password_verify(in->password, account.password_hash, NULL, NULL);
    if (right == BK_EUNAUTHORIZED) {
        BK_TRY(count_guess(shop->address_guesses, client, 1));
        return bk_fail(BK_EUNAUTHORIZED, "wrong address or password");
    }
    BK_TRY(right);
    if (bk_limiter_forget(shop->account_guesses, in->email) != BK_OK)
        bk_warn("login.guesses_kept", bk_kv_i64("user", account.id));
    *token_version = account.token_version;
    return users_find(shop->db, account.id, out);
}

/* --- changing --- */

bk_err users_change(struct shop *shop, bk_arena *arena, int64_t id,
                    const struct user_change *change, struct user *out)
{
    bk_str hash = {0};

    if (bk_str_present(change->password))
        BK_TRY(bk_password_hash(arena, change->password, NULL, &hash));
    BK_TRY(users_update(shop->db, id, change, hash, out));
    if (bk_str_present(hash)) /* who knew the old one is out */
        return users_void_tokens(shop, id);
    forget_account(shop, id);
    return BK_OK;
}

bk_err users_remove(struct shop *shop, int64_t id)
{
    BK_TRY(users_delete(shop->db, id));
    forget_account(shop, id);
    return BK_OK;
}

bk_err users_void_tokens(struct shop *shop, int64_t id)
{
    bk_str user = bk_arena_printf(bk_fiber_arena(), "%lld", (long long)id);

    BK_TRY(users_bump_token_version(shop->db, id));
    forget_account(shop, id);
    return bk_sessions_revoke(shop->sessions, user, NULL);
}
