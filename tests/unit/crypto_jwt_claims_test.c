/*
 * What a token must say, and how it is read and made.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "jwt_bench.h"

/* --- rules ------------------------------------------------------------------------------------ */

static void test_a_token_lasts_until_30_seconds_after_it_expires(void **state)
{
    struct bench *it = *state;
    bk_str token = sign(it, HEAD, "{\"exp\":1700000000}");
    bk_str half = sign(it, HEAD, "{\"exp\":1699999999.5}");

    assert_taken(it, token, NULL);
    stand_at(&it->clock, NOW + 29);
    assert_taken(it, token, NULL);
    stand_at(&it->clock, NOW + 30);
    assert_refused(it, token, NULL, "the token has expired");
    assert_taken(it, token, &(bk_jwt_rules){.skew_s = 31});
    stand_at(&it->clock, NOW - 1);
    assert_taken(it, token, &(bk_jwt_rules){.skew_s = BK_JWT_NO_SKEW});
    assert_taken(it, half, &(bk_jwt_rules){.skew_s = BK_JWT_NO_SKEW});
    stand_at(&it->clock, NOW);
    assert_refused(it, half, &(bk_jwt_rules){.skew_s = BK_JWT_NO_SKEW}, "the token has expired");
    assert_refused(it, token, &(bk_jwt_rules){.skew_s = BK_JWT_NO_SKEW}, "the token has expired");
}

static void test_far_times_do_not_wrap_around(void **state)
{
    struct bench *it = *state;

    assert_taken(it, sign(it, HEAD, "{\"exp\":9223372036853}"), NULL);
    assert_refused(it, sign(it, HEAD, "{\"exp\":-9223372036853}"), NULL, "the token has expired");
    assert_refused(it, sign(it, HEAD, "{\"exp\":9223372036855}"), NULL,
                   "a time of the token is no number of seconds");
    assert_refused(it, sign(it, HEAD, "{\"exp\":1700003600,\"nbf\":9223372036853}"), NULL,
                   "the token is not valid yet");
    assert_refused(it, sign(it, HEAD, "{\"exp\":1700003600,\"iat\":-9223372036853}"),
                   &(bk_jwt_rules){.max_age_s = 1}, "the token is too old");
}

static void test_a_token_without_end_is_refused_unless_the_rules_allow_it(void **state)
{
    struct bench *it = *state;
    bk_str token = sign(it, HEAD, "{\"sub\":\"ann\"}");

    assert_refused(it, token, NULL, "the token never expires");
    assert_taken(it, token, &(bk_jwt_rules){.no_expiry = true});
    assert_refused(it, sign(it, HEAD, "{\"exp\":1}"), &(bk_jwt_rules){.no_expiry = true},
                   "the token has expired");
}

static void test_a_token_of_the_future_is_refused(void **state)
{
    struct bench *it = *state;

    assert_taken(it, sign(it, HEAD, "{\"exp\":1700003600,\"nbf\":1700000030}"), NULL);
    assert_refused(it, sign(it, HEAD, "{\"exp\":1700003600,\"nbf\":1700000031}"), NULL,
                   "the token is not valid yet");
    assert_taken(it, sign(it, HEAD, "{\"exp\":1700003600,\"iat\":1700000030}"), NULL);
    assert_refused(it, sign(it, HEAD, "{\"exp\":1700003600,\"iat\":1700000031}"), NULL,
                   "the token was issued in the future");
}

static void test_a_token_has_an_age(void **state)
{
    struct bench *it = *state;
    bk_jwt_rules rules = {.max_age_s = 600};

    assert_taken(it, sign(it, HEAD, "{\"exp\":1700003600,\"iat\":1699999370}"), &rules);
    assert_refused(it, sign(it, HEAD, "{\"exp\":1700003600,\"iat\":1699999369}"), &rules,
                   "the token is too old");
    assert_refused(it, sign(it, HEAD, GOOD), &rules, "the token is too old");
}

