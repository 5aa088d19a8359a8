/*
 * Keys that an issuer publishes, an app of ours on a thread of its own, which changes them, says
 * nonsense, and goes away.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "../unit/jwt_examples.h"
#include "../unit/text.h"
#include "harness/http_app.h"
#include "harness/stops.h"

enum {
    HOUR_MS = 60 * 60 * 1000,
    PATIENCE_MS = 60000,
    CROWD = 50
};

/* --- the issuer ------------------------------------------------------------------------------- */

/* What it answers. */
enum mode {
    ONE,      /* the first key */
    BOTH,     /* both keys */
    TWO,      /* the second key */
    GARBAGE,  /* no JSON */
    NO_KEYS,  /* a set without any */
    A_SECRET, /* a set with a secret */
    HUGE,     /* more than its reader takes */
    BUSY      /* 503 */
};

static struct issuer {
    bk_app *app;
    pthread_t thread;
    uint16_t port;
    _Atomic int mode;
    _Atomic bool holds; /* answers wait */
    _Atomic unsigned asked;
    _Atomic(const char *) cache_control; /* NULL: says nothing */
    bk_jwt_keys *one, *two;              /* private: they sign */
} issuer;

/* A set of one private key that is called @p kid. */
static bk_jwt_keys *signer(const char *jwk, const char *kid)
{
    bk_jwt_keys *keys = bk_jwt_keys_new(NULL);
    const bk_jwt_key_opts opts = {.kid = bk_str_of(kid)};

    assert_int_equal(bk_jwt_keys_add_jwk(keys, bk_str_of(jwk), &opts), BK_OK);
    return keys;
}

/* The public halves of both. */
static void write_both(bk_buf *buf)
{
    bk_buf one = {.arena = buf->arena}, two = {.arena = buf->arena};

    bk_jwt_keys_public(issuer.one, &one); /* {"keys":[...]} */
    bk_jwt_keys_public(issuer.two, &two);
    bk_buf_add(buf, bk_str_at(one.ptr, one.len - 2));
    bk_buf_add(buf, BK_LIT(","));
    bk_buf_add(buf, bk_str_at(two.ptr + 9, two.len - 9));
}

static void write_set(bk_buf *buf, enum mode mode)
{
    switch (mode) {
    case ONE:
        bk_jwt_keys_public(issuer.one, buf);
        break;
    case BOTH:
        write_both(buf);
        break;
    case TWO:
        bk_jwt_keys_public(issuer.two, buf);
        break;
    case NO_KEYS:
        bk_buf_add(buf, BK_LIT("{\"keys\":[]}"));
        break;
    case A_SECRET:
        bk_buf_add(buf, BK_LIT("{\"keys\":[" A3_PUBLIC "," A1_KEY "]}"));
        break;
    case HUGE:
        bk_buf_printf(buf, "{\"keys\":[%s]%300000s}", A3_PUBLIC, "");
        break;
    default:
        bk_buf_add(buf, BK_LIT("<html>"));
    }
}

static bk_err publish(bk_req *req, bk_res *res) /* GET /jwks.json */
{
    bk_buf buf = {.arena = bk_req_arena(req)};
    const char *said = atomic_load(&issuer.cache_control);

    atomic_fetch_add(&issuer.asked, 1);
    while (atomic_load(&issuer.holds))
        BK_TRY(bk_sleep_ms(2));
    if (atomic_load(&issuer.mode) == BUSY)
        return bk_fail(BK_EUNAVAILABLE, "not now");
    write_set(&buf, atomic_load(&issuer.mode));
    if (said != NULL)
        BK_TRY(bk_res_header(res, "Cache-Control", bk_str_of(said)));
    return bk_res_text(res, 200, bk_buf_str(&buf));
}

static void *run_issuer(void *data)
{
    assert_int_equal(bk_app_run(data), BK_OK);
    return NULL;
}

/* At the port where it was before, if it was. */
static void issuer_start(void)
{
    issuer.app = bk_app_new(NULL);
    bk_get(bk_app_router(issuer.app), "/jwks.json", publish);
    assert_int_equal(bk_app_listen(issuer.app, &(bk_listen_opts){.port = issuer.port}), BK_OK);
    issuer.port = bk_app_port(issuer.app, 0);
    assert_int_equal(pthread_create(&issuer.thread, NULL, run_issuer, issuer.app), 0);
}

static void issuer_stop(void)
{
    bk_app_stop(issuer.app);
    assert_int_equal(pthread_join(issuer.thread, NULL), 0);
    bk_app_free(issuer.app);
}

