/*
 * multi.c: libcurl's multi interface on the loop. See multi.h.
 *
 * curl expects to be told of readiness for as long as it lasts, while the loop's nested epoll tells
 * once. So curl's descriptors lie in a level-triggered epoll of their own, which stands in the
 * loop's as one descriptor: each time that it stirs, it is asked until it has nothing left.
 */
#include "client/multi.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/assert.h"
#include "fiber/fiber.h"

enum {
    BATCH = 64,
    ROUNDS = 16 /* of BATCH events, before others have their turn */
};

/* --- transfers, on the loop's stack ----------------------------------------------------------- */

static CURL *take_handle(struct bk__multi *multi)
{
    CURL *easy = multi->spare_count != 0 ? multi->spare[--multi->spare_count] : curl_easy_init();

    bk_assert(easy != NULL);
    return easy;
}

static void keep_handle(struct bk__multi *multi, CURL *easy)
{
    if (multi->spare_count == BK__MULTI_SPARE) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    multi->spare[multi->spare_count++] = easy;
}

/* Curl forgets it; its fiber goes on in the next turn. */
static void finish(struct bk__transfer *transfer, CURLcode result)
{
    struct bk__multi *multi = transfer->multi;
    CURL *easy = transfer->easy;

    transfer->result = result;
    transfer->ended(transfer);
    if (bk__link_in_list(&transfer->link)) {
        bk__list_remove(&transfer->link);
        curl_multi_remove_handle(multi->curl, easy);
    }
    /* What it leaves behind may not point into the transfer any more. */
    transfer->easy = NULL;
    keep_handle(multi, easy);
    transfer->done = true;
    bk_fiber_wake(transfer->fiber);
}

/* Tells curl that @p fd is ready, or that its time has come, and takes what has ended by that. */
static void act(struct bk__multi *multi, curl_socket_t fd, int ready)
{
    int running, left;
    CURLMsg *message;

    curl_multi_socket_action(multi->curl, fd, ready, &running);
    while ((message = curl_multi_info_read(multi->curl, &left)) != NULL) {
        struct bk__transfer *transfer;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        finish(transfer, result);
    }
}

static void begin(struct bk__put_off *work)
{
    struct bk__transfer *transfer = bk__container_of(work, struct bk__transfer, work);
    struct bk__multi *multi = transfer->multi;

    transfer->easy = take_handle(multi);
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(transfer->easy, CURLOPT_ERRORBUFFER, transfer->words);
    curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L);
    /* Dropping a transfer does not wait for its resolver's thread. */
    curl_easy_setopt(transfer->easy, CURLOPT_QUICK_EXIT, 1L);
    CURLcode result = transfer->set_up(transfer);
    if (result == CURLE_OK && curl_multi_add_handle(multi->curl, transfer->easy) != CURLM_OK)
        result = CURLE_FAILED_INIT;
    if (result != CURLE_OK) {
        finish(transfer, result);
        return;
    }
    bk__list_push(&multi->running, &transfer->link);
    act(multi, CURL_SOCKET_TIMEOUT, 0); /* it need not wait for the timer that curl has just set */
}

static void go_on(struct bk__put_off *work)
{
    struct bk__transfer *transfer = bk__container_of(work, struct bk__transfer, work);
    struct bk__multi *multi = transfer->multi;

    if (transfer->done)
        return;
    curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    act(multi, CURL_SOCKET_TIMEOUT, 0);
}

static void drop(struct bk__put_off *work)
{
    struct bk__transfer *transfer = bk__container_of(work, struct bk__transfer, work);

    if (!transfer->done)
        finish(transfer, CURLE_ABORTED_BY_CALLBACK);
}

/* --- transfers, on their fiber ---------------------------------------------------------------- */

void bk__transfer_start(struct bk__multi *multi, struct bk__transfer *transfer)
{
    bk_assert(multi->loop != NULL && multi->loop == bk__loop_current);
    transfer->multi = multi;
    transfer->fiber = bk_fiber_self();
    transfer->work.fn = begin;
    bk__loop_put_off(multi->loop, &transfer->work);
}

bk_err bk__transfer_wait(struct bk__transfer *transfer)
{
    return transfer->done ? BK_OK : bk__fiber_wait(BK__NEVER);
}

void bk__transfer_resume(struct bk__transfer *transfer)
{
    if (transfer->done)
        return;
    transfer->work.fn = go_on;
    bk__loop_put_off(transfer->multi->loop, &transfer->work);
}

void bk__transfer_end(struct bk__transfer *transfer)
{
    bool never_begun = transfer->easy == NULL && !transfer->done;

    bk__loop_forget(&transfer->work);
    if (never_begun || transfer->done) {
        transfer->done = true;
        return;
    }
    transfer->work.fn = drop;
    bk__loop_put_off(transfer->multi->loop, &transfer->work);
    bk__shield_up();
    while (!transfer->done)
        (void)bk__fiber_wait(BK__NEVER);
    bk__shield_down();
}

