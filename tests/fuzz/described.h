/*
 * described.h: the struct that the fuzz targets of binding fill: every type and every rule.
 */
#ifndef FUZZ_DESCRIBED_H
#define FUZZ_DESCRIBED_H

#include <backend/describe.h>

static const char *const colours[] = {"red", "green", "blue", NULL};

struct item {
    int32_t qty;
    bk_str name;
    bool has_name;
    bk_array items; /* struct item */
};
BK_DESCRIBE(item_desc, struct item, BK_I32(qty, BK_REQUIRED, BK_MIN(0)),
            BK_STR(name, BK_HAS(has_name)), BK_ARRAY_OF(items, item_desc, BK_LEN(0, 3)))

struct order {
    int64_t id, count;
    bk_str name, mail, link, address, code, secret, extra;
    double price;
    bool ok, has_ok;
    bk_time at;
    int colour;
    struct item first;
    bk_array tags, numbers, items;
};
BK_DESCRIBE(order_desc, struct order, BK_I64(id, BK_READ_ONLY), BK_I64(count, BK_MAX(1000)),
            BK_STR(name, BK_REQUIRED, BK_LEN(1, 20)), BK_STR(mail, BK_FORMAT(BK_FORMAT_EMAIL)),
            BK_STR(link, BK_FORMAT(BK_FORMAT_URI)), BK_STR(address, BK_FORMAT(BK_FORMAT_IPV6)),
            BK_STR(code, BK_PATTERN("^(?:[A-Z]+-)*[0-9]+$")), BK_STR(secret, BK_WRITE_ONLY),
            BK_JSON(extra), BK_F64(price, BK_MIN(0)), BK_BOOL(ok, BK_HAS(has_ok)), BK_TIME(at),
            BK_ENUM(colour, colours, BK_DEFAULT("\"blue\"")), BK_STRUCT(first, item_desc),
            BK_ARRAY(tags, BK_TYPE_STR), BK_ARRAY(numbers, BK_TYPE_F64, BK_LEN(1, 9)),
            BK_ARRAY_OF(items, item_desc))

#endif
