/**
 * @file backend/mail.h
 * @brief Mail: composed, and handed to a server by SMTP, or written to files.
 *
 * @code
 * bk_mailer *mailer = bk_mailer_new(app, &(bk_mailer_opts){.url = bk_str_of(getenv("SMTP_URL"))});
 *
 * const bk_mail_address ann = {.email = BK_LIT("ann@example.com"), .name = BK_LIT("Ann")}; // a job
 * BK_TRY(bk_mail_send(mailer, &(bk_mail){.to = &ann, .to_count = 1,
 *                                        .subject = BK_LIT("Your order"),
 *                                        .text = BK_LIT("It is on its way.")}, NULL));
 * @endcode
 *
 * Sending waits for the server, so it belongs into a job rather than into a request. Nothing that
 * comes in can add headers or recipients: line breaks are refused, other characters encoded.
 *
 * **Errors**, so that a job knows whether to try again:
 * - BK_EINVAL, BK_ETOOBIG: the mail itself is wrong; nothing was sent.
 * - BK_EUNAVAILABLE: no connection, or the server said 4xx: not now.
 * - BK_EUPSTREAM: the server said 5xx (no such mailbox, no such login), or its certificate is not
 *   good, or the connection broke.
 * - BK_ETIMEDOUT, BK_ECANCELED: it may have been sent.
 */
#ifndef BACKEND_MAIL_H
#define BACKEND_MAIL_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** Sends mail. Freed with its app. */
typedef struct bk_mailer bk_mailer;

/** Someone's address. */
typedef struct bk_mail_address {
    bk_str email; /**< "ann@example.com", ASCII. */
    bk_str name;  /**< UTF-8, one line. Absent: none. */
} bk_mail_address;

/** A further field of the head, such as List-Unsubscribe. */
typedef struct bk_mail_header {
    bk_str name;  /**< In lists, an absent one ends them. */
    bk_str value; /**< UTF-8, one line. */
} bk_mail_header;

/** Something attached. */
typedef struct bk_mail_file {
    bk_str name;    /**< As it is shown, UTF-8, without '/'. */
    bk_str type;    /**< Default "application/octet-stream". */
    bk_str content; /**< Any bytes. */
} bk_mail_file;

/** A mail. Zero means none. What it points to is borrowed for the call. */
typedef struct bk_mail {
    bk_mail_address        from;       /**< Default: the mailer's. */
    bk_mail_address        reply_to;   /**< Where answers should go instead. */
    const bk_mail_address *to;         /**< At least one of to, cc and bcc; at most 100 in all. */
    size_t                 to_count;   /**< How many. */
    const bk_mail_address *cc;         /**< Likewise. */
    size_t                 cc_count;   /**< How many. */
    const bk_mail_address *bcc;        /**< Get it without being named in it. */
    size_t                 bcc_count;  /**< How many. */
    bk_str                 subject;    /**< UTF-8, one line. */
    bk_str                 text;       /**< UTF-8. At least one of text and html. */
    bk_str                 html;       /**< UTF-8. With `text`, readers show which they prefer. */
    const bk_mail_file    *files;      /**< Attached. */
    size_t                 file_count; /**< How many. */
    const bk_mail_header  *headers;    /**< Ends with an absent name. Not for those made of the
                                            fields above. May be NULL. */
} bk_mail;

/** Settings. Zero means default. */
typedef struct bk_mailer_opts {
    /** Where to, percent-encoded:
     *  - `smtp://user:password@host:587`: with STARTTLS, which must succeed
     *  - `smtps://user:password@host:465`: TLS from the start
     *  - `file:///folder`: each mail becomes a file NAME.eml there; the folder must exist
     *  Parameters: `tls=optional` or `tls=never` (smtp: only, and then without password),
     *  `ca=FILE` (PEM, the authorities to trust instead of the system's). Not NULL. */
    bk_str          url;
    bk_mail_address from;          /**< Of mails that do not say; copied. */
    uint32_t        connect_ms;    /**< Default 5,000. */
    uint32_t        timeout_ms;    /**< A mail in all. Default 30,000. */
    uint32_t        connections;   /**< Kept for the next mails; mails wait for one. Default 4. */
    uint32_t        message_bytes; /**< Largest mail, encoded. Default 25 MiB. */
} bk_mailer_opts;

/** Declares a mailer of @p app, before the app runs. Wrong options stop the program with words.
 *  @param opts  Copied. */
BK_API BK_NODISCARD bk_mailer *bk_mailer_new(bk_app *app, const bk_mailer_opts *opts);

/**
 * Sends a mail to all of its recipients or none: a server that refuses one gets no mail.
 *
 * @param id  Receives its Message-ID, without angle brackets; request-owned. May be NULL.
 * @return BK_OK once the server (or the disk) has it; else see "Errors" above.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_mail_send(bk_mailer *mailer, const bk_mail *mail,
                                                  bk_str *id);

BK_END_DECLS

#endif