static int set_up(void **state)
{
    (void)state;
    atomic_store(&issuer.mode, ONE);
    atomic_store(&issuer.holds, false);
    atomic_store(&issuer.asked, 0);
    atomic_store(&issuer.cache_control, NULL);
    issuer.port = 0;
    issuer.one = signer(A3_KEY, "one");
    issuer.two = signer(ED_KEY, "two");
    issuer_start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    issuer_stop();
    bk_jwt_keys_free(issuer.one);
    bk_jwt_keys_free(issuer.two);
    return 0;
}

/* --- the app that trusts it ------------------------------------------------------------------- */

struct verifier {
    struct http_app it;
    bk_jwks *jwks;
    char url[64];
};

static bk_err show(bk_req *req, bk_res *res)
{
    return bk_res_text(res, 200, bk_req_jwt(req)->subject);
}

/* @p opts  Lacks what all have in common. */
static void open_verifier(struct verifier *self, bk_jwks_opts opts)
{
    bk_app *app = bk_app_new(NULL);

    *self = (struct verifier){.it = {.app = app}};
    snprintf(self->url, sizeof self->url, "http://127.0.0.1:%d/jwks.json", issuer.port);
    opts.client = bk_http_client_new(app, NULL);
    opts.keys = bk_jwt_keys_new(app);
    opts.url = self->url;
    opts.plain_http = true;
    if (opts.every_ms == 0)
        opts.every_ms = HOUR_MS;
    self->jwks = bk_jwks_new(app, &opts);
    bk_use(bk_app_router(app),
           bk_mw_jwt(app, &(bk_mw_jwt_opts){
                              .keys = opts.keys, .refresh = bk_jwks_refresh, .data = self->jwks}));
    bk_get(bk_app_router(app), "/", show);
    self->it.test = bk_test_new(app, NULL);
}

static bk_jwks_stats stats_of(const struct verifier *self)
{
    bk_jwks_stats stats;

    bk_jwks_get_stats(self->jwks, &stats);
    return stats;
}

/* Sends a token of ann's that @p keys sign. */
static bk_test_res *begin(struct verifier *self, bk_jwt_keys *keys)
{
    bk_arena *arena = bk_arena_new();
    const bk_jwt_sign_opts about = {.subject = BK_LIT("ann")};
    bk_str token;

    assert_int_equal(bk_jwt_sign(keys, arena, bk_str_at(NULL, 0), &about, &token), BK_OK);
    const bk_pair fields[] = {
        {BK_LIT("authorization"), bk_arena_printf(arena, "Bearer %.*s", BK_PRI(token))},
        {{NULL, 0}, {NULL, 0}}};
    bk_test_res *res = bk_test_begin(self->it.test, &(bk_test_req){.headers = fields});
    bk_arena_free(arena);
    return res;
}

static int ask(struct verifier *self, bk_jwt_keys *keys)
{
    bk_test_res *res = begin(self, keys);

    bk_test_finish(self->it.test, res);
    return bk_test_status(res);
}

static bk_err pause_a_little(void *data)
{
    (void)data;
    return bk_sleep_ms(5);
}

/* Asks again and again until the answer is @p status. */
static void ask_until(struct verifier *self, bk_jwt_keys *keys, int status)
{
    uint64_t begun = bk_now_ms();

    while (ask(self, keys) != status) {
        assert_int_equal(bk_test_run(self->it.test, pause_a_little, NULL), BK_OK);
        if (bk_now_ms() - begun > PATIENCE_MS)
            fail_msg("never %d", status);
    }
}

static void wait_for_fetches(struct verifier *self, uint64_t count)
{
    uint64_t begun = bk_now_ms();

    while (stats_of(self).fetches < count) {
        assert_int_equal(bk_test_run(self->it.test, pause_a_little, NULL), BK_OK);
        if (bk_now_ms() - begun > PATIENCE_MS)
            fail_msg("%d fetches never came", (int)count);
    }
}

/* --- claims ----------------------------------------------------------------------------------- */

static void test_a_worker_has_the_keys_when_it_starts(void **state)
{
    struct verifier it;

    (void)state;
    open_verifier(&it, (bk_jwks_opts){0});
    assert_int_equal(stats_of(&it).fetches, 1);
    assert_int_equal(stats_of(&it).keys, 1);
    assert_int_equal(ask(&it, issuer.one), 200);
    assert_int_equal(ask(&it, issuer.two), 401);
    assert_int_equal(atomic_load(&issuer.asked), 1); /* it had been asked a moment ago */
    http_app_close(&it.it);
}

static void test_a_new_key_is_found_by_its_kid_and_an_old_one_ends(void **state)
{
    struct verifier it;

    (void)state;
    open_verifier(&it, (bk_jwks_opts){.refresh_ms = 1});
    atomic_store(&issuer.mode, BOTH);
    ask_until(&it, issuer.two, 200);
    assert_int_equal(ask(&it, issuer.one), 200);
    assert_int_equal(stats_of(&it).keys, 2);
    atomic_store(&issuer.mode, TWO);
    bk_jwt_keys *third = signer(A4_KEY, "three");
    while (stats_of(&it).changes < 3) /* the set is asked for once its 1 ms is over */
        assert_int_equal(ask(&it, third), 401);
    assert_int_equal(ask(&it, issuer.one), 401);
    assert_int_equal(ask(&it, issuer.two), 200);
    bk_jwt_keys_free(third);
    http_app_close(&it.it);
}

