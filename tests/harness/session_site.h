/*
 * session_site.h: an app with sessions, and one browser that visits it.
 *
 *     struct site it = site_open(NULL, NULL);
 *     ask(&it, "POST", "/login?user=42", 204);
 *     assert_user(&it, "42");
 *     site_close(&it);
 *
 * Without Redis its clock is virtual. To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_SESSION_SITE_H
#define TESTS_HARNESS_SESSION_SITE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <backend/backend.h>
#include <backend/testing.h>

#define SECRET  "0123456789abcdef0123456789abcdef"
#define HOUR_MS (3600 * 1000)

/* An app with sessions, and the cookie of one client of it. */
struct site {
    bk_app *app;
    bk_sessions *sessions;
    bk_test *test;
    bool is_virtual;  /* its clock */
    char cookie[512]; /* NAME=VALUE; "": none */
    char line[512];   /* the last Set-Cookie; "": none */
    char retry_after[16];
    int status;
    char body[4096];
};

static const char *const secrets[] = {SECRET, NULL};

static struct site *site; /* of the test that runs, for handlers */

/* --- what the handlers do --------------------------------------------------------------------- */

static inline bk_err show(bk_req *req, bk_res *res) /* GET /show */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_json_writer *out = bk_res_json_writer(res, 200);
    bk_json_begin_object(out);
    bk_json_write_key(out, BK_LIT("new"));
    bk_json_write_bool(out, bk_session_is_new(session));
    bk_json_write_key(out, BK_LIT("user"));
    bk_json_write_str(out, bk_session_user(session));
    bk_json_write_key(out, BK_LIT("n"));
    bk_json_write_i64(out, bk_session_i64(session, "n", -1));
    bk_json_end_object(out);
    return BK_OK;
}

static inline bk_err count(bk_req *req, bk_res *res) /* POST /count */
{
    bk_session *session, *again;

    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_session_of(req, &again));
    assert_ptr_equal(session, again);
    bk_session_set_i64(session, "n", bk_session_i64(session, "n", 0) + 1);
    return bk_res_empty(res);
}

static inline bk_err plain(bk_req *req, bk_res *res) /* GET /plain */
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("plain"));
}

static inline bk_err count_and_fail(bk_req *req, bk_res *res) /* POST /fail */
{
    BK_TRY(count(req, res));
    return bk_fail(BK_EUNAUTHORIZED, "wrong password");
}

static inline bk_err login(bk_req *req, bk_res *res) /* POST /login?user= */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_session_login(session, bk_req_query_str(req, "user")));
    return bk_res_empty(res);
}

static inline bk_err rotate(bk_req *req, bk_res *res) /* POST /rotate */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_session_rotate(session);
    return bk_res_empty(res);
}

static inline bk_err logout(bk_req *req, bk_res *res) /* POST /logout */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_session_destroy(session);
    bk_session_set_i64(session, "n", 99);
    assert_int_equal(bk_session_i64(session, "n", -1), -1);
    return bk_res_empty(res);
}

static inline bk_err remember(bk_req *req, bk_res *res) /* POST /remember?ms= */
{
    bk_session *session;
    int64_t ms;

    BK_TRY(bk_req_query_i64(req, "ms", 0, 0, UINT32_MAX, &ms));
    BK_TRY(bk_session_of(req, &session));
    bk_session_set_max_age(session, (uint32_t)ms);
    return bk_res_empty(res);
}

static inline bk_err fill_up(bk_req *req, bk_res *res) /* POST /fill?bytes= */
{
    bk_session *session;
    int64_t bytes;

    BK_TRY(bk_req_query_i64(req, "bytes", 0, 0, 1 << 20, &bytes));
    BK_TRY(bk_session_of(req, &session));
    char *text = bk_arena_alloc(bk_req_arena(req), (size_t)bytes);
    memset(text, 'x', (size_t)bytes);
    bk_session_set_str(session, "fill", bk_str_at(text, (size_t)bytes));
    return bk_res_empty(res);
}

