/*
 * mailer.c: a mailer's settings and life, and the way of a mail. See mailer.h.
 */
#include "client/mailer.h"

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/loop.h>

#include <stdlib.h>
#include <unistd.h>

#include "client/mime_mail.h"
#include "core/assert.h"
#include "core/random.h"

/* --- sending ---------------------------------------------------------------------------------- */

/* Encoding makes it larger, so this alone says what cannot be. */
static size_t least_size(const bk_mail *mail)
{
    size_t size = mail->text.len + mail->html.len;

    for (size_t i = 0; i < mail->file_count; i++)
        size += mail->files[i].content.len;
    return size;
}

static bk_err too_big(const bk_mailer *mailer)
{
    return bk_fail(BK_ETOOBIG, "the mail is larger than %u bytes", mailer->opts.message_bytes);
}

BK_YIELDS static bk_err deliver(bk_mailer *mailer, const bk_mail *mail, const char *name,
                                bk_str message)
{
    if (mailer->target.folder != NULL)
        return bk__mail_file(mailer, name, message);
    bk_deadline before = bk_deadline_push(mailer->opts.timeout_ms);
    bk_err err = bk__mail_smtp(mailer, mail, message);
    bk_deadline_pop(before);
    return bk_context(err, "mail to %s", mailer->target.url);
}

bk_err bk_mail_send(bk_mailer *mailer, const bk_mail *mail, bk_str *id)
{
    bk_arena *arena = bk_fiber_arena();
    bk_buf message = {.arena = arena};
    bk_mail all = *mail;
    char name[BK__UUID_TEXT + 1] = "";

    bk__uuid7(name);
    const struct bk__mail_stamp stamp = {.at = bk_time_now(), .unique = name};
    if (!bk_str_present(all.from.email))
        all.from = mailer->opts.from;
    BK_TRY(bk__mail_check(&all));
    if (least_size(&all) > mailer->opts.message_bytes)
        return too_big(mailer);
    bk__mail_write(&message, &all, &stamp);
    if (message.len > mailer->opts.message_bytes)
        return too_big(mailer);
    BK_TRY(deliver(mailer, &all, name, bk_buf_str(&message)));
    if (id != NULL)
        *id = bk__mail_id(arena, &all, &stamp);
    return BK_OK;
}

/* --- settings and life ------------------------------------------------------------------------ */

static bk_err start(void *data)
{
    bk_mailer *mailer = data;

    if (mailer->target.folder == NULL)
        mailer->desk = bk__mail_desk_open(mailer);
    return BK_OK;
}

static void stop(void *data)
{
    bk_mailer *mailer = data;

    bk__mail_desk_close(mailer->desk);
    mailer->desk = NULL;
}

static void free_mailer(void *data)
{
    bk_mailer *mailer = data;

    bk__mail_target_fini(&mailer->target);
    free((char *)(uintptr_t)mailer->opts.from.email.ptr);
    free((char *)(uintptr_t)mailer->opts.from.name.ptr);
    free(mailer);
}

static const bk_part_type part = {
    .name = "mailer", .start = start, .stop = stop, .free = free_mailer};

static bk_str copy_of(bk_str text)
{
    if (!bk_str_present(text))
        return text;
    char *copy = strndup(text.ptr, text.len);
    bk_assert(copy != NULL);
    return bk_str_at(copy, text.len);
}

static void check_opts(const bk_mailer_opts *opts, const struct bk__mail_target *target)
{
    const bk_mail_address *from = &opts->from;
    /* Any mail will do, to have its sender checked. */
    const bk_mail probe = {.from = *from, .to = from, .to_count = 1, .text = BK_LIT("")};

    if (bk_str_present(from->email) && bk__mail_check(&probe) != BK_OK)
        bk__setup_error("bk_mailer_opts", 0, "%.*s", BK_PRI(bk_error_chain()->message));
    if (target->folder != NULL && access(target->folder, W_OK | X_OK) != 0)
        bk__setup_error("bk_mailer_opts", 0, "url: cannot write to the folder %s", target->folder);
    if (target->ca_file != NULL && access(target->ca_file, R_OK) != 0)
        bk__setup_error("bk_mailer_opts", 0, "url: cannot read %s", target->ca_file);
    if (opts->connect_ms == BK_UNLIMITED || opts->timeout_ms == BK_UNLIMITED ||
        opts->connections == BK_UNLIMITED || opts->message_bytes == BK_UNLIMITED)
        bk__setup_error("bk_mailer_opts", 0, "no limit of a mailer can be switched off");
}

static void fill(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

bk_mailer *bk_mailer_new(bk_app *app, const bk_mailer_opts *opts)
{
    bk_mailer *mailer = calloc(1, sizeof *mailer);

    bk_assert(mailer != NULL);
    if (bk__mail_target_parse(opts->url, &mailer->target) != BK_OK)
        bk__setup_error("bk_mailer_opts", 0, "url: %.*s", BK_PRI(bk_error_chain()->message));
    check_opts(opts, &mailer->target);
    mailer->opts = *opts;
    mailer->opts.url = bk_str_at(NULL, 0);
    mailer->opts.from.email = copy_of(opts->from.email);
    mailer->opts.from.name = copy_of(opts->from.name);
    fill(&mailer->opts.connect_ms, 5000);
    fill(&mailer->opts.timeout_ms, 30000);
    fill(&mailer->opts.connections, 4);
    fill(&mailer->opts.message_bytes, 25 * 1024 * 1024);
    bk_app_part(app, &part, mailer);
    return mailer;
}