static void test_a_flood_of_unknown_kids_is_one_fetch(void **state)
{
    struct verifier it;
    bk_test_res *crowd[CROWD];

    (void)state;
    open_verifier(&it, (bk_jwks_opts){.refresh_ms = 1});
    assert_int_equal(bk_test_run(it.it.test, pause_a_little, NULL), BK_OK); /* the 1 ms is over */
    atomic_store(&issuer.mode, BOTH);
    atomic_store(&issuer.holds, true);
    for (size_t i = 0; i < CROWD; i++)
        crowd[i] = begin(&it, issuer.two);
    bk_test_settle(it.it.test);
    assert_int_equal(ask(&it, issuer.one), 200); /* nobody else waits for it */
    atomic_store(&issuer.holds, false);
    for (size_t i = 0; i < CROWD; i++) {
        bk_test_finish(it.it.test, crowd[i]);
        assert_int_equal(bk_test_status(crowd[i]), 200);
    }
    assert_int_equal(atomic_load(&issuer.asked), 2); /* at the start, and once for all */
    http_app_close(&it.it);
}

static void test_lies_are_not_worth_a_second_fetch_within_its_time(void **state)
{
    struct verifier it;

    (void)state;
    open_verifier(&it, (bk_jwks_opts){.refresh_ms = HOUR_MS});
    atomic_store(&issuer.mode, BOTH);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(ask(&it, issuer.two), 401);
    assert_int_equal(atomic_load(&issuer.asked), 1);
    http_app_close(&it.it);
}

static void test_who_leaves_does_not_take_the_fetch_along(void **state)
{
    struct verifier it;

    (void)state;
    open_verifier(&it, (bk_jwks_opts){.refresh_ms = 1});
    assert_int_equal(bk_test_run(it.it.test, pause_a_little, NULL), BK_OK);
    atomic_store(&issuer.mode, BOTH);
    atomic_store(&issuer.holds, true);
    bk_test_res *leaves = begin(&it, issuer.two), *stays = begin(&it, issuer.two);
    bk_test_settle(it.it.test);
    bk_test_reset(it.it.test, leaves);
    bk_test_settle(it.it.test);
    atomic_store(&issuer.holds, false);
    bk_test_finish(it.it.test, stays);
    assert_int_equal(bk_test_status(stays), 200);
    assert_int_equal(atomic_load(&issuer.asked), 2);
    http_app_close(&it.it);
}

static void test_old_keys_stay_when_what_comes_is_of_no_use(void **state)
{
    static const enum mode modes[] = {GARBAGE, NO_KEYS, A_SECRET, HUGE, BUSY};
    static const char *const whys[] = {"no JSON object", "no key of this set", "a secret",
                                       "262144 bytes", "status 503"};
    const LargestIntegralType unknown[] = {401, 503};
    struct verifier it;

    (void)state;
    open_verifier(&it, (bk_jwks_opts){.refresh_ms = 1});
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        atomic_store(&issuer.mode, modes[i]);
        for (uint64_t two_more = stats_of(&it).fetches + 2; stats_of(&it).fetches < two_more;)
            assert_in_set(ask(&it, issuer.two), unknown, 2);
        assert_int_equal(ask(&it, issuer.two), 503); /* nobody can say whose it is */
        assert_int_equal(ask(&it, issuer.one), 200);
        assert_holds(bk_test_logs(it.it.test), "jwks.failed");
        assert_holds(bk_test_logs(it.it.test), whys[i]);
    }
    assert_true(stats_of(&it).failures >= 5);
    assert_int_equal(stats_of(&it).changes, 1);
    assert_int_equal(stats_of(&it).keys, 1);
    atomic_store(&issuer.mode, BOTH);
    ask_until(&it, issuer.two, 200);
    http_app_close(&it.it);
}

static void test_a_worker_starts_without_the_issuer_and_finds_it_later(void **state)
{
    struct verifier it;

    (void)state;
    issuer_stop();
    open_verifier(&it, (bk_jwks_opts){.refresh_ms = 10});
    assert_int_equal(stats_of(&it).failures, 1);
    assert_int_equal(stats_of(&it).keys, 0);
    assert_int_equal(ask(&it, issuer.one), 503);
    issuer_start();
    uint64_t begun = bk_now_ms();
    while (stats_of(&it).keys == 0) { /* by itself: nobody asks */
        assert_int_equal(bk_test_run(it.it.test, pause_a_little, NULL), BK_OK);
        assert_true(bk_now_ms() - begun < PATIENCE_MS);
    }
    assert_int_equal(ask(&it, issuer.one), 200);
    http_app_close(&it.it);
}

