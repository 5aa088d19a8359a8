/* http_client.h: see docs/guide/http-client.md. */
#ifndef GUIDE_HTTP_CLIENT_H
#define GUIDE_HTTP_CLIENT_H

#include <backend/backend.h>

/* The app's data. */
struct store {
    const char *rates_url; /* of a service that knows what money is worth */
    bk_http_client *rates, *hooks;
    bk_mailer *mailer;
};

void http_client_declare(bk_app *app, struct store *store, const char *mail_url);

#endif
