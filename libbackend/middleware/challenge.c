/* challenge.c: see challenge.h. */
#include "middleware/challenge.h"

#include <string.h>

#include <backend/request.h>
#include <backend/str.h>

#include "http/exchange.h"

bk_err bk__challenge(bk_res *res, const char *challenge, const char *why)
{
    bk__res_push_header(res, BK_LIT("WWW-Authenticate"), bk_str_of(challenge));
    return bk_fail(BK_EUNAUTHORIZED, "%s", why);
}

bk_str bk__credentials(const bk_req *req, const char *scheme)
{
    bk_str field = bk__req_header(req, BK_LIT("authorization"));
    size_t len = strlen(scheme);

    if (field.len <= len || field.ptr[len] != ' ' ||
        !bk_str_ieq(bk_str_at(field.ptr, len), bk_str_of(scheme)))
        return bk_str_of(NULL);
    while (len < field.len && field.ptr[len] == ' ')
        len++;
    return bk_str_at(field.ptr + len, field.len - len);
}