static void test_it_is_fetched_again_and_again_and_read_when_it_differs(void **state)
{
    struct verifier it;

    (void)state;
    open_verifier(&it, (bk_jwks_opts){.every_ms = 20, .least_ms = 1});
    wait_for_fetches(&it, 4);
    assert_int_equal(stats_of(&it).changes, 1);
    atomic_store(&issuer.mode, TWO);
    ask_until(&it, issuer.two, 200);
    assert_int_equal(stats_of(&it).changes, 2);
    assert_int_equal(stats_of(&it).failures, 0);
    http_app_close(&it.it);
}

static void test_the_answer_says_for_how_long_within_bounds(void **state)
{
    struct verifier it;

    (void)state;
    atomic_store(&issuer.cache_control, "public, max-age=1");
    open_verifier(&it, (bk_jwks_opts){.least_ms = 1}); /* else once an hour */
    wait_for_fetches(&it, 2);
    http_app_close(&it.it);

    atomic_store(&issuer.cache_control, "max-age=31536000");
    open_verifier(&it, (bk_jwks_opts){.least_ms = 1, .most_ms = 20});
    wait_for_fetches(&it, 2);
    http_app_close(&it.it);

    atomic_store(&issuer.cache_control, "no-store");
    uint64_t begun = bk_now_ms();
    open_verifier(&it, (bk_jwks_opts){.least_ms = 300, .every_ms = 1});
    wait_for_fetches(&it, 3);
    assert_true(bk_now_ms() - begun >= 2 * 270); /* up to a tenth sooner */
    http_app_close(&it.it);
}

/* --- wrong settings --------------------------------------------------------------------------- */

static void without_https(void)
{
    bk_app *app = bk_app_new(NULL);

    (void)!bk_jwks_new(app, &(bk_jwks_opts){.client = bk_http_client_new(app, NULL),
                                            .keys = bk_jwt_keys_new(app),
                                            .url = "http://id.example/jwks.json"});
}

static void with_redirects(void)
{
    bk_app *app = bk_app_new(NULL);
    const bk_http_client_opts opts = {.redirects = 3};

    (void)!bk_jwks_new(app, &(bk_jwks_opts){.client = bk_http_client_new(app, &opts),
                                            .keys = bk_jwt_keys_new(app),
                                            .url = "https://id.example/jwks.json"});
}

static void without_keys(void)
{
    bk_app *app = bk_app_new(NULL);

    (void)!bk_jwks_new(app, &(bk_jwks_opts){.client = bk_http_client_new(app, NULL),
                                            .url = "https://id.example/jwks.json"});
}

static void with_no_url(void)
{
    bk_app *app = bk_app_new(NULL);

    (void)!bk_jwks_new(app, &(bk_jwks_opts){.client = bk_http_client_new(app, NULL),
                                            .keys = bk_jwt_keys_new(app),
                                            .url = "https://who@id.example/jwks.json"});
}

static void with_odd_bounds(void)
{
    bk_app *app = bk_app_new(NULL);

    (void)!bk_jwks_new(app, &(bk_jwks_opts){.client = bk_http_client_new(app, NULL),
                                            .keys = bk_jwt_keys_new(app),
                                            .url = "https://id.example/jwks.json",
                                            .least_ms = 2,
                                            .most_ms = 1});
}

static void check_stops(void (*fn)(void), const char *why)
{
    char words[512];

    assert_true(stops(fn, words, sizeof words));
    assert_holds(bk_str_of(words), why);
}

static void test_wrong_settings_stop_the_program(void **state)
{
    (void)state;
    check_stops(without_https, "is not https");
    check_stops(with_redirects, "follows redirects");
    check_stops(without_keys, "must be set");
    check_stops(with_no_url, "none that can be asked");
    check_stops(with_odd_bounds, "least_ms is more");
}

#define with_issuer(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_issuer(test_a_worker_has_the_keys_when_it_starts),
        with_issuer(test_a_new_key_is_found_by_its_kid_and_an_old_one_ends),
        with_issuer(test_a_flood_of_unknown_kids_is_one_fetch),
        with_issuer(test_lies_are_not_worth_a_second_fetch_within_its_time),
        with_issuer(test_who_leaves_does_not_take_the_fetch_along),
        with_issuer(test_old_keys_stay_when_what_comes_is_of_no_use),
        with_issuer(test_a_worker_starts_without_the_issuer_and_finds_it_later),
        with_issuer(test_it_is_fetched_again_and_again_and_read_when_it_differs),
        with_issuer(test_the_answer_says_for_how_long_within_bounds),
        cmocka_unit_test(test_wrong_settings_stop_the_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
