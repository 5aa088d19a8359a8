/* repository.c: the SQL of users. */
#include "users.h"

#define SHOWN "id, email, name, role, created_at, updated_at"

/* What the database refuses, in the client's words. */
static bk_err explain(bk_err err)
{
    if (err == BK_ECONFLICT && bk_pg_violates("users_email_key"))
        return bk_fail_field(bk_fail(BK_ECONFLICT, "this address has an account already"),
                             BK_LIT("/email"), BK_LIT("unique"), BK_LIT("is taken"));
    if (err == BK_ENOTFOUND)
        return bk_fail(BK_ENOTFOUND, "no such user");
    return err;
}

bk_err users_insert(bk_pg *db, const struct registration *in, bk_str password_hash,
                    struct user *out)
{
    return explain(bk_pg_one(db,
                             "INSERT INTO users (email, name, password_hash) VALUES ($1, $2, $3) "
                             "RETURNING " SHOWN,
                             BK_ARGS(bk_text(in->email), bk_text(in->name), bk_text(password_hash)),
                             user_desc, out));
}

bk_err users_find(bk_pg *db, int64_t id, struct user *out)
{
    return explain(bk_pg_one(db, "SELECT " SHOWN " FROM users WHERE id = $1", BK_ARGS(bk_i64(id)),
                             user_desc, out));
}

bk_err users_find_account(bk_pg *db, int64_t id, struct account *out)
{
    return bk_pg_one(db, "SELECT id, password_hash, role, token_version FROM users WHERE id = $1",
                     BK_ARGS(bk_i64(id)), account_desc, out);
}

bk_err users_find_account_by_email(bk_pg *db, bk_str email, struct account *out)
{
    return bk_pg_one(db,
                     "SELECT id, password_hash, role, token_version FROM users "
                     "WHERE lower(email) = lower($1)",
                     BK_ARGS(bk_text(email)), account_desc, out);
}

bk_err users_list(bk_pg *db, const struct page *page, struct user_page *out)
{
    BK_TRY(bk_pg_all(db, "SELECT " SHOWN " FROM users WHERE id > $1 ORDER BY id LIMIT $2",
                     BK_ARGS(bk_i64(page->cursor), bk_i64(page->limit + 1)), user_desc,
                     &out->items));
    out->has_next = out->items.count > (size_t)page->limit;
    if (out->has_next)
        out->next_cursor = ((struct user *)out->items.items)[--out->items.count - 1].id;
    return BK_OK;
}

bk_err users_update(bk_pg *db, int64_t id, const struct user_change *change, bk_str password_hash,
                    struct user *out)
{
    return explain(bk_pg_one(db,
                             "UPDATE users SET email = coalesce($2, email), "
                             "name = coalesce($3, name), role = coalesce($4, role), "
                             "password_hash = coalesce($5, password_hash), updated_at = now() "
                             "WHERE id = $1 RETURNING " SHOWN,
                             BK_ARGS(bk_i64(id), bk_text(change->email), bk_text(change->name),
                                     bk_text(change->role), bk_text(password_hash)),
                             user_desc, out));
}

bk_err users_bump_token_version(bk_pg *db, int64_t id)
{
    return bk_pg_exec(db, "UPDATE users SET token_version = token_version + 1 WHERE id = $1",
                      BK_ARGS(bk_i64(id)), NULL);
}

bk_err users_delete(bk_pg *db, int64_t id)
{
    int64_t changed;

    BK_TRY(bk_pg_exec(db, "DELETE FROM users WHERE id = $1", BK_ARGS(bk_i64(id)), &changed));
    return changed == 1 ? BK_OK : bk_fail(BK_ENOTFOUND, "no such user");
}

bk_err users_admins(bk_pg *db, bk_array *out)
{
    return bk_pg_all(db, "SELECT " SHOWN " FROM users WHERE role = 'admin' ORDER BY id LIMIT 1000",
                     BK_NO_ARGS, user_desc, out);
}
