/*
 * format.c: the texts that BK_FORMAT() knows, each by its own grammar.
 *
 * Written out rather than given to a regex engine: they are short, need no limits, and cost a pass.
 */
#include "json/format.h"

#include <arpa/inet.h>

/* What remains to be read. */
struct cursor {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool take(struct cursor *text, char c)
{
    if (text->at == text->end || *text->at != c)
        return false;
    text->at++;
    return true;
}

/* The valid address of HTML's input type=email. */

static bool is_label(bk_str label)
{
    if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!is_letter(label.ptr[i]) && !is_digit(label.ptr[i]) && label.ptr[i] != '-')
            return false;
    }
    return true;
}

static bool is_email(bk_str text)
{
    bk_str rest = text, local, label;

    bk_str_split(&rest, '@', &local);
    if (local.len == 0 || rest.ptr == NULL)
        return false;
    for (size_t i = 0; i < local.len; i++) {
        char c = local.ptr[i];
        if (!is_letter(c) && !is_digit(c) && !is_one_of(c, ".!#$%&'*+/=?^_`{|}~-"))
            return false;
    }
    while (bk_str_split(&rest, '.', &label)) {
        if (!is_label(label))
            return false;
    }
    return true;
}

/* RFC 9562, 4. */
static bool is_uuid(bk_str text)
{
    if (text.len != 36)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? text.ptr[i] != '-' : !is_hex(text.ptr[i]))
            return false;
    }
    return true;
}

static bool is_address(int family, bk_str text)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    char copy[INET6_ADDRSTRLEN];

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return memchr(copy, '\0', text.len) == NULL && inet_pton(family, copy, bytes) == 1;
}

/* RFC 3986: scheme ":" [ "//" authority ] path [ "?" query ] [ "#" fragment ]. */

static bool is_pchar(const struct cursor *text)
{
    char c = *text->at;
    if (c == '%')
        return text->end - text->at >= 3 && is_hex(text->at[1]) && is_hex(text->at[2]);
    return is_letter(c) || is_digit(c) || is_one_of(c, "-._~!$&'()*+,;=:@");
}

static void skip_pchars(struct cursor *text, const char *more)
{
    while (text->at < text->end && (is_pchar(text) || is_one_of(*text->at, more)))
        text->at++; /* the hex digits of "%41" pass by themselves */
}

/* "[" ( IPv6address / IPvFuture ) "]" */
static bool take_ip_literal(struct cursor *text)
{
    const char *begin = text->at;
    const char *close = memchr(begin, ']', (size_t)(text->end - begin));
    if (close == NULL)
        return false;
    text->at = close + 1;
    if (begin < close && (*begin | 0x20) == 'v') {
        struct cursor inside = {begin + 1, close};
        while (inside.at < close && is_hex(*inside.at))
            inside.at++;
        if (inside.at == begin + 1 || !take(&inside, '.') || inside.at == close)
            return false;
        while (inside.at < close && *inside.at != '%' && *inside.at != '@' && is_pchar(&inside))
            inside.at++;
        return inside.at == close;
    }
    return is_address(AF_INET6, bk_str_at(begin, (size_t)(close - begin)));
}

/* [ userinfo "@" ] host [ ":" port ] */
static bool take_authority(struct cursor *text)
{
    const char *end = text->at, *at_sign = NULL;
    for (; end < text->end && *end != '/' && *end != '?' && *end != '#'; end++) {
        if (*end == '@' && at_sign != NULL)
            return false;
        at_sign = *end == '@' ? end : at_sign;
    }
    struct cursor user = {text->at, at_sign},
                  host = {at_sign != NULL ? at_sign + 1 : text->at, end};
    text->at = end;
    if (at_sign != NULL) {
        skip_pchars(&user, "");
        if (user.at != at_sign)
            return false;
    }
    if (take(&host, '[')) {
        if (!take_ip_literal(&host))
            return false;
    } else {
        while (host.at < end && *host.at != ':' && is_pchar(&host))
            host.at++;
    }
    if (take(&host, ':')) {
        while (host.at < end && is_digit(*host.at))
            host.at++;
    }
    return host.at == end;
}

static bool is_uri(bk_str text)
{
    struct cursor rest = {text.ptr, text.ptr + text.len};

    if (text.len == 0 || !is_letter(*rest.at))
        return false;
    while (rest.at < rest.end &&
           (is_letter(*rest.at) || is_digit(*rest.at) || is_one_of(*rest.at, "+-.")))
        rest.at++;
    if (!take(&rest, ':'))
        return false;
    if (rest.end - rest.at >= 2 && rest.at[0] == '/' && rest.at[1] == '/') {
        rest.at += 2;
        if (!take_authority(&rest))
            return false;
    }
    skip_pchars(&rest, "/");
    if (take(&rest, '?'))
        skip_pchars(&rest, "/?");
    if (take(&rest, '#'))
        skip_pchars(&rest, "/?");
    return rest.at == rest.end;
}

/* RFC 3339, 5.6: a day that there is. */
static bool is_date(bk_str text)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *c = text.ptr;

    if (text.len != 10 || c[4] != '-' || c[7] != '-')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (i != 4 && i != 7 && !is_digit(c[i]))
            return false;
    }
    int year = (c[0] - '0') * 1000 + (c[1] - '0') * 100 + (c[2] - '0') * 10 + (c[3] - '0');
    int month = (c[5] - '0') * 10 + (c[6] - '0'), day = (c[8] - '0') * 10 + (c[9] - '0');
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month < 1 || month > 12 || day < 1)
        return false;
    return day <= days[month - 1] + (month == 2 && leap);
}

static bool is_slug(bk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '-' && (i == 0 || text.ptr[i - 1] == '-'))
            return false;
        if (c != '-' && !is_digit(c) && !(c >= 'a' && c <= 'z'))
            return false;
    }
    return text.len != 0 && text.ptr[text.len - 1] != '-';
}

bool bk__format_match(bk_format format, bk_str text)
{
    switch (format) {
    case BK_FORMAT_NONE:
        return true;
    case BK_FORMAT_EMAIL:
        return is_email(text);
    case BK_FORMAT_UUID:
        return is_uuid(text);
    case BK_FORMAT_URI:
        return is_uri(text);
    case BK_FORMAT_IPV4:
        return is_address(AF_INET, text);
    case BK_FORMAT_IPV6:
        return is_address(AF_INET6, text);
    case BK_FORMAT_DATE:
        return is_date(text);
    case BK_FORMAT_SLUG:
        return is_slug(text);
    }
    return false;
}

/* In the order of bk_format. */
static const struct {
    const char *words, *schema;
} names[] = {
    {"text", NULL},
    {"an e-mail address", "email"},
    {"a UUID", "uuid"},
    {"an absolute URI", "uri"},
    {"an IPv4 address", "ipv4"},
    {"an IPv6 address", "ipv6"},
    {"a date such as 2026-11-23", "date"},
    {"lower-case letters and digits in runs joined by single hyphens", NULL},
};

const char *bk__format_words(bk_format format)
{
    return names[format].words;
}

const char *bk__format_schema(bk_format format)
{
    return names[format].schema;
}