static inline bk_err devices(bk_req *req, bk_res *res) /* GET /devices?user= */
{
    const bk_session_info *infos;
    size_t all;

    BK_TRY(bk_sessions_list(site->sessions, bk_req_query_str(req, "user"), &infos, &all));
    bk_json_writer *out = bk_res_json_writer(res, 200);
    bk_json_begin_array(out);
    for (size_t i = 0; i < all; i++) {
        int64_t n = -1;
        assert_true(infos[i].since > 0);
        if (bk_json_at(infos[i].data, BK_LIT("/n")) != NULL)
            assert_int_equal(bk_json_i64(bk_json_at(infos[i].data, BK_LIT("/n")), &n), BK_OK);
        bk_json_write_i64(out, n);
        if (bk_str_present(bk_req_query_str(req, "end")) && i == 0)
            BK_TRY(bk_sessions_end(site->sessions, bk_req_query_str(req, "user"), infos[i].name));
    }
    bk_json_end_array(out);
    return BK_OK;
}

static inline bk_err revoke_all(bk_req *req, bk_res *res) /* POST /revoke?user=&keep= */
{
    bk_session *session = NULL;

    if (bk_str_present(bk_req_query_str(req, "keep")))
        BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_sessions_revoke(site->sessions, bk_req_query_str(req, "user"), session));
    return bk_res_empty(res);
}

/* While it runs, somebody else revokes. */
static inline bk_err count_while_revoked(bk_req *req, bk_res *res) /* POST /revoked?user= */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_session_set_i64(session, "n", 7);
    if (bk_str_present(bk_req_query_str(req, "rotate")))
        bk_session_rotate(session);
    BK_TRY(bk_sessions_revoke(site->sessions, bk_req_query_str(req, "user"), NULL));
    return bk_res_empty(res);
}

static inline bk_err stream(bk_req *req, bk_res *res) /* GET /stream?commit= */
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_session_set_i64(session, "n", 5);
    if (bk_str_present(bk_req_query_str(req, "commit")))
        BK_TRY(bk_session_commit(req, res));
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("piece")));
    bk_session_set_i64(session, "n", 6);
    return BK_OK;
}

/* --- the client ------------------------------------------------------------------------------- */

/* @p more: registers routes of the test's own. @p url: of Redis. All may be NULL. */
static inline struct site site_open_with(const bk_sessions_opts *opts,
                                         const bk_mw_session_opts *mw_opts,
                                         void (*more)(bk_router *root), const char *url)
{
    struct site it = {.app = bk_app_new(NULL), .is_virtual = url == NULL};
    bk_sessions_opts all = opts != NULL ? *opts : (bk_sessions_opts){0};
    bk_mw_session_opts mw = mw_opts != NULL ? *mw_opts : (bk_mw_session_opts){0};
    bk_router *root = bk_app_router(it.app);

    if (url != NULL)
        all.redis =
            bk_redis_new(it.app, &(bk_redis_opts){.url = bk_str_of(url), .command_ms = 5000});
    if (all.secrets == NULL)
        all.secrets = secrets;
    it.sessions = bk_sessions_new(it.app, &all);
    mw.sessions = it.sessions;
    bk_use(root, bk_mw_session(it.app, &mw));
    bk_get(root, "/show", show, NULL);
    bk_get(root, "/plain", plain, NULL);
    bk_post(root, "/count", count, NULL);
    bk_post(root, "/fail", count_and_fail, NULL);
    bk_post(root, "/login", login, NULL);
    bk_post(root, "/rotate", rotate, NULL);
    bk_post(root, "/logout", logout, NULL);
    bk_post(root, "/remember", remember, NULL);
    bk_post(root, "/fill", fill_up, NULL);
    bk_get(root, "/devices", devices, NULL);
    bk_post(root, "/revoke", revoke_all, NULL);
    bk_post(root, "/revoked", count_while_revoked, NULL);
    bk_get(root, "/stream", stream, NULL);
    if (more != NULL)
        more(root);
    it.test = bk_test_new(it.app, &(bk_test_opts){.virtual_clock = url == NULL});
    return it;
}