static void test_the_issuer_is_compared_whole(void **state)
{
    struct bench *it = *state;
    bk_jwt_rules rules = {.issuer = "https://a.example"};

    assert_taken(it, sign(it, HEAD, "{\"exp\":1700003600,\"iss\":\"https://a.example\"}"), &rules);
    for (const char *const *iss = (const char *const[]){"https://a.example/", "https://a.exampl",
                                                        "HTTPS://A.EXAMPLE", "", NULL};
         *iss != NULL; iss++) {
        char claims[128];
        snprintf(claims, sizeof claims, "{\"exp\":1700003600,\"iss\":\"%s\"}", *iss);
        assert_refused(it, sign(it, HEAD, claims), &rules, "the token is of another issuer");
    }
    assert_refused(it, sign(it, HEAD, GOOD), &rules, "the token is of another issuer");
}

static void test_a_token_for_somebody_else_is_refused(void **state)
{
    struct bench *it = *state;
    bk_str one = sign(it, HEAD, "{\"exp\":1700003600,\"aud\":\"shop\"}");
    bk_str many = sign(it, HEAD, "{\"exp\":1700003600,\"aud\":[\"bank\",\"sh\\u006fp\"]}");
    bk_str none = sign(it, HEAD, "{\"exp\":1700003600,\"aud\":[]}");

    assert_taken(it, one, &(bk_jwt_rules){.audience = "shop"});
    assert_taken(it, many, &(bk_jwt_rules){.audience = "shop"});
    assert_taken(it, many, &(bk_jwt_rules){.any_audience = true});
    assert_refused(it, one, &(bk_jwt_rules){.audience = "sho"},
                   "the token is for another audience");
    assert_refused(it, many, &(bk_jwt_rules){.audience = "post"},
                   "the token is for another audience");
    assert_refused(it, none, &(bk_jwt_rules){.audience = "shop"},
                   "the token is for another audience");
    assert_refused(it, sign(it, HEAD, GOOD), &(bk_jwt_rules){.audience = "shop"},
                   "the token is for another audience");
    assert_refused(it, one, NULL, "the token is for another audience"); /* who are we? */
}

/* A token of another purpose by the same key is none (RFC 8725, 3.11). */
static void test_the_type_is_checked(void **state)
{
    struct bench *it = *state;
    static const char *const plain[] = {"{\"alg\":\"HS256\"}", HEAD,
                                        "{\"alg\":\"HS256\",\"typ\":\"jwt\"}",
                                        "{\"alg\":\"HS256\",\"typ\":\"application/JWT\"}"};
    bk_jwt_rules access = {.typ = "at+jwt"};

    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        for (int again = 0; again < 2; again++) { /* and with the header that was seen */
            assert_taken(it, sign(it, plain[i], GOOD), NULL);
            assert_refused(it, sign(it, plain[i], GOOD), &access, "the token is of another type");
        }
    for (const char *const *typ = (const char *const[]){"at+jwt", "application/AT+JWT", NULL};
         *typ != NULL; typ++) {
        char header[96];
        snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"typ\":\"%s\"}", *typ);
        assert_taken(it, sign(it, header, GOOD), &access);
        assert_refused(it, sign(it, header, GOOD), NULL, "the token is of another type");
    }
    assert_refused(it, sign(it, "{\"alg\":\"HS256\",\"typ\":\"\"}", GOOD), NULL,
                   "the token is of another type");
}

/* --- claims ----------------------------------------------------------------------------------- */

struct claims {
    int64_t sub;
    bk_str email;
    bk_time exp, seen;
    bk_array roles;
};

BK_DESCRIBE(claims_desc, struct claims, BK_I64(sub), BK_STR(email, BK_REQUIRED),
            BK_TIME(exp, BK_WRITE_ONLY), BK_TIME(seen), BK_ARRAY(roles, BK_TYPE_STR))

