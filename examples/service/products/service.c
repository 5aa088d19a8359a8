/* service.c: a change of a product is in the database, then out of every cache, then in the feed;
 * only then its answer is sent. */
#include "products.h"

/* Without Redis this host serves nothing old any more, and the others' own copies end within
 * seconds: no reason to call the change a failure. */
static void changed(struct shop *shop, const char *type, const struct product *product)
{
    bk_str path = bk_arena_printf(bk_fiber_arena(), "/api/products/%lld", (long long)product->id);

    bk_err one = bk_response_cache_drop(shop->cache, path);
    bk_err lists = bk_cache_del_tag(shop->cache, BK_LIT("products"));
    if (one != BK_OK || lists != BK_OK)
        bk_warn("products.cache_behind", bk_kv_i64("product", product->id));
    feed_publish(shop, type, product);
}

bk_err products_create(struct shop *shop, const struct product *in, struct product *out)
{
    BK_TRY(products_insert(shop->db, in, out));
    changed(shop, "created", out);
    return BK_OK;
}

bk_err products_change(struct shop *shop, int64_t id, const struct product_change *change,
                       struct product *out)
{
    BK_TRY(products_update(shop->db, id, change, out));
    changed(shop, "updated", out);
    return BK_OK;
}

bk_err products_remove(struct shop *shop, int64_t id)
{
    struct product gone;

    BK_TRY(products_delete(shop->db, id, &gone));
    changed(shop, "deleted", &gone);
    return BK_OK;
}
