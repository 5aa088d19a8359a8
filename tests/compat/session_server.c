/*
 * session_server.c: a service that shares its sessions with node/session_server.js, route by route.
 * For session_express_test.py.
 *
 * REDIS_URL names the Redis, SECRETS has the secrets between commas, MAX_AGE is that of the cookie
 * in ms, ROLLING sends it with each answer.
 */
#include <stdlib.h>
#include <string.h>

#include <backend/backend.h>

enum {
    SECRETS = 4
};

struct service {
    bk_sessions *sessions;
};

static bk_sessions *sessions_of(bk_req *req)
{
    const struct service *it = bk_req_state(req);

    return it->sessions;
}

static bk_err show(bk_req *req, bk_res *res) /* GET /show */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_json_writer *out = bk_res_json_writer(res, 200);
    bk_json_begin_object(out);
    bk_json_write_key(out, BK_LIT("views"));
    bk_json_write_i64(out, bk_session_i64(session, "views", 0));
    bk_json_write_key(out, BK_LIT("user"));
    bk_json_write_str(out, bk_session_str(session, "user"));
    bk_json_end_object(out);
    return BK_OK;
}

static bk_err count(bk_req *req, bk_res *res) /* POST /count */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_session_set_i64(session, "views", bk_session_i64(session, "views", 0) + 1);
    return bk_res_empty(res);
}

static bk_err login(bk_req *req, bk_res *res) /* POST /login?user= */
{
    bk_session *session;
    bk_str user = bk_req_query_str(req, "user");

    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_session_login(session, user));
    bk_session_set_str(session, "user", user);
    return bk_res_empty(res);
}

static bk_err logout(bk_req *req, bk_res *res) /* POST /logout */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_session_destroy(session);
    return bk_res_empty(res);
}

static bk_err devices(bk_req *req, bk_res *res) /* GET /devices?user=: how many */
{
    const bk_session_info *infos;
    size_t all;

    BK_TRY(bk_sessions_list(sessions_of(req), bk_req_query_str(req, "user"), &infos, &all));
    return bk_res_json(res, 200, bk_json_new_i64(bk_req_arena(req), (int64_t)all));
}

static bk_err revoke_all(bk_req *req, bk_res *res) /* POST /revoke?user= */
{
    BK_TRY(bk_sessions_revoke(sessions_of(req), bk_req_query_str(req, "user"), NULL));
    return bk_res_empty(res);
}

int main(int argc, char **argv)
{
    const char *secrets[SECRETS + 1] = {NULL}, *max_age = getenv("MAX_AGE");
    char *names = getenv("SECRETS"), *rest = NULL;
    struct service it;

    for (size_t i = 0; i < SECRETS; i++, names = NULL)
        if ((secrets[i] = strtok_r(names, ",", &rest)) == NULL)
            break;
    bk_app *app = bk_app_new(&(bk_app_opts){.data = &it});
    bk_redis *redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL"))});
    it.sessions = bk_sessions_new(
        app, &(bk_sessions_opts){
                 .redis = redis,
                 .secrets = secrets,
                 .express_compatible = true,
                 .idle_ms = max_age != NULL ? (uint32_t)strtoul(max_age, NULL, 10) : 0,
                 .persistent = max_age != NULL,
             });
    bk_router *root = bk_app_router(app);
    bk_use(root, bk_mw_session(app, &(bk_mw_session_opts){.sessions = it.sessions,
                                                          .rolling = getenv("ROLLING") != NULL}));
    bk_get(root, "/show", show, NULL);
    bk_post(root, "/count", count, NULL);
    bk_post(root, "/login", login, NULL);
    bk_post(root, "/logout", logout, NULL);
    bk_get(root, "/devices", devices, NULL);
    bk_post(root, "/revoke", revoke_all, NULL);
    return bk_app_main(app, argc, argv);
}