const char *bk__transfer_words(const struct bk__transfer *transfer)
{
    return transfer->words[0] != '\0' ? transfer->words : curl_easy_strerror(transfer->result);
}

/* --- what curl asks of the loop --------------------------------------------------------------- */

curl_socket_t bk__multi_socket(const struct curl_sockaddr *address)
{
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void run_sockets(struct bk__multi *multi)
{
    struct epoll_event batch[BATCH];

    for (int round = 0; round < ROUNDS; round++) {
        int count = epoll_wait(multi->epoll, batch, BATCH, 0);
        if (count <= 0)
            return;
        for (int i = 0; i < count; i++) {
            uint32_t events = batch[i].events;
            int ready = ((events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
                        ((events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                        ((events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);
            /* One that curl has closed since is unknown to it, and ignored. */
            act(multi, batch[i].data.fd, ready);
        }
    }
    bk__loop_put_off(multi->loop, &multi->again);
}

static void on_ready(struct bk__io *io, unsigned ready)
{
    (void)ready;
    run_sockets(bk__container_of(io, struct bk__multi, io));
}

static void on_again(struct bk__put_off *work)
{
    run_sockets(bk__container_of(work, struct bk__multi, again));
}

static void on_timer(struct bk__timer *timer)
{
    act(bk__container_of(timer, struct bk__multi, timer), CURL_SOCKET_TIMEOUT, 0);
}

/* The descriptor may be a new one under an old number, or be gone from the epoll by having been
 * closed, so neither its presence nor its absence is taken for granted. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
    struct bk__multi *multi = data;
    struct epoll_event event = {.data.fd = fd};

    (void)easy, (void)known;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(multi->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                   ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);
    int failed = epoll_ctl(multi->epoll, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (failed != 0 && (errno == ENOENT || errno == EEXIST))
        (void)epoll_ctl(multi->epoll, errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    curl_multi_assign(multi->curl, fd, multi);
    return 0;
}

static int set_timer(CURLM *curl, long after_ms, void *data)
{
    struct bk__multi *multi = data;

    (void)curl;
    if (after_ms < 0)
        bk__timer_stop(multi->loop, &multi->timer);
    else
        bk__timer_set(multi->loop, &multi->timer, multi->loop->clock.now_ms + (uint64_t)after_ms);
    return 0;
}

/* --- opening and closing ---------------------------------------------------------------------- */

/* A function for the loop's stack. */
struct errand {
    struct bk__put_off work;
    void (*fn)(struct bk__multi *multi);
    struct bk__multi *multi;
    bk_fiber *fiber;
    bool done;
};

static void run_errand(struct bk__put_off *work)
{
    struct errand *errand = bk__container_of(work, struct errand, work);

    errand->fn(errand->multi);
    errand->done = true;
    bk_fiber_wake(errand->fiber);
}

BK_YIELDS static void on_loop(struct bk__multi *multi, void (*fn)(struct bk__multi *))
{
    struct errand errand = {
        .work.fn = run_errand, .fn = fn, .multi = multi, .fiber = bk_fiber_self()};

    bk__loop_put_off(multi->loop, &errand.work);
    bk__shield_up();
    while (!errand.done)
        (void)bk__fiber_wait(BK__NEVER);
    bk__shield_down();
}

static void open_curl(struct bk__multi *multi)
{
    bk_assert(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    CURLM *curl = multi->curl = curl_multi_init();
    bk_assert(curl != NULL);
    curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(curl, CURLMOPT_TIMERDATA, multi);
    curl_multi_setopt(curl, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)multi->connections);
    curl_multi_setopt(curl, CURLMOPT_MAX_HOST_CONNECTIONS, (long)multi->connections_per_host);
    curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS, (long)multi->connections);
}

static void close_curl(struct bk__multi *multi)
{
    while (multi->spare_count != 0)
        curl_easy_cleanup(multi->spare[--multi->spare_count]);
    curl_multi_cleanup(multi->curl);
    multi->curl = NULL;
    curl_global_cleanup();
}

bk_err bk__multi_open(struct bk__multi *multi)
{
    bk_assert(multi->loop == NULL);
    multi->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (multi->epoll < 0)
        return bk_fail(BK_EUNAVAILABLE, "cannot make an epoll: %s", strerror(errno));
    bk_err err = bk__io_add(&multi->io, multi->epoll, on_ready);
    if (err != BK_OK) {
        close(multi->epoll);
        return err;
    }
    bk__list_init(&multi->running);
    multi->timer.fn = on_timer;
    multi->again.fn = on_again;
    multi->loop = bk__loop_current;
    on_loop(multi, open_curl);
    return BK_OK;
}

void bk__multi_close(struct bk__multi *multi)
{
    if (multi->loop == NULL)
        return;
    bk_assert(bk__list_empty(&multi->running));
    on_loop(multi, close_curl);
    bk__loop_forget(&multi->again);
    bk__timer_stop(multi->loop, &multi->timer);
    bk__io_remove(&multi->io);
    close(multi->epoll);
    multi->loop = NULL;
}
