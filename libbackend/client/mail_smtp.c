/*
 * mail_smtp.c: messages on their way to a server. See mailer.h.
 *
 * curl speaks SMTP: EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, dots doubled. But it blocks while it
 * waits for the reply to a message's end, and to QUIT, also under its multi interface; and a server
 * that looks through each mail takes its time there. So each connection has a thread, which does
 * nothing else: it takes a letter from the queue, hands it over, and tells the loop. A thread that
 * has had nothing to do for a while closes its connection and ends.
 *
 * What must hold: a letter belongs to whoever has it, the queue, a thread, or the loop (by a post),
 * and its fiber only looks at it. The fiber may go; then it takes its name off the letter, and the
 * thread breaks off.
 */
#include "client/mailer.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>

#include "client/error.h"
#include "client/multi.h"
#include "core/assert.h"
#include "core/fault.h"
#include "core/list.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"

enum {
    QUEUE_MAX = 1000,
    IDLE_S = 30,
    STACK_BYTES = 512 * 1024
};

/* What the fibers and the threads of a mailer share. */
struct bk__mail_desk {
    const struct bk__mail_target *target; /* lives until no thread is left */
    const bk_mailer_opts *opts;           /* likewise */
    struct bk_loop *loop;
    size_t begun, gone; /* threads, only for the loop's */
    bk_fiber *stopper;  /* waits until all are gone; NULL: nobody does */

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t stir;
    struct bk__list queue; /* struct letter */
    size_t queued, threads, idle;
    bool stopping;
};

struct letter {
    struct bk__link link; /* in desk->queue */
    struct bk__mail_desk *desk;
    bk_fiber *fiber;       /* only for the loop's thread; NULL: nobody waits any more */
    atomic_bool abandoned; /* likewise, for the thread that has it */
    uint64_t until_ns;
    char *from;
    struct curl_slist *to;
    char *message;
    size_t len, read;
    bool sent; /* the thread is done with it; the next three are final */
    CURLcode result;
    long code; /* of the server's last reply */
    char words[CURL_ERROR_SIZE];
};

static void free_letter(struct letter *letter)
{
    curl_slist_free_all(letter->to);
    free(letter->from);
    free(letter->message);
    free(letter);
}

/* --- on a thread ------------------------------------------------------------------------------ */

static size_t read_message(char *to, size_t one, size_t room, void *data)
{
    struct letter *letter = data;
    size_t left = letter->len - letter->read, len = room * one < left ? room * one : left;

    memcpy(to, letter->message + letter->read, len);
    letter->read += len;
    return len;
}

/* Called once a second at least, also while curl blocks. */
static int is_over(void *data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct letter *letter = data;

    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&letter->abandoned) || bk_now_ns() > letter->until_ns;
}

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)data, (void)purpose;
    return bk__multi_socket(address);
}

static void set_security(const struct bk__mail_target *target, CURL *easy)
{
    static const long levels[] = {CURLUSESSL_ALL, CURLUSESSL_TRY, CURLUSESSL_NONE};

    curl_easy_setopt(easy, CURLOPT_USE_SSL, levels[target->tls]);
    if (target->user != NULL)
        curl_easy_setopt(easy, CURLOPT_USERNAME, target->user);
    if (target->password != NULL)
        curl_easy_setopt(easy, CURLOPT_PASSWORD, target->password);
    if (target->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, target->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

/* What is the same for all letters. */
static CURL *open_handle(const struct bk__mail_desk *desk)
{
    CURL *easy = curl_easy_init();

    bk_assert(easy != NULL);
    curl_easy_setopt(easy, CURLOPT_URL, desk->target->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)desk->opts->connect_ms);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    set_security(desk->target, easy);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_message);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, is_over);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    return easy;
}

