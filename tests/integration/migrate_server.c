/* A program with migrations, for migrate_test.py, which embeds folders of its own as well. */
#include <stdlib.h>

#include <backend/backend.h>

extern const bk_migrations migrations;

/* Whatever needs the tables must not run when they are about to be made. */
static bk_err start(bk_app *app, void *data, void **state)
{
    (void)app, (void)data, (void)state;
    return bk_fail(BK_EINTERNAL, "the worker was started");
}

int main(int argc, char **argv)
{
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "migrating", .on_worker_start = start});
    bk_pg *db = bk_pg_new(app, &(bk_pg_opts){
                                   .url = bk_str_of(getenv("DATABASE_URL")),
                                   .pool = {.min = 1, .max = 1, .acquire_ms = 2000},
                               });

    bk_migrations_use(app, db, &migrations);
    return bk_app_main(app, argc, argv);
}
