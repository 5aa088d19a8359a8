/*
 * cookie.c: cookies.
 *
 * Reading takes what browsers send as it is: names are compared byte by byte and nothing is trimmed
 * but the blanks around a pair, so that no other name passes for "__Host-id". Making refuses all
 * that a browser would drop without a word.
 */
#include "http/cookie.h"

#include <openssl/evp.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "crypto/hmac.h"
#include "http/header.h"

#define COOKIE_MAX 4096
#define SECRET_MIN 32
#define MAC_TEXT   43 /* SHA-256 in base64url */

bk_str bk__cookie_find(bk_str header, bk_str name)
{
    bk_str piece;

    while (bk_str_split(&header, ';', &piece)) {
        bk_str value = bk_str_trim(piece), key;
        (void)bk_str_split(&value, '=', &key);
        if (!bk_str_present(value) || key.len == 0 || !bk_str_eq(key, name))
            continue;
        bool quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
        return quoted ? bk_str_at(value.ptr + 1, value.len - 2) : value;
    }
    return (bk_str){NULL, 0};
}

/* Making one. */

/* RFC 6265, 4.1.1, cookie-octet. */
static bool is_cookie_value(bk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
            return false;
    }
    return true;
}

static bool is_path(const char *path)
{
    for (const char *at = path; *at != '\0'; at++) {
        if (*at < ' ' || *at >= 0x7f || *at == ';')
            return false;
    }
    return path[0] == '/';
}

static bool is_label(bk_str label)
{
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        bool inner = i > 0 && i + 1 < label.len;
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c == '-' && inner)))
            return false;
    }
    return label.len > 0 && label.len <= 63;
}

static bool is_domain(const char *domain)
{
    bk_str rest = bk_str_of(domain), label;
    if (rest.len == 0 || rest.len > 253)
        return false;
    while (bk_str_split(&rest, '.', &label)) {
        if (!is_label(label))
            return false;
    }
    return true;
}

/* Names that begin like this tell browsers to insist on attributes, in any case. */
static bool has_prefix(bk_str name, bk_str prefix)
{
    return name.len >= prefix.len && bk_str_ieq(bk_str_at(name.ptr, prefix.len), prefix);
}

static const char *check_opts(bk_str name, const bk_cookie_opts *opts)
{
    bool for_host = has_prefix(name, BK_LIT("__Host-"));
    bool for_root = opts->path == NULL || strcmp(opts->path, "/") == 0;

    if (opts->path != NULL && !is_path(opts->path))
        return "its path does not begin with \"/\", or has bytes that it cannot hold";
    if (opts->domain != NULL && !is_domain(opts->domain))
        return "its domain is no host name";
    if ((unsigned)opts->same_site > BK_SAME_SITE_NONE)
        return "its SameSite is unknown";
    if (opts->insecure && opts->same_site == BK_SAME_SITE_NONE)
        return "SameSite=None needs Secure";
    if (opts->insecure && (for_host || has_prefix(name, BK_LIT("__Secure-"))))
        return "its prefix needs Secure";
    if (for_host && (opts->domain != NULL || !for_root))
        return "its prefix needs the path \"/\" and no domain";
    return NULL;
}

static bk_err refuse(bk_str name, const char *why)
{
    int shown = name.len < 64 ? (int)name.len : 64;
    return bk_fail(BK_EINVAL, "The cookie \"%.*s\" cannot be set: %s", shown, name.ptr, why);
}

bk_err bk__cookie_format(bk_arena *arena, bk_str name, bk_str value, const bk_cookie_opts *opts,
                         bk_str *out)
{
    static const char *const same_site[] = {"Lax", "Strict", "None"};
    static const bk_cookie_opts defaults;
    bk_buf buf = {.arena = arena};

    if (opts == NULL)
        opts = &defaults;
    if (!bk__header_is_token(name))
        return refuse(name, "its name is empty, or has bytes that it cannot hold");
    if (!is_cookie_value(value))
        return refuse(name, "its value has bytes that it cannot hold");
    if (value.len > COOKIE_MAX || name.len > COOKIE_MAX)
        return refuse(name, "it is over 4096 bytes");
    const char *wrong = check_opts(name, opts);
    if (wrong != NULL)
        return refuse(name, wrong);

    bk_buf_add(&buf, name);
    bk_buf_add_char(&buf, '=');
    bk_buf_add(&buf, value);
    bk_buf_add(&buf, BK_LIT("; Path="));
    bk_buf_add(&buf, bk_str_of(opts->path != NULL ? opts->path : "/"));
    if (opts->domain != NULL)
        bk_buf_printf(&buf, "; Domain=%s", opts->domain);
    if (opts->max_age_s > 0) {
        bk_buf_add(&buf, BK_LIT("; Max-Age="));
        bk_buf_add_i64(&buf, opts->max_age_s);
    }
    if (opts->max_age_s < 0)
        bk_buf_add(&buf, BK_LIT("; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"));
    if (!opts->insecure)
        bk_buf_add(&buf, BK_LIT("; Secure"));
    if (!opts->script_access)
        bk_buf_add(&buf, BK_LIT("; HttpOnly"));
    bk_buf_add(&buf, BK_LIT("; SameSite="));
    bk_buf_add(&buf, bk_str_of(same_site[opts->same_site]));
    if (buf.len > COOKIE_MAX)
        return refuse(name, "it is over 4096 bytes");
    *out = bk_buf_str(&buf);
    return BK_OK;
}

/* Signing. */

/* The text behind the dot. It is compared as text, so that no two texts are one signature. */
static void signature(bk_str secret, bk_str name, bk_str value, char out[MAC_TEXT])
{
    const bk_str parts[] = {name, BK_LIT("="), value};
    unsigned char sum[BK__HMAC_MAX], text[MAC_TEXT + 2]; /* with padding and NUL */

    bk_assert(secret.len >= SECRET_MIN);
    struct bk__hmac *hmac = bk__hmac_new("SHA256", secret);
    (void)bk__hmac_sum(hmac, parts, 3, sum);
    bk__hmac_free(hmac);
    EVP_EncodeBlock(text, sum, BK__HMAC_SHA256);
    for (size_t i = 0; i < MAC_TEXT; i++)
        out[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : (char)text[i];
}

bk_str bk__cookie_sign(bk_arena *arena, bk_str secret, bk_str name, bk_str value)
{
    char *text = bk_arena_alloc(arena, value.len + 1 + MAC_TEXT);
    if (value.len > 0)
        memcpy(text, value.ptr, value.len);
    text[value.len] = '.';
    signature(secret, name, value, text + value.len + 1);
    return bk_str_at(text, value.len + 1 + MAC_TEXT);
}

bk_str bk__cookie_verify(bk_str secret, bk_str name, bk_str signed_value)
{
    char right[MAC_TEXT];

    if (signed_value.len < MAC_TEXT + 1)
        return (bk_str){NULL, 0};
    bk_str value = {signed_value.ptr, signed_value.len - MAC_TEXT - 1};
    if (value.ptr[value.len] != '.')
        return (bk_str){NULL, 0};
    signature(secret, name, value, right);
    bool ours = bk__same_secret(right, value.ptr + value.len + 1, MAC_TEXT);
    return ours ? value : (bk_str){NULL, 0};
}
