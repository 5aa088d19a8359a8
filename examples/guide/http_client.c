/* http_client.c: asking other services, and mail. See docs/guide/http-client.md. */
#include "http_client.h"

/* snippet: get */
struct rate {
    bk_str currency;
    double euros;
};

BK_DESCRIBE(rate_desc, struct rate, BK_STR(currency, BK_REQUIRED), BK_F64(euros, BK_REQUIRED))

static bk_err price(bk_req *req, bk_res *res) /* GET /price/{currency} */
{
    const struct store *store = bk_req_state(req);
    bk_str currency = bk_req_param(req, "currency");
    struct rate rate;

    if (!bk_str_eq(currency, BK_LIT("usd")) && !bk_str_eq(currency, BK_LIT("gbp")))
        return bk_fail(BK_EINVAL, "we sell for usd and gbp");
    bk_str url =
        bk_arena_printf(bk_req_arena(req), "%s/rates/%.*s", store->rates_url, BK_PRI(currency));
    BK_TRY(bk_http_get_object(store->rates, url, rate_desc, &rate));
    return bk_res_object(res, 200, rate_desc, &rate);
}
/* end of snippet */

/* snippet: send */
static bk_err notify(bk_http_client *hooks, bk_str url, bk_str event, bk_str signature)
{
    const bk_http_header headers[] = {{BK_LIT("X-Signature"), signature}, {{NULL, 0}, {NULL, 0}}};
    const bk_http_request request = {.method = "POST",
                                     .url = url,
                                     .headers = headers,
                                     .body = event,
                                     .content_type = BK_LIT("application/json")};
    bk_http_answer answer;

    BK_TRY(bk_http_send(hooks, &request, &answer));
    if (answer.status >= 300)
        return bk_fail(BK_EUPSTREAM, "the webhook answered %d", answer.status);
    return BK_OK;
}
/* end of snippet */

static bk_err call_hook(bk_req *req, bk_res *res) /* POST /hooks?url= */
{
    const struct store *store = bk_req_state(req);

    BK_TRY(notify(store->hooks, bk_req_query_str(req, "url"), BK_LIT("{\"event\":\"paid\"}"),
                  BK_LIT("t=1,v1=00")));
    return bk_res_empty(res);
}

/* snippet: stream */
static bk_err count(bk_str piece, void *data)
{
    uint64_t *bytes = data;

    *bytes += piece.len; /* or write it to a file, a hash, a COPY */
    return BK_OK;
}

static bk_err history(bk_req *req, bk_res *res) /* GET /history */
{
    const struct store *store = bk_req_state(req);
    bk_arena *arena = bk_req_arena(req);
    uint64_t bytes = 0;
    const bk_http_request request = {.url = bk_arena_printf(arena, "%s/history", store->rates_url),
                                     .on_body = count,
                                     .data = &bytes,
                                     .retries = 2};
    bk_http_answer answer;

    BK_TRY(bk_http_send(store->rates, &request, &answer));
    return bk_res_text(
        res, 200,
        bk_arena_printf(arena, "%d, %llu bytes\n", answer.status, (unsigned long long)bytes));
}
/* end of snippet */

/* snippet: mail */
static bk_err confirm(bk_mailer *mailer, bk_str email, bk_str name)
{
    const bk_mail_address to = {email, name};
    const bk_mail mail = {.to = &to,
                          .to_count = 1,
                          .subject = BK_LIT("Thank you for your order"),
                          .text = BK_LIT("It is on its way.\n"),
                          .html = BK_LIT("<p>It is <b>on its way</b>.</p>\n")};

    return bk_mail_send(mailer, &mail, NULL);
}
/* end of snippet */

static bk_err order(bk_req *req, bk_res *res) /* POST /orders?email=&name= */
{
    const struct store *store = bk_req_state(req);

    BK_TRY(confirm(store->mailer, bk_req_query_str(req, "email"), bk_req_query_str(req, "name")));
    return bk_res_empty(res);
}

/* snippet: declare */
static void declare_clients(bk_app *app, struct store *store, const char *mail_url)
{
    /* our own service: quick, or not at all */
    store->rates =
        bk_http_client_new(app, &(bk_http_client_opts){.name = "rates", .timeout_ms = 2000});

    /* URLs that users give: only to the public internet, little back */
    store->hooks = bk_http_client_new(app, &(bk_http_client_opts){.name = "hooks",
                                                                  .deny_private = true,
                                                                  .body_bytes = 64 * 1024,
                                                                  .no_deadline_header = true,
                                                                  .no_trace = true});

    store->mailer = bk_mailer_new(
        app, &(bk_mailer_opts){.url = bk_str_of(mail_url),
                               .from = {BK_LIT("store@example.com"), BK_LIT("The Store")}});
}
/* end of snippet */

void http_client_declare(bk_app *app, struct store *store, const char *mail_url)
{
    bk_router *root = bk_app_router(app);

    declare_clients(app, store, mail_url);
    bk_get(root, "/price/{currency}", price, NULL);
    bk_post(root, "/hooks", call_hook, NULL);
    bk_get(root, "/history", history, NULL);
    bk_post(root, "/orders", order, NULL);
}