static inline struct site site_open(const bk_sessions_opts *opts, const bk_mw_session_opts *mw_opts)
{
    return site_open_with(opts, mw_opts, NULL, NULL);
}

static inline void site_close(struct site *it)
{
    bk_test_free(it->test);
    bk_app_free(it->app);
}

/* As a browser: sends its cookie, keeps what comes, forgets what is to be forgotten. */
static inline int ask_at(struct site *it, const char *method, const char *target, const char *host,
                         const char *client)
{
    bk_pair fields[] = {{BK_LIT("host"), bk_str_of(host)},
                        {BK_LIT("cookie"), bk_str_of(it->cookie)},
                        {{NULL, 0}, {NULL, 0}}};

    if (it->cookie[0] == '\0')
        fields[1] = fields[2];
    site = it;
    bk_test_res *res = bk_test_send(
        it->test,
        &(bk_test_req){.method = method, .target = target, .headers = fields, .client = client});
    bk_str line = bk_test_header(res, "Set-Cookie"), body = bk_test_body(res);
    snprintf(it->line, sizeof it->line, "%.*s", BK_PRI(line));
    snprintf(it->body, sizeof it->body, "%.*s", BK_PRI(body));
    bk_str retry_after = bk_test_header(res, "Retry-After");
    snprintf(it->retry_after, sizeof it->retry_after, "%.*s", BK_PRI(retry_after));
    if (strstr(it->line, "Max-Age=0") != NULL)
        it->cookie[0] = '\0';
    else if (line.len != 0)
        snprintf(it->cookie, sizeof it->cookie, "%.*s", (int)strcspn(it->line, ";"), it->line);
    it->status = bk_test_status(res);
    return it->status;
}

static inline void ask(struct site *it, const char *method, const char *target, int status)
{
    if (ask_at(it, method, target, "example.com", "192.0.2.1") != status)
        fail_msg("%s %s: %d %s", method, target, it->status, it->body);
}

static inline void assert_count(struct site *it, int want)
{
    char text[64];

    ask(it, "GET", "/show", 200);
    snprintf(text, sizeof text, "\"n\":%d}", want);
    if (strstr(it->body, text) == NULL)
        fail_msg("%s is not in %s", text, it->body);
}

static inline void assert_user(struct site *it, const char *want)
{
    const char *quote = want != NULL ? "\"" : "";
    char text[64];

    ask(it, "GET", "/show", 200);
    snprintf(text, sizeof text, "\"user\":%s%s%s,", quote, want != NULL ? want : "null", quote);
    if (strstr(it->body, text) == NULL)
        fail_msg("%s is not in %s", text, it->body);
}

#define assert_line_has(it, part)   assert_non_null(strstr((it)->line, part))
#define assert_line_lacks(it, part) assert_null(strstr((it)->line, part))
#define assert_no_cookie(it)        assert_string_equal((it)->line, "")

static inline void advance(struct site *it, uint64_t ms)
{
    if (it->is_virtual) {
        bk_test_advance(it->test, ms);
        return;
    }
    usleep((useconds_t)(1000 * ms));
    bk_test_settle(it->test); /* a turn of the loop, which reads its clock */
}

static inline void log_in_times(struct site *it, int times, char cookies[][512])
{
    for (int i = 0; i < times; i++) {
        it->cookie[0] = '\0';
        ask(it, "POST", "/login?user=42", 204);
        for (int k = 0; k <= i; k++)
            ask(it, "POST", "/count", 204);
        memcpy(cookies[i], it->cookie, 512);
        advance(it, 10); /* so that one is older than the other */
    }
}

static inline bool is_logged_in(struct site *it, const char *cookie)
{
    memcpy(it->cookie, cookie, sizeof it->cookie);
    ask(it, "GET", "/show", 200);
    return strstr(it->body, "\"user\":\"42\"") != NULL;
}

#endif
