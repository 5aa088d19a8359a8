/* binding.c: see docs/guide/binding.md. */
#include "guide.h"

/* clang-format off */
/* snippet: describe */
struct product {
    int64_t id;
    bk_str name;
    double price;
    bk_str note;
    bool sold_out;
};

BK_DESCRIBE(product_desc, struct product,
            BK_I64(id, BK_READ_ONLY),
            BK_STR(name, BK_REQUIRED, BK_LEN(1, 200)),
            BK_F64(price, BK_REQUIRED, BK_MIN(0)),
            BK_STR(note, BK_LEN(0, 1000)),
            BK_BOOL(sold_out, BK_KEY("soldOut")))
/* end of snippet */
/* clang-format on */

/* snippet: bind */
static bk_err create(bk_req *req, bk_res *res) /* POST /products */
{
    struct product product;

    BK_TRY(bk_req_bind(req, product_desc, &product));
    product.id = 42;
    BK_TRY(bk_res_created(res, BK_LIT("/products/42")));
    return bk_res_object(res, 201, product_desc, &product);
}
/* end of snippet */

/* clang-format off */
/* snippet: query */
struct listing {
    int64_t limit;
    int64_t after;
    bk_array tags;
};

BK_DESCRIBE(listing_desc, struct listing,
            BK_I64(limit, BK_DEFAULT("20"), BK_MIN(1), BK_MAX(100)),
            BK_I64(after, BK_MIN(0)),
            BK_ARRAY(tags, BK_TYPE_STR, BK_KEY("tag"), BK_LEN(0, 10)))

static bk_err list(bk_req *req, bk_res *res) /* GET /products?limit=2&tag=new&tag=red */
{
    struct listing query;

    BK_TRY(bk_req_bind_query(req, listing_desc, &query));
    return bk_res_object(res, 200, listing_desc, &query);
}
/* end of snippet */
/* clang-format on */

/* clang-format off */
/* snippet: nested */
static const char *const states[] = {"open", "paid", "sent", NULL};

struct line {
    int64_t product;
    int32_t count;
};

struct order {
    struct address {
        bk_str street, city;
    } ship_to;
    bk_array lines; /* of struct line */
    int state;      /* index into states */
    bk_time due;
    bool has_due;
    bk_str extra; /* any JSON, as text */
};

BK_DESCRIBE(line_desc, struct line,
            BK_I64(product, BK_REQUIRED),
            BK_I32(count, BK_DEFAULT("1"), BK_MIN(1), BK_MAX(99)))

BK_DESCRIBE(address_desc, struct address,
            BK_STR(street, BK_REQUIRED),
            BK_STR(city, BK_REQUIRED, BK_PATTERN("^[A-Z]")))

BK_DESCRIBE(order_desc, struct order,
            BK_STRUCT(ship_to, address_desc, BK_KEY("shipTo"), BK_REQUIRED),
            BK_ARRAY_OF(lines, line_desc, BK_REQUIRED, BK_LEN(1, 100)),
            BK_ENUM(state, states, BK_DEFAULT("\"open\"")),
            BK_TIME(due, BK_HAS(has_due)),
            BK_JSON(extra))

static bk_err place_order(bk_req *req, bk_res *res) /* POST /orders */
{
    struct order order;
    int64_t pieces = 0;

    BK_TRY(bk_req_bind(req, order_desc, &order));
    const struct line *lines = order.lines.items;
    for (size_t i = 0; i < order.lines.count; i++)
        pieces += lines[i].count;
    bk_info("order.placed", bk_kv_i64("pieces", pieces));
    return bk_res_object(res, 201, order_desc, &order);
}
/* end of snippet */
/* clang-format on */

/* clang-format off */
/* snippet: patch */
struct change {
    bk_str name;
    double price;
    bool has_price;
};

BK_DESCRIBE(change_desc, struct change,
            BK_STR(name, BK_LEN(1, 200)),
            BK_F64(price, BK_MIN(0), BK_HAS(has_price)))

static bk_err change_product(bk_req *req, bk_res *res) /* PATCH /products/{id} */
{
    struct change change;
    bk_bind_opts partly = {.partial = true, .unknown = BK_UNKNOWN_REFUSED};

    BK_TRY(bk_req_bind_opts(req, change_desc, &partly, &change));
    if (bk_str_present(change.name))
        bk_info("product.renamed", bk_kv_str("name", change.name));
    if (change.has_price)
        bk_info("product.repriced", bk_kv_f64("price", change.price));
    return bk_res_empty(res);
}
/* end of snippet */
/* clang-format on */

/* snippet: schema */
static bk_err schema(bk_req *req, bk_res *res) /* GET /schemas/order */
{
    bk_buf text = {.arena = bk_req_arena(req)};

    bk_write_schema(&text, order_desc);
    return bk_res_bytes(res, 200, "application/schema+json", bk_buf_str(&text));
}
/* end of snippet */

void binding_routes(bk_router *router)
{
    bk_route_opts creates = {.body = product_desc, .answer = product_desc};

    bk_post(router, "/products", create, &creates);
    bk_get(router, "/products", list, &(bk_route_opts){.query = listing_desc});
    bk_patch(router, "/products/{id}", change_product, &(bk_route_opts){.body = change_desc});
    bk_post(router, "/orders", place_order, &(bk_route_opts){.body = order_desc});
    bk_get(router, "/schemas/order", schema);
}
