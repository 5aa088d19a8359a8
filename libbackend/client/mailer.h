/*
 * mailer.h: the inside of a bk_mailer: where its mails go.
 *
 *   mail_url.c     what the URL says
 *   mailer.c       settings, life, sending
 *   mail_smtp.c    to a server
 *   mail_file.c    to a folder
 */
#ifndef BK_CLIENT_MAILER_H
#define BK_CLIENT_MAILER_H

#include <backend/mail.h>
#include <backend/str.h>

struct bk__mail_desk;

enum bk__mail_tls {
    BK__MAIL_TLS_REQUIRED,
    BK__MAIL_TLS_OPTIONAL,
    BK__MAIL_TLS_NEVER
};

/* All are its own, and end with NUL. */
struct bk__mail_target {
    char *folder;          /* of .eml files; NULL: SMTP */
    char *url;             /* for curl: without credentials and parameters */
    char *user, *password; /* NULL: none */
    char *ca_file;         /* NULL: the system's */
    enum bk__mail_tls tls;
};

struct bk_mailer {
    bk_mailer_opts opts; /* defaults filled in; `url` absent */
    struct bk__mail_target target;
    struct bk__mail_desk *desk; /* while it runs; NULL: files */
};

/* BK_EINVAL, with words that show no password. */
bk_err bk__mail_target_parse(bk_str url, struct bk__mail_target *out);
void bk__mail_target_fini(struct bk__mail_target *target);

/* The threads that hand mails over; on a fiber. NULL is fine to close. */
struct bk__mail_desk *bk__mail_desk_open(const bk_mailer *mailer);
BK_YIELDS void bk__mail_desk_close(struct bk__mail_desk *desk);

/* Hands @p message over to the server, within the fiber's deadline, of which there must be one. */
BK_YIELDS bk_err bk__mail_smtp(bk_mailer *mailer, const bk_mail *mail, bk_str message);

/* Writes it to the folder, whole or not at all. @p name: without ".eml". */
BK_YIELDS bk_err bk__mail_file(const bk_mailer *mailer, const char *name, bk_str message);

#endif
