/* welcome.c: email.welcome, a mail to a new user. */
#include "../users/users.h"
#include "jobs.h"

bk_err job_welcome(bk_job *job, void *data)
{
    struct shop *shop = data;
    struct job_about about;
    struct user user;

    BK_TRY(bk_job_bind(job, job_about_desc, &about));
    bk_err err = users_find(shop->db, about.id, &user);
    if (err == BK_ENOTFOUND)
        return BK_OK; /* has left again */
    BK_TRY(err);
    bk_mail_address to = {.email = user.email, .name = user.name};
    bk_mail mail = {
        .to = &to,
        .to_count = 1,
        .subject = BK_LIT("Welcome"),
        .text = bk_arena_printf(bk_job_arena(job), "Hello %.*s,\n\nyour account is ready: %.*s\n",
                                BK_PRI(user.name), BK_PRI(shop->settings->public_url)),
    };
    return bk_mail_send(shop->mailer, &mail, NULL);
}
