/* migrations.c: see docs/guide/migrations.md. */
#include <stdlib.h>

#include "guide.h"

/* snippet: use */
extern const bk_migrations shop_migrations; /* of the file that bk-embed-migrations wrote */

bk_pg *migrations_declare(bk_app *app)
{
    bk_pg *db = bk_pg_new(app, &(bk_pg_opts){.url = bk_str_of(getenv("DATABASE_URL"))});

    bk_migrations_use(app, db, &shop_migrations);
    return db;
}
/* end of snippet */

/* snippet: up */
bk_err migrations_up(bk_pg *db)
{
    size_t count;

    BK_TRY(bk_migrate_up(db, &shop_migrations, &(bk_migrate_opts){.connect_ms = 30000}, &count));
    bk_info("shop.migrated", bk_kv_i64("count", (int64_t)count));
    return BK_OK;
}
/* end of snippet */