static void hand_over(CURL *easy, struct letter *letter)
{
    uint64_t now_ns = bk_now_ns();

    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, letter->words);
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, letter->from);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, letter->to);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)letter->len);
    curl_easy_setopt(easy, CURLOPT_READDATA, letter);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, letter);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     letter->until_ns > now_ns ? (long)((letter->until_ns - now_ns) / 1000000 + 1)
                                               : 1L);
    letter->result =
        is_over(letter, 0, 0, 0, 0) ? CURLE_ABORTED_BY_CALLBACK : curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &letter->code);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
}

/* Takes the next letter; NULL: there has been none for long, or the mailer stops. */
static struct letter *next_letter(struct bk__mail_desk *desk)
{
    struct timespec until;
    struct bk__link *link;
    int failed = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += IDLE_S;
    pthread_mutex_lock(&desk->lock);
    desk->idle++;
    while (bk__list_empty(&desk->queue) && !desk->stopping && failed == 0)
        failed = pthread_cond_timedwait(&desk->stir, &desk->lock, &until);
    desk->idle--;
    link = bk__list_pop(&desk->queue);
    if (link != NULL)
        desk->queued--;
    else
        desk->threads--;
    pthread_mutex_unlock(&desk->lock);
    return link != NULL ? bk__container_of(link, struct letter, link) : NULL;
}

static void on_sent(void *data);
static void on_gone(void *data);

/* Says goodbye to the desk before curl does to the server, which may take its time. */
static void *run(void *data)
{
    struct bk__mail_desk *desk = data;
    struct letter *letter;

    pthread_setname_np(pthread_self(), "bk-mail");
    bk_assert(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    CURL *easy = open_handle(desk);
    while ((letter = next_letter(desk)) != NULL) {
        hand_over(easy, letter);
        if (bk__loop_post(desk->loop, on_sent, letter) != BK_OK)
            bk_unreachable("the loop waits for its threads");
    }
    if (bk__loop_post(desk->loop, on_gone, desk) != BK_OK)
        bk_unreachable("the loop waits for its threads");
    curl_easy_cleanup(easy);
    curl_global_cleanup();
    return NULL;
}

/* Signals are for the threads of the host. */
static bool start_thread(struct bk__mail_desk *desk)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = BK__FAULT("mail.thread") ? 1 : pthread_create(&thread, &attributes, run, desk);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failure == 0;
}

/* --- on the loop's stack ---------------------------------------------------------------------- */

static void on_sent(void *data)
{
    struct letter *letter = data;

    letter->sent = true;
    if (letter->fiber != NULL)
        bk_fiber_wake(letter->fiber);
    else
        free_letter(letter);
}

/* Of each thread the last word. */
static void on_gone(void *data)
{
    struct bk__mail_desk *desk = data;

    desk->gone++;
    if (desk->stopper != NULL)
        bk_fiber_wake(desk->stopper);
}

/* --- on a fiber ------------------------------------------------------------------------------- */

static char *bracketed(bk_str email)
{
    char *text = NULL;

    if (asprintf(&text, "<%.*s>", BK_PRI(email)) < 0)
        bk_unreachable("there is memory");
    return text;
}

static void add_recipients(struct letter *letter, const bk_mail_address *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *text = bracketed(list[i].email);
        letter->to = curl_slist_append(letter->to, text);
        bk_assert(letter->to != NULL);
        free(text);
    }
}

static struct letter *new_letter(struct bk__mail_desk *desk, const bk_mail *mail, bk_str message)
{
    struct letter *letter = calloc(1, sizeof *letter);
    uint64_t left_ms = bk_deadline_left_ms();

    bk_assert(letter != NULL);
    letter->desk = desk;
    letter->fiber = bk_fiber_self();
    letter->until_ns = bk_now_ns() + left_ms * UINT64_C(1000000); /* the mailer has set one */
    letter->from = bracketed(mail->from.email);
    add_recipients(letter, mail->to, mail->to_count);
    add_recipients(letter, mail->cc, mail->cc_count);
    add_recipients(letter, mail->bcc, mail->bcc_count);
    letter->message = malloc(message.len);
    bk_assert(letter->message != NULL);
    memcpy(letter->message, message.ptr, message.len);
    letter->len = message.len;
    return letter;
}

