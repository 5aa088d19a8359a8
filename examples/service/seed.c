/*
 * seed.c: something to look at and to load. Rows that are there already stay, so it can run again.
 */
#include "seed.h"

#include <stdio.h>

#define ADMIN_EMAIL    "admin@example.test"
#define ADMIN_PASSWORD "admin in development"
#define USER_PASSWORD  "user in development"

/* One hash for all: ten thousand would take minutes, and none of these users is anybody. */
static const char users_sql[] =
    "INSERT INTO users (email, name, password_hash) "
    "SELECT 'user' || i || '@example.test', 'User ' || i, $1 FROM generate_series(1, 10000) AS i "
    "ON CONFLICT DO NOTHING";

static const char admin_sql[] =
    "INSERT INTO users (email, name, password_hash, role) VALUES ($1, 'Admin', $2, 'admin') "
    "ON CONFLICT DO NOTHING";

static const char products_sql[] =
    "INSERT INTO products (sku, name, description, price_cents, stock) "
    "SELECT 'SKU-' || lpad(i::text, 6, '0'), "
    "(ARRAY['Small', 'Large', 'Red', 'Green', 'Light', 'Solid', 'Quiet'])[1 + i % 7] || ' ' || "
    "(ARRAY['lamp', 'table', 'chair', 'kettle', 'shelf', 'clock', 'rug', 'mirror', 'basket', "
    "'vase', 'drawer'])[1 + i % 11] || ' ' || i, "
    "'Product ' || i || ', of which there are some in stock and more on their way.', "
    "100 + i * 7919 % 99900, i * 104729 % 1000 FROM generate_series(1, 10000) AS i "
    "ON CONFLICT DO NOTHING";

static bk_err seed_rows(bk_pg *tx, void *data)
{
    bk_str user_hash, admin_hash;
    int64_t users, products;

    (void)data;
    BK_TRY(bk_password_hash(bk_fiber_arena(), BK_LIT(USER_PASSWORD), NULL, &user_hash));
    BK_TRY(bk_password_hash(bk_fiber_arena(), BK_LIT(ADMIN_PASSWORD), NULL, &admin_hash));
    BK_TRY(bk_pg_exec(tx, users_sql, BK_ARGS(bk_text(user_hash)), &users));
    BK_TRY(bk_pg_exec(tx, admin_sql, BK_ARGS(bk_text(BK_LIT(ADMIN_EMAIL)), bk_text(admin_hash)),
                      NULL));
    BK_TRY(bk_pg_exec(tx, products_sql, BK_NO_ARGS, &products));
    printf("%lld users and %lld products added\n", (long long)users, (long long)products);
    return BK_OK;
}

struct seeding {
    const struct shop *shop;
    bool if_empty, done;
};

static bk_err seed(void *data)
{
    struct seeding *it = data;
    int64_t users = 0;

    if (it->if_empty)
        BK_TRY(bk_pg_exec(it->shop->db, "SELECT id FROM users LIMIT 1", BK_NO_ARGS, &users));
    if (users > 0)
        return BK_OK;
    it->done = true;
    return bk_pg_tx(it->shop->db, seed_rows, NULL);
}

static int run(bk_app *app, int argc, char **argv, void *data)
{
    struct seeding it = {.shop = data};

    it.if_empty = argc == 2 && strcmp(argv[1], "--if-empty") == 0;
    if (argc > 1 && !it.if_empty) {
        puts("usage: PROGRAM seed [--if-empty]    --if-empty: where there is no user yet");
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    if (config_is_production(it.shop->settings)) {
        fputs("seed: not in production: its passwords are known to all\n", stderr);
        return 1;
    }
    if (bk_app_call(app, "seed", seed, &it) != BK_OK) {
        fprintf(stderr, "seed: %s\n", bk_error_chain()->message.ptr);
        return 1;
    }
    if (!it.done)
        return 0;
    printf("admin: %s, password \"%s\"\n", ADMIN_EMAIL, ADMIN_PASSWORD);
    printf("users: user1@example.test to user10000@example.test, password \"%s\"\n", USER_PASSWORD);
    return 0;
}

void seed_declare(bk_app *app, struct shop *shop)
{
    bk_app_command(app, "seed", "add users and products for development", run, shop);
}
