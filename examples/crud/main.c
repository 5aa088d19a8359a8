/*
 * crud: notes in PostgreSQL, in one file. DATABASE_URL says where; "crud migrate up" makes the
 * table.
 */
#include <stdlib.h>

#include <backend/backend.h>

struct note {
    int64_t id;
    bk_str title, text;
    bk_time created_at;
};

/* clang-format off */
BK_DESCRIBE(note_desc, struct note,
    BK_I64(id, BK_READ_ONLY),
    BK_STR(title, BK_REQUIRED, BK_LEN(1, 200)),
    BK_STR(text, BK_LEN(0, 10000), BK_DEFAULT("\"\"")),
    BK_TIME(created_at, BK_READ_ONLY))
/* clang-format on */

static const bk_migration notes_table = {
    .version = 1,
    .name = "notes",
    .up_file = "crud",
    .up = BK_LIT("CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
                 "title text NOT NULL, text text NOT NULL, "
                 "created_at timestamptz NOT NULL DEFAULT now())"),
};
static const bk_migrations migrations = {&notes_table, 1};

/* bk_app_opts.data is where main() keeps it. */
static bk_pg *db_of(const bk_req *req)
{
    return *(bk_pg **)bk_req_state(req);
}

static bk_err list(bk_req *req, bk_res *res) /* GET /notes */
{
    bk_array notes;

    BK_TRY(bk_pg_all(db_of(req), "SELECT * FROM notes ORDER BY id LIMIT 100", BK_NO_ARGS, note_desc,
                     &notes));
    return bk_res_array(res, 200, note_desc, notes.items, notes.count);
}

static bk_err create(bk_req *req, bk_res *res) /* POST /notes */
{
    struct note note;

    BK_TRY(bk_req_bind(req, note_desc, &note));
    BK_TRY(bk_pg_one(db_of(req), "INSERT INTO notes (title, text) VALUES ($1, $2) RETURNING *",
                     BK_ARGS(bk_text(note.title), bk_text(note.text)), note_desc, &note));
    BK_TRY(
        bk_res_created(res, bk_arena_printf(bk_req_arena(req), "/notes/%lld", (long long)note.id)));
    return bk_res_object(res, 201, note_desc, &note);
}

static bk_err show(bk_req *req, bk_res *res) /* GET /notes/{id} */
{
    struct note note;
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(bk_pg_one(db_of(req), "SELECT * FROM notes WHERE id = $1", BK_ARGS(bk_i64(id)),
                     note_desc, &note)); /* no row: 404 */
    return bk_res_object(res, 200, note_desc, &note);
}

static bk_err replace(bk_req *req, bk_res *res) /* PUT /notes/{id} */
{
    struct note note;
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(bk_req_bind(req, note_desc, &note));
    BK_TRY(bk_pg_one(db_of(req), "UPDATE notes SET title = $2, text = $3 WHERE id = $1 RETURNING *",
                     BK_ARGS(bk_i64(id), bk_text(note.title), bk_text(note.text)), note_desc,
                     &note));
    return bk_res_object(res, 200, note_desc, &note);
}

static bk_err remove_note(bk_req *req, bk_res *res) /* DELETE /notes/{id} */
{
    int64_t id, changed;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(
        bk_pg_exec(db_of(req), "DELETE FROM notes WHERE id = $1", BK_ARGS(bk_i64(id)), &changed));
    return changed == 1 ? bk_res_empty(res) : bk_fail(BK_ENOTFOUND, "no such note");
}

int main(int argc, char **argv)
{
    bk_pg *db;
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "crud", .data = &db});
    bk_router *root = bk_app_router(app);

    db = bk_pg_new(app, &(bk_pg_opts){.url = bk_str_of(getenv("DATABASE_URL"))});
    bk_migrations_use(app, db, &migrations);
    bk_get(root, "/notes", list);
    bk_post(root, "/notes", create);
    bk_get(root, "/notes/{id}", show);
    bk_put(root, "/notes/{id}", replace);
    bk_delete(root, "/notes/{id}", remove_note);
    return bk_app_main(app, argc, argv);
}
