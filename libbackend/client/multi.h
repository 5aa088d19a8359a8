/*
 * multi.h: transfers of libcurl on our loop, each waited for by a fiber.
 *
 * libcurl needs more stack than a fiber has, so all its functions run on the loop's: a fiber hands
 * a transfer over and waits. Nothing here knows HTTP or mail; who starts a transfer sets its
 * options.
 *
 *   new -> starting -> running -> done        (a transfer; done also when it is dropped)
 *
 * What must hold: a transfer lies where its fiber waits, so it is done before that returns.
 */
#ifndef BK_CLIENT_MULTI_H
#define BK_CLIENT_MULTI_H

#include <curl/curl.h>

#include <backend/fiber.h>

#include "core/list.h"
#include "fiber/loop.h"
#include "fiber/watch.h"

#define BK__MULTI_SPARE 32

/* A worker's transfers of one kind, and their pool of connections. */
struct bk__multi {
    struct bk_loop *loop; /* NULL while it is closed */
    CURLM *curl;
    int epoll; /* of curl's descriptors, level-triggered as curl expects */
    struct bk__io io;
    struct bk__timer timer;   /* curl's one */
    struct bk__put_off again; /* more is ready than one turn should take */
    struct bk__list running;
    CURL *spare[BK__MULTI_SPARE]; /* handles to use again */
    size_t spare_count;
    uint32_t connections, connections_per_host;
};

struct bk__transfer {
    struct bk__link link; /* in multi->running */
    struct bk__multi *multi;
    struct bk__put_off work; /* what the loop is to do for it: begin, go on, drop */
    bk_fiber *fiber;         /* that waits */
    CURL *easy;              /* while it runs */
    /* Both on the loop's stack, with `easy`: its options are to be set, its figures can be read. */
    CURLcode (*set_up)(struct bk__transfer *transfer);
    void (*ended)(struct bk__transfer *transfer);
    CURLcode result;             /* once it is done */
    char words[CURL_ERROR_SIZE]; /* of an error; may be empty */
    bool done;
};

/* On a fiber. The limits are set before. BK_EUNAVAILABLE, with words, where there is no descriptor.
 */
BK_YIELDS bk_err bk__multi_open(struct bk__multi *multi);

/* On a fiber, when no transfer is left. Harmless when it is not open. */
BK_YIELDS void bk__multi_close(struct bk__multi *multi);

/* Hands over a zeroed transfer with set_up and ended. */
void bk__transfer_start(struct bk__multi *multi, struct bk__transfer *transfer);

/* Waits until it is done or bk_fiber_wake() was called for its fiber; else BK_ECANCELED or
 * BK_ETIMEDOUT. */
BK_YIELDS bk_err bk__transfer_wait(struct bk__transfer *transfer);

/* Lets a transfer go on that its write function has paused. */
void bk__transfer_resume(struct bk__transfer *transfer);

/* Breaks it off if it is not done. After this curl knows nothing of it. */
BK_YIELDS void bk__transfer_end(struct bk__transfer *transfer);

/* Its curl error in words. Borrowed like the transfer. */
const char *bk__transfer_words(const struct bk__transfer *transfer);

/* Opens a socket as curl asks, closed on exec. For CURLOPT_OPENSOCKETFUNCTION. */
curl_socket_t bk__multi_socket(const struct curl_sockaddr *address);

#endif
