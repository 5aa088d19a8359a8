/*
 * fields.c: see fields.h. Accept-Encoding is RFC 9110, 12.5.3.
 */
#include "middleware/fields.h"

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/exchange.h"
#include "http/header.h"

void bk__vary(bk_res *res, bk_str name)
{
    bk_str before = bk_res_get_header(res, "Vary");

    if (!bk_str_present(before)) {
        bk__res_push_header(res, BK_LIT("Vary"), name);
        return;
    }
    if (bk__header_list_has(before, name) || bk__header_list_has(before, BK_LIT("*")))
        return;
    bk_str both =
        bk_arena_printf(bk_req_arena(res->req), "%.*s, %.*s", BK_PRI(before), BK_PRI(name));
    bk_err err = bk_res_header(res, "Vary", both);
    bk_debug_assert(err == BK_OK); /* made of what were header values */
    (void)err;
}

/* --- origins ---------------------------------------------------------------------------------- */

bool bk__origin_valid(bk_str origin)
{
    const char *mark = memmem(origin.ptr, origin.len, "://", 3);

    if (mark == NULL || mark == origin.ptr || mark + 3 == origin.ptr + origin.len)
        return false;
    for (size_t i = 0; i < origin.len; i++) {
        char c = origin.ptr[i];
        bool in_host = origin.ptr + i >= mark + 3;
        if (c <= ' ' || c >= 0x7f || (c >= 'A' && c <= 'Z') || c == ',' || c == '*' ||
            (in_host && (c == '/' || c == '?' || c == '#' || c == '@')))
            return false;
    }
    return true;
}

void bk__origins_check(const char *middleware, const char *const *origins)
{
    for (; origins != NULL && *origins != NULL; origins++)
        if (!bk__origin_valid(bk_str_of(*origins)))
            bk__setup_error(__FILE__, __LINE__,
                            "%s: \"%s\" is no origin: \"https://host\", in lower case, with a "
                            "port if it is not the scheme's own, and nothing behind it",
                            middleware, *origins);
}

bool bk__origins_have(const char *const *origins, bk_str origin)
{
    for (; origins != NULL && *origins != NULL; origins++)
        if (bk_str_eq(bk_str_of(*origins), origin))
            return true;
    return false;
}

/* --- Accept-Encoding -------------------------------------------------------------------------- */

enum {
    WEIGHTS = 3, /* identity, gzip, brotli: indexed by enum bk__coding */
    UNSAID = -1
};

/* "0", "0.5", "1.000" in thousandths; 0 for what is none. */
static int read_weight(bk_str text)
{
    static const int places[] = {100, 10, 1};
    int weight;

    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') ||
        (text.len > 1 && text.ptr[1] != '.'))
        return 0;
    weight = (text.ptr[0] - '0') * 1000;
    for (size_t i = 2; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 0;
        weight += (text.ptr[i] - '0') * places[i - 2];
    }
    return weight <= 1000 ? weight : 0;
}

/* The weight of one element, whose coding is put in @p name. */
static int read_element(bk_str element, bk_str *name)
{
    bk_str part, rest = element;

    (void)bk_str_split(&rest, ';', &part);
    *name = bk_str_trim(part);
    if (!bk_str_present(rest))
        return 1000;
    rest = bk_str_trim(rest);
    if (rest.len < 2 || (rest.ptr[0] | 0x20) != 'q')
        return 0;
    rest = bk_str_trim(bk_str_at(rest.ptr + 1, rest.len - 1));
    if (rest.len == 0 || rest.ptr[0] != '=')
        return 0;
    return read_weight(bk_str_trim(bk_str_at(rest.ptr + 1, rest.len - 1)));
}

static void note(int weights[WEIGHTS], int *others, bk_str name, int weight)
{
    if (bk_str_ieq(name, BK_LIT("gzip")) || bk_str_ieq(name, BK_LIT("x-gzip")))
        weights[BK__CODING_GZIP] = weight;
    else if (bk_str_ieq(name, BK_LIT("br")))
        weights[BK__CODING_BROTLI] = weight;
    else if (bk_str_ieq(name, BK_LIT("identity")))
        weights[BK__CODING_IDENTITY] = weight;
    else if (bk_str_eq(name, BK_LIT("*")))
        *others = weight;
}

enum bk__coding bk__coding_choose(bk_str accept_encoding, unsigned offered)
{
    int weights[WEIGHTS] = {UNSAID, UNSAID, UNSAID}, others = 0, best = 0;
    enum bk__coding choice = BK__CODING_IDENTITY;
    bk_str rest = accept_encoding, element, name;

    if (accept_encoding.len == 0)
        return BK__CODING_IDENTITY;
    while (bk__header_list_next(&rest, &element)) {
        int weight = read_element(element, &name);
        note(weights, &others, name, weight);
    }
    for (int coding = BK__CODING_BROTLI; coding >= BK__CODING_GZIP; coding--) {
        int weight = weights[coding] != UNSAID ? weights[coding] : others;
        if ((offered & (unsigned)coding) != 0 && weight > best) {
            best = weight;
            choice = (enum bk__coding)coding;
        }
    }
    return weights[BK__CODING_IDENTITY] > best ? BK__CODING_IDENTITY : choice;
}
