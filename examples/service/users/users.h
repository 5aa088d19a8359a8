/*
 * users.h: accounts. The controllers speak HTTP and know no SQL, the service has the rules, the
 * repository has the SQL and knows no rules.
 */
#ifndef SERVICE_USERS_H
#define SERVICE_USERS_H

#include "../shop.h"

/* What others may see of a user. */
struct user {
    int64_t id;
    bk_str email, name, role;
    bk_time created_at, updated_at;
};

/* What only the service sees. */
struct account {
    int64_t id;
    bk_str password_hash, role;
    int64_t token_version;
};

struct registration {
    bk_str email, name, password;
};

struct login {
    bk_str email, password;
};

/* What a PATCH may change; what is absent stays. */
struct user_change {
    bk_str email, name, password, role;
};

struct page {
    int64_t limit, cursor;
};

struct user_page {
    bk_array items; /* struct user */
    int64_t next_cursor;
    bool has_next;
};

#define PASSWORD BK_LEN(8, 200), BK_WRITE_ONLY

/* clang-format off */
BK_DESCRIBE(user_desc, struct user,
    BK_I64(id), BK_STR(email), BK_STR(name), BK_STR(role), BK_TIME(created_at), BK_TIME(updated_at))

BK_DESCRIBE(account_desc, struct account,
    BK_I64(id), BK_STR(password_hash), BK_STR(role), BK_I64(token_version))

BK_DESCRIBE(registration_desc, struct registration,
    BK_STR(email, BK_REQUIRED, BK_FORMAT(BK_FORMAT_EMAIL), BK_LEN(3, 254)),
    BK_STR(name, BK_REQUIRED, BK_LEN(1, 100)),
    BK_STR(password, BK_REQUIRED, PASSWORD))

BK_DESCRIBE(login_desc, struct login,
    BK_STR(email, BK_REQUIRED, BK_LEN(1, 254)),
    BK_STR(password, BK_REQUIRED, BK_LEN(1, 200), BK_WRITE_ONLY))

BK_DESCRIBE(user_change_desc, struct user_change,
    BK_STR(email, BK_FORMAT(BK_FORMAT_EMAIL), BK_LEN(3, 254)),
    BK_STR(name, BK_LEN(1, 100)),
    BK_STR(password, PASSWORD),
    BK_STR(role, BK_PATTERN("^(user|admin)$"), BK_DOC("user or admin; only admins set it")))

BK_DESCRIBE(page_desc, struct page,
    BK_I64(limit, BK_DEFAULT("20"), BK_MIN(1), BK_MAX(100)),
    BK_I64(cursor, BK_MIN(0), BK_DOC("next_cursor of the page before")))

BK_DESCRIBE(user_page_desc, struct user_page,
    BK_ARRAY_OF(items, user_desc), BK_I64(next_cursor, BK_HAS(has_next)))
/* clang-format on */

/* controller.c and auth.c: routes below /api. */
void users_routes(bk_app *app, bk_router *api, struct shop *shop);
void auth_routes(bk_app *app, bk_router *api, struct shop *shop);

/* who.c: the middleware lists of the shop; and who is asking, behind them. */
void who_declare(bk_app *app, struct shop *shop);
int64_t who_is(const bk_req *req);
bool who_is_admin(const bk_req *req);

/* service.c */
bk_err users_register(struct shop *shop, bk_arena *arena, const struct registration *in,
                      struct user *out);
bk_err users_check_login(struct shop *shop, bk_str client, const struct login *in, struct user *out,
                         int64_t *token_version);
bk_err users_account(struct shop *shop, int64_t id, struct account *out); /* from the cache */
bk_err users_change(struct shop *shop, bk_arena *arena, int64_t id,
                    const struct user_change *change, struct user *out);
bk_err users_remove(struct shop *shop, int64_t id);
bk_err users_void_tokens(struct shop *shop, int64_t id);

/* repository.c */
bk_err users_insert(bk_pg *db, const struct registration *in, bk_str password_hash,
                    struct user *out);
bk_err users_find(bk_pg *db, int64_t id, struct user *out);
bk_err users_find_account(bk_pg *db, int64_t id, struct account *out);
bk_err users_find_account_by_email(bk_pg *db, bk_str email, struct account *out);
bk_err users_list(bk_pg *db, const struct page *page, struct user_page *out);
bk_err users_update(bk_pg *db, int64_t id, const struct user_change *change, bk_str password_hash,
                    struct user *out);
bk_err users_bump_token_version(bk_pg *db, int64_t id);
bk_err users_delete(bk_pg *db, int64_t id);
bk_err users_admins(bk_pg *db, bk_array *out); /* struct user */

#endif
