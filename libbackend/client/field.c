/*
 * field.c: names and values of fields. See field.h.
 */
#include "client/field.h"

#include <backend/str.h>

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool bk__field_is_name(bk_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_char(text.ptr[i]))
            return false;
    return text.len != 0;
}

bool bk__field_is_value(bk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* "max-age=60", also in quotes; -1: it is another directive, or no number. What is too large to
 * count is a year. */
static int64_t max_age(bk_str directive)
{
    static const int64_t year_s = 365 * 24 * 60 * 60;
    static const bk_str name = {"max-age=", 8};
    int64_t seconds = 0;

    if (directive.len <= name.len || !bk_str_ieq(bk_str_at(directive.ptr, name.len), name))
        return -1;
    bk_str digits = bk_str_at(directive.ptr + name.len, directive.len - name.len);
    if (digits.len > 2 && digits.ptr[0] == '"' && digits.ptr[digits.len - 1] == '"')
        digits = bk_str_at(digits.ptr + 1, digits.len - 2);
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return -1;
        if (seconds < year_s)
            seconds = seconds * 10 + (digits.ptr[i] - '0');
    }
    return seconds < year_s ? seconds : year_s;
}

int64_t bk__field_max_age(bk_str text)
{
    int64_t found = -1;
    bk_str part;

    while (bk_str_split(&text, ',', &part)) {
        part = bk_str_trim(part);
        if (bk_str_ieq(part, BK_LIT("no-store")) || bk_str_ieq(part, BK_LIT("no-cache")))
            return 0;
        if (found < 0)
            found = max_age(part);
    }
    return found;
}