/* Queues it, and sees that somebody will take it. */
static bk_err post(struct bk__mail_desk *desk, struct letter *letter)
{
    bk_err err = BK_OK;

    pthread_mutex_lock(&desk->lock);
    bool more = desk->idle <= desk->queued && desk->threads < desk->opts->connections;
    if (desk->queued == QUEUE_MAX)
        err = bk_fail(BK_EUNAVAILABLE, "%d mails are waiting", QUEUE_MAX);
    else if (more && start_thread(desk))
        desk->threads++, desk->begun++;
    else if (desk->threads == 0)
        err = bk_fail(BK_EUNAVAILABLE, "cannot start a thread");
    if (err == BK_OK) {
        bk__list_push(&desk->queue, &letter->link);
        desk->queued++;
        pthread_cond_signal(&desk->stir);
    }
    pthread_mutex_unlock(&desk->lock);
    return err;
}

static bk_err result_error(const struct letter *letter)
{
    const char *words =
        letter->words[0] != '\0' ? letter->words : curl_easy_strerror(letter->result);

    if (letter->result == CURLE_OK)
        return BK_OK;
    if (letter->result == CURLE_ABORTED_BY_CALLBACK)
        return bk_fail(BK_ETIMEDOUT, "out of time before the server has confirmed it");
    if (letter->code / 100 == 4)
        return bk_fail(BK_EUNAVAILABLE, "%s (the server said %ld)", words, letter->code);
    if (letter->code / 100 == 5)
        return bk_fail(BK_EUPSTREAM, "%s (the server said %ld)", words, letter->code);
    return bk_fail(bk__curl_error(letter->result), "%s", words);
}

bk_err bk__mail_smtp(bk_mailer *mailer, const bk_mail *mail, bk_str message)
{
    struct letter *letter = new_letter(mailer->desk, mail, message);
    bk_err err = post(mailer->desk, letter);

    if (err != BK_OK) {
        free_letter(letter);
        return err;
    }
    while (err == BK_OK && !letter->sent)
        err = bk__fiber_wait(BK__NEVER);
    if (letter->sent) {
        err = result_error(letter);
        free_letter(letter);
        return err;
    }
    letter->fiber = NULL;
    atomic_store(&letter->abandoned, true);
    return bk_fail(err, "%s before the server has confirmed it",
                   err == BK_ETIMEDOUT ? "out of time" : "cancelled");
}

/* --- life ------------------------------------------------------------------------------------- */

struct bk__mail_desk *bk__mail_desk_open(const bk_mailer *mailer)
{
    struct bk__mail_desk *desk = calloc(1, sizeof *desk);

    bk_assert(desk != NULL);
    desk->target = &mailer->target;
    desk->opts = &mailer->opts;
    desk->loop = bk__loop_current;
    pthread_mutex_init(&desk->lock, NULL);
    pthread_cond_init(&desk->stir, NULL);
    bk__list_init(&desk->queue);
    return desk;
}

/* Each letter is abandoned by now, so that no thread takes longer than a second. */
void bk__mail_desk_close(struct bk__mail_desk *desk)
{
    if (desk == NULL)
        return;
    pthread_mutex_lock(&desk->lock);
    desk->stopping = true;
    pthread_cond_broadcast(&desk->stir);
    pthread_mutex_unlock(&desk->lock);
    desk->stopper = bk_fiber_self();
    bk__shield_up();
    while (desk->gone < desk->begun)
        (void)bk__fiber_wait(BK__NEVER);
    bk__shield_down();
    pthread_cond_destroy(&desk->stir);
    pthread_mutex_destroy(&desk->lock);
    free(desk);
}
