/* digest.c: stock.digest, each morning a mail to the admins about what has nearly run out. */
#include "../products/products.h"
#include "../users/users.h"
#include "jobs.h"

#define NEARLY_OUT 5
#define SHOWN_MOST 50

static bk_err send_to(struct shop *shop, const struct user *admin, bk_str text)
{
    bk_mail_address to = {.email = admin->email, .name = admin->name};
    bk_mail mail = {.to = &to, .to_count = 1, .subject = BK_LIT("Stock"), .text = text};

    return bk_mail_send(shop->mailer, &mail, NULL);
}

bk_err job_digest(bk_job *job, void *data)
{
    struct shop *shop = data;
    bk_buf text = {.arena = bk_job_arena(job)};
    bk_array admins, products;

    BK_TRY(products_nearly_out(shop->db, NEARLY_OUT, SHOWN_MOST, &products));
    BK_TRY(users_admins(shop->db, &admins));
    const struct product *items = products.items;
    bk_buf_printf(&text, "%zu products have fewer than %d left%s\n\n", products.count, NEARLY_OUT,
                  products.count == SHOWN_MOST ? ", at least:" : ":");
    for (size_t i = 0; i < products.count; i++)
        bk_buf_printf(&text, "%5d  %.*s  %.*s\n", items[i].stock, BK_PRI(items[i].sku),
                      BK_PRI(items[i].name));
    const struct user *to = admins.items;
    for (size_t i = 0; i < admins.count; i++)
        BK_TRY(send_to(shop, &to[i], bk_buf_str(&text)));
    return BK_OK;
}
