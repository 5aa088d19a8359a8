/* A program with migrations, for migrate_test.py. MIGRATIONS names a folder to take them from
 * instead of the embedded ones, so that a test can have its own without a compiler. */
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/backend.h>

#define MOST 16

extern const bk_migrations migrations;

static bk_migration items[MOST];
static bk_migrations found = {items, 0};

static bk_str content(const char *path)
{
    static char room[MOST * 2][4096];
    static size_t used;
    FILE *file = fopen(path, "r");

    if (file == NULL || used == MOST * 2)
        err(1, "%s", path);
    size_t len = fread(room[used], 1, sizeof room[used], file);
    fclose(file);
    return bk_str_at(room[used++], len);
}

/* "NNNN_name.up.sql" and the like, in their order. "x.down.sql" comes before "x.up.sql". */
static void take(const char *folder, const char *file)
{
    char path[1024], name[64];
    long long version;
    char way[8];

    if (sscanf(file, "%lld_%63[^.].%7[^.].sql", &version, name, way) != 3)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    bk_migration *last = found.count > 0 ? &items[found.count - 1] : NULL;
    if (last == NULL || last->version != version) {
        last = &items[found.count++];
        last->version = version;
        last->name = strdup(name);
    }
    if (strcmp(way, "up") == 0) {
        last->up_file = strdup(file);
        last->up = content(path);
    } else {
        last->down_file = strdup(file);
        last->down = content(path);
    }
}

static const bk_migrations *read_folder(const char *folder)
{
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort);

    if (count < 0 || count > MOST * 2 + 2)
        err(1, "%s", folder);
    for (int i = 0; i < count; i++) {
        take(folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return &found;
}

/* Whatever needs the tables must not run when they are about to be made. */
static bk_err start(bk_app *app, void *data, void **state)
{
    (void)app, (void)data, (void)state;
    return bk_fail(BK_EINTERNAL, "the worker was started");
}

int main(int argc, char **argv)
{
    const char *folder = getenv("MIGRATIONS");
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "migrating", .on_worker_start = start});
    bk_pg *db = bk_pg_new(app, &(bk_pg_opts){
                                   .url = bk_str_of(getenv("DATABASE_URL")),
                                   .pool = {.min = 1, .max = 1, .acquire_ms = 2000},
                               });

    bk_migrations_use(app, db, folder != NULL ? read_folder(folder) : &migrations);
    return bk_app_main(app, argc, argv);
}
