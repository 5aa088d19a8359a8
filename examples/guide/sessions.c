/* sessions.c: logging in and out. See docs/guide/sessions.md. */
#include "sessions.h"

struct login {
    bk_str name, password;
};

BK_DESCRIBE(login_desc, struct login, BK_STR(name, BK_REQUIRED, BK_LEN(1, 100)),
            BK_STR(password, BK_REQUIRED, BK_LEN(1, 200)))

/* Stands for a look into the database. */
static bool is_right(const struct login *login)
{
    return bk_str_eq(login->password, BK_LIT("open sesame"));
}

/* snippet: login */
static bk_err login(bk_req *req, bk_res *res) /* POST /login */
{
    struct login login;
    bk_session *session;

    BK_TRY(bk_req_bind(req, login_desc, &login));
    if (!is_right(&login))
        return bk_fail(BK_EUNAUTHORIZED, "wrong name or password");
    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_session_login(session, login.name));
    return bk_res_empty(res);
}

static bk_err logout(bk_req *req, bk_res *res) /* POST /logout */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_session_destroy(session);
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: use */
static bk_err me(bk_req *req, bk_res *res) /* GET /me */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_str user = bk_session_user(session);
    if (!bk_str_present(user))
        return bk_fail(BK_EUNAUTHORIZED, "log in first");
    int64_t views = bk_session_i64(session, "views", 0) + 1;
    bk_session_set_i64(session, "views", views);
    return bk_res_text(res, 200,
                       bk_arena_printf(bk_req_arena(req), "%.*s, for the %lld. time\n",
                                       BK_PRI(user), (long long)views));
}
/* end of snippet */

/* snippet: elsewhere */
static bk_err devices(bk_req *req, bk_res *res) /* GET /devices */
{
    struct club *club = bk_req_state(req);
    const bk_session_info *infos;
    bk_session *session;
    size_t count;

    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_sessions_list(club->sessions, bk_session_user(session), &infos, &count));
    bk_json_writer *out = bk_res_json_writer(res, 200);
    bk_json_begin_array(out);
    for (size_t i = 0; i < count; i++) {
        bk_json_begin_object(out);
        bk_json_write_key(out, BK_LIT("name"));
        bk_json_write_str(out, infos[i].name); /* for bk_sessions_end() */
        bk_json_write_key(out, BK_LIT("since"));
        bk_json_write_time(out, infos[i].since);
        bk_json_end_object(out);
    }
    bk_json_end_array(out);
    return BK_OK;
}

static bk_err log_out_elsewhere(bk_req *req, bk_res *res) /* POST /logout-elsewhere */
{
    struct club *club = bk_req_state(req);
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_sessions_revoke(club->sessions, bk_session_user(session), session));
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: declare */
void sessions_declare(bk_app *app, struct club *club, bk_redis *redis, const char *const *secrets)
{
    bk_router *root = bk_app_router(app);

    club->sessions = bk_sessions_new(app, &(bk_sessions_opts){.redis = redis, .secrets = secrets});
    bk_use(root, bk_mw_session(app, &(bk_mw_session_opts){.sessions = club->sessions}));
    bk_post(root, "/login", login);
    bk_post(root, "/logout", logout);
    bk_get(root, "/me", me);
    bk_get(root, "/devices", devices);
    bk_post(root, "/logout-elsewhere", log_out_elsewhere);
}
/* end of snippet */
