/*
 * mail_url.c: smtp://user:password@host:587?tls=optional&ca=FILE. See mailer.h.
 */
#include "client/mailer.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/assert.h"

/* A part of the URL, decoded; NULL when there is none. Yours: free(). */
static char *part(CURLU *url, CURLUPart which)
{
    char *text = NULL, *copy = NULL;

    if (curl_url_get(url, which, &text, CURLU_URLDECODE) == CURLUE_OK) {
        copy = strdup(text);
        bk_assert(copy != NULL);
    }
    curl_free(text);
    return copy;
}

static bk_err read_tls(bk_str value, enum bk__mail_tls *out)
{
    if (bk_str_eq(value, BK_LIT("required")))
        *out = BK__MAIL_TLS_REQUIRED;
    else if (bk_str_eq(value, BK_LIT("optional")))
        *out = BK__MAIL_TLS_OPTIONAL;
    else if (bk_str_eq(value, BK_LIT("never")))
        *out = BK__MAIL_TLS_NEVER;
    else
        return bk_fail(BK_EINVAL, "tls may be required, optional or never, not \"%.*s\"",
                       BK_PRI(value));
    return BK_OK;
}

static bk_err read_parameters(bk_str query, struct bk__mail_target *out)
{
    bk_str pair, name;

    while (bk_str_split(&query, '&', &pair)) {
        if (pair.len == 0)
            continue;
        (void)bk_str_split(&pair, '=', &name);
        if (bk_str_eq(name, BK_LIT("tls"))) {
            BK_TRY(read_tls(pair, &out->tls));
        } else if (bk_str_eq(name, BK_LIT("ca"))) {
            free(out->ca_file);
            out->ca_file = strndup(pair.ptr != NULL ? pair.ptr : "", pair.len);
        } else {
            return bk_fail(BK_EINVAL, "there is no parameter \"%.*s\"", BK_PRI(name));
        }
    }
    return BK_OK;
}

static bk_err read_server(CURLU *url, const char *scheme, struct bk__mail_target *out)
{
    bool from_start = strcmp(scheme, "smtps") == 0;
    char *host = part(url, CURLUPART_HOST), *port = part(url, CURLUPART_PORT);
    char *query = part(url, CURLUPART_QUERY);

    out->user = part(url, CURLUPART_USER);
    out->password = part(url, CURLUPART_PASSWORD);
    bk_err err = read_parameters(bk_str_of(query), out);
    if (err == BK_OK && out->tls != BK__MAIL_TLS_REQUIRED && (from_start || out->user != NULL))
        err = bk_fail(BK_EINVAL, "tls=optional and tls=never are for smtp: without a password");
    if (asprintf(&out->url, "%s://%s:%s", scheme, host != NULL ? host : "",
                 port != NULL ? port
                 : from_start ? "465"
                              : "587") < 0)
        bk_unreachable("there is memory");
    free(host);
    free(port);
    free(query);
    return err;
}

bk_err bk__mail_target_parse(bk_str text, struct bk__mail_target *out)
{
    char *copy = strndup(text.ptr != NULL ? text.ptr : "", text.len);
    CURLU *url = curl_url();
    bk_err err = BK_OK;

    *out = (struct bk__mail_target){0};
    bk_assert(copy != NULL && url != NULL);
    CURLUcode bad = curl_url_set(url, CURLUPART_URL, copy, 0);
    char *scheme = part(url, CURLUPART_SCHEME);
    if (bad != CURLUE_OK)
        err = bk_fail(BK_EINVAL, "the URL is not good: %s", curl_url_strerror(bad));
    else if (strcmp(scheme, "file") == 0)
        out->folder = part(url, CURLUPART_PATH);
    else if (strcmp(scheme, "smtp") == 0 || strcmp(scheme, "smtps") == 0)
        err = read_server(url, scheme, out);
    else
        err = bk_fail(BK_EINVAL, "the URL begins with none of smtp:, smtps: and file:");
    free(scheme);
    curl_url_cleanup(url);
    explicit_bzero(copy, text.len);
    free(copy);
    if (err != BK_OK)
        bk__mail_target_fini(out);
    return err;
}

void bk__mail_target_fini(struct bk__mail_target *target)
{
    if (target->password != NULL)
        explicit_bzero(target->password, strlen(target->password));
    free(target->folder);
    free(target->url);
    free(target->user);
    free(target->password);
    free(target->ca_file);
    *target = (struct bk__mail_target){0};
}