static void test_claims_are_bound_and_written_by_their_description(void **state)
{
    struct bench *it = *state;
    struct claims in = {.sub = 7, .email = BK_LIT("a@b.c"), .seen = INT64_C(1600000000500000)}, out;
    bk_str token;
    bk_jwt jwt;

    assert_int_equal(bk_jwt_sign_object(it->keys, it->arena, claims_desc, &in, NULL, &token),
                     BK_OK);
    assert_int_equal(bk_jwt_verify(it->keys, it->arena, token, NULL, &jwt), BK_OK);
    assert_text(jwt.claims, "{\"sub\":7,\"email\":\"a@b.c\",\"seen\":1600000000.5,"
                            "\"iat\":1700000000,\"exp\":1700003600}");
    assert_text(jwt.subject, "7");
    assert_int_equal(bk_jwt_bind(&jwt, claims_desc, &out), BK_OK);
    assert_int_equal(out.sub, 7);
    assert_text(out.email, "a@b.c");
    assert_int_equal(out.seen, in.seen);
    assert_int_equal(out.exp, jwt.expires);
}

static void test_claims_that_do_not_fit_are_a_401_without_details(void **state)
{
    struct bench *it = *state;
    struct claims out;
    bk_jwt jwt;
    size_t count;
    static const char *const texts[] = {
        GOOD, "{\"exp\":1700003600,\"email\":7}",
        "{\"exp\":1700003600,\"email\":\"x\",\"seen\":\"2026-11-24T12:00:00Z\"}",
        "{\"exp\":1700003600,\"email\":\"x\",\"seen\":1e17}"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(bk_jwt_verify(it->keys, it->arena, sign(it, HEAD, texts[i]), NULL, &jwt),
                         BK_OK);
        assert_int_equal(bk_jwt_bind(&jwt, claims_desc, &out), BK_EUNAUTHORIZED);
        assert_text(bk_error_chain()->message,
                    "the token's claims are not those that are needed here");
        (void)bk_error_fields(&count);
        assert_int_equal(count, 0);
    }
}

static void test_claims_are_read_one_by_one(void **state)
{
    struct bench *it = *state;
    bk_jwt jwt;
    int64_t number = 0;
    bk_time at = 0;

    assert_int_equal(
        bk_jwt_verify(it->keys, it->arena,
                      sign(it, HEAD,
                           "{\"a\":{\"name\":\"inner\"},\"exp\":1700003600,\"name\":\"\\u0061nn\","
                           "\"n\":9007199254740993,\"yes\":true,\"no\":false,\"at\":1600000000.25,"
                           "\"list\":[1, {}]}"),
                      NULL, &jwt),
        BK_OK);
    assert_text(bk_jwt_str(&jwt, "name"), "ann");
    assert_text(bk_jwt_json(&jwt, "name"), "\"\\u0061nn\"");
    assert_text(bk_jwt_json(&jwt, "a"), "{\"name\":\"inner\"}");
    assert_text(bk_jwt_json(&jwt, "list"), "[1, {}]");
    assert_text(bk_jwt_json(&jwt, "exp"), "1700003600");
    assert_absent(bk_jwt_json(&jwt, "none"));
    assert_absent(bk_jwt_str(&jwt, "n"));
    assert_absent(bk_jwt_str(&jwt, "none"));
    assert_int_equal(bk_jwt_i64(&jwt, "n", &number), BK_OK);
    assert_int_equal(number, 9007199254740993);
    assert_int_equal(bk_jwt_i64(&jwt, "name", &number), BK_EUNAUTHORIZED);
    assert_text(bk_error_chain()->message, "the token's claim name is no integer");
    assert_int_equal(bk_jwt_time(&jwt, "at", &at), BK_OK);
    assert_int_equal(at, INT64_C(1600000000250000));
    assert_int_equal(bk_jwt_time(&jwt, "yes", &at), BK_EUNAUTHORIZED);
    assert_true(bk_jwt_bool(&jwt, "yes"));
    assert_false(bk_jwt_bool(&jwt, "no"));
    assert_false(bk_jwt_bool(&jwt, "name"));
    assert_false(bk_jwt_bool(&jwt, "none"));
}

static void check_words(const bk_jwt *jwt, const char *name, const char *wanted)
{
    char all[64] = "";

    for (const char *const *word = bk_jwt_words(jwt, name); *word != NULL; word++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s,", *word);
    assert_string_equal(all, wanted);
}

static void test_words_stand_in_arrays_or_between_blanks(void **state)
{
    struct bench *it = *state;
    bk_jwt jwt;

    assert_int_equal(
        bk_jwt_verify(it->keys, it->arena,
                      sign(it, HEAD,
                           "{\"exp\":1700003600,\"scope\":\" read  write \",\"role\":\"admin\","
                           "\"roles\":[\"a\",7,[\"x\"],\"\\u0062 c\"],\"empty\":[],\"n\":1,"
                           "\"blank\":\"\"}"),
                      NULL, &jwt),
        BK_OK);
    check_words(&jwt, "scope", "read,write,");
    check_words(&jwt, "role", "admin,");
    check_words(&jwt, "roles", "a,b c,");
    check_words(&jwt, "empty", "");
    check_words(&jwt, "blank", "");
    check_words(&jwt, "n", "");
    check_words(&jwt, "none", "");
}

/* --- making them ------------------------------------------------------------------------------ */

static void test_what_would_be_refused_is_not_made(void **state)
{
    struct bench *it = *state;
    bk_jwt_sign_opts about = {.subject = BK_LIT("ann")};
    char big[8192];
    bk_str token;
    static const struct {
        const char *claims, *why;
    } rows[] = {
        {"[]", "no token: the claims are no JSON object"},
        {"{\"a\":1", "no token: the claims are no JSON object"},
        {"{\"a\":1,\"a\":1}", "no token: the claims are no JSON, or say something twice"},
        {"{\"sub\":\"bob\"}", "no token: the claims are no JSON, or say something twice"},
        {"{\"exp\":\"soon\"}", "no token: a time of the token is no number of seconds"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(
            bk_jwt_sign(it->keys, it->arena, bk_str_of(rows[i].claims), &about, &token),
            BK_EINTERNAL);
        assert_text(bk_error_chain()->message, rows[i].why);
    }
    snprintf(big, sizeof big, "{\"x\":\"%06200d\"}", 0);
    assert_int_equal(bk_jwt_sign(it->keys, it->arena, bk_str_of(big), &about, &token),
                     BK_EINTERNAL);
}

static void test_times_of_the_caller_are_kept(void **state)
{
    struct bench *it = *state;
    bk_jwt_sign_opts forever = {.lifetime_s = BK_UNLIMITED, .typ = "at+jwt"};
    bk_str token;
    bk_jwt jwt;

    assert_int_equal(bk_jwt_sign(it->keys, it->arena,
                                 BK_LIT(" { \"iat\" : 1699999999 ,\"exp\":1700000001 } "), NULL,
                                 &token),
                     BK_OK);
    assert_int_equal(bk_jwt_verify(it->keys, it->arena, token, NULL, &jwt), BK_OK);
    assert_int_equal(jwt.issued, INT64_C(1699999999000000));
    assert_int_equal(jwt.expires, INT64_C(1700000001000000));
    assert_int_equal(bk_jwt_sign(it->keys, it->arena, BK_LIT("{}"), &forever, &token), BK_OK);
    assert_int_equal(bk_jwt_verify(it->keys, it->arena, token,
                                   &(bk_jwt_rules){.typ = "at+jwt", .no_expiry = true}, &jwt),
                     BK_OK);
    assert_int_equal(jwt.expires, 0);
    assert_text(jwt.claims, "{\"iat\":1700000000}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_a_token_lasts_until_30_seconds_after_it_expires),
        test(test_far_times_do_not_wrap_around),
        test(test_a_token_without_end_is_refused_unless_the_rules_allow_it),
        test(test_a_token_of_the_future_is_refused),
        test(test_a_token_has_an_age),
        test(test_the_issuer_is_compared_whole),
        test(test_a_token_for_somebody_else_is_refused),
        test(test_the_type_is_checked),
        test(test_claims_are_bound_and_written_by_their_description),
        test(test_claims_that_do_not_fit_are_a_401_without_details),
        test(test_claims_are_read_one_by_one),
        test(test_words_stand_in_arrays_or_between_blanks),
        test(test_what_would_be_refused_is_not_made),
        test(test_times_of_the_caller_are_kept),
    };
    return cmocka_run_group_tests_name("crypto_jwt_claims", tests, NULL, NULL);
}
