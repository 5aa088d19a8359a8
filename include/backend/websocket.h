/**
 * @file backend/websocket.h
 * @brief WebSocket (RFC 6455): a handler that reads and writes messages in a loop.
 *
 * @code
 * static bk_err echo(bk_req *req, bk_res *res)
 * {
 *     bk_ws        *ws;
 *     bk_ws_message message;
 *
 *     BK_TRY(bk_ws_accept(req, res, NULL, &ws));
 *     for (;;) {
 *         BK_TRY(bk_ws_recv(ws, &message));
 *         BK_TRY(bk_ws_send_text(ws, message.bytes));
 *     }
 * }
 * @endcode
 *
 * **Life.** A socket is its request's: one fiber, one arena. The time limit of handlers ends with
 * bk_ws_accept(); the fiber is cancelled when the client is gone. When the handler returns, a
 * socket that is still open is closed: with 1000 after BK_OK and BK_ECLOSED, else with 1011, and
 * the error goes into the log.
 *
 * **What the library does by itself.** It answers pings, sends its own, joins fragments, checks
 * UTF-8 and sizes, and does the close handshake. A client that breaks the protocol is closed with
 * 1002, one that sends text that is not UTF-8 with 1007, one that sends too much with 1009. When
 * the app drains, each socket is closed with 1001 and its handler has until drain_ms to return.
 *
 * **Waiting for more than one thing.** A handler that also listens to a topic selects:
 *
 * @code
 * bk_source *sources[] = {bk_ws_source(ws), bk_subscription_source(sub)};
 * BK_TRY(bk_select(sources, 2, &which));
 * @endcode
 *
 * HTTP/1.1 only, which browsers use for it by themselves. Extensions (permessage-deflate) are not
 * offered. An idle socket costs its fiber and about a kilobyte. Use a bk_ws from its request's
 * fiber only.
 */
#ifndef BACKEND_WEBSOCKET_H
#define BACKEND_WEBSOCKET_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/sync.h>

BK_BEGIN_DECLS

/** An open socket. Request-owned. */
typedef struct bk_ws bk_ws;

/** As an entry of `origins`: pages of any site may connect. Only for sockets without cookies. */
#define BK_WS_ANY_ORIGIN "*"

/** Close codes that a handler may send; 3000 to 4999 are the application's own. */
typedef enum bk_ws_code {
    BK_WS_NORMAL = 1000,      /**< The purpose is fulfilled. */
    BK_WS_GOING_AWAY = 1001,  /**< The server stops. */
    BK_WS_PROTOCOL = 1002,    /**< The peer broke RFC 6455. */
    BK_WS_UNSUPPORTED = 1003, /**< Text where bytes were wanted, or the reverse. */
    BK_WS_INVALID = 1007,     /**< Text that is not UTF-8, or content that makes no sense. */
    BK_WS_POLICY = 1008,      /**< Not allowed. */
    BK_WS_TOO_BIG = 1009,     /**< A message over the limit. */
    BK_WS_INTERNAL = 1011,    /**< The handler failed. */
    BK_WS_TRY_LATER = 1013    /**< Overloaded: come back later. */
} bk_ws_code;

/** Settings of a socket. Zero means default; BK_UNLIMITED switches a limit off. */
typedef struct bk_ws_opts {
    const char *const *origins;   /**< Allowed values of Origin ("https://shop.example"), ended by
                                       NULL. Default: only the request's own host. A request
                                       without Origin comes from no browser and is let in. */
    const char *const *protocols; /**< Subprotocols, best first, ended by NULL; the first that the
                                       client offers too is chosen. Default: none. */
    uint32_t message_bytes;       /**< Largest message taken. Default 1 MiB. */
    uint32_t send_bytes;          /**< Unsent bytes from which on sending waits. Default 64 KiB. */
    uint32_t ping_ms;             /**< Silence after which the client is pinged. Default 25,000. */
    uint32_t pong_ms;             /**< Longest wait for a sign of life then. Default 20,000. */
    uint32_t close_ms;            /**< Longest wait for the client's close. Default 2,000. */
} bk_ws_opts;

/** A message. Its bytes live until the next receive on the same socket. */
typedef struct bk_ws_message {
    bk_str bytes;   /**< May be empty. */
    bool   is_text; /**< Checked UTF-8; else binary. */
} bk_ws_message;

/**
 * Makes a socket of @p req: checks the handshake and answers 101. Nothing may have been put into
 * @p res but headers, which go out with the 101.
 *
 * @param opts  Borrowed while the socket lives. May be NULL.
 * @param ws    Receives the socket. Untouched on error.
 * @return BK_OK; an error to be returned from the handler, and nothing was sent then: BK_EUPGRADE
 *         (426, with Upgrade and Sec-WebSocket-Version) for a request that is no handshake or asks
 *         for another version; BK_EINVAL (400) for a malformed one; BK_EFORBIDDEN (403) for an
 *         origin that is not allowed; BK_ENOTIMPL (501) over HTTP/2 and in bk_test.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_ws_accept(bk_req *req, bk_res *res, const bk_ws_opts *opts,
                                                  bk_ws **ws);

/** The subprotocol that was chosen; absent when none was. Lives as long as the socket. */
BK_API bk_str bk_ws_protocol(const bk_ws *ws);

/** Waits for a message. What came before a close is still received.
 *  @return BK_OK; BK_ECLOSED when the socket is closed, by whichever side: bk_ws_close_code();
 *          BK_ETIMEDOUT or BK_ECANCELED, the fiber's own: nothing is lost then. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_ws_recv(bk_ws *ws, bk_ws_message *message);

/** Receives without waiting: BK_EAGAIN when no whole message is there. */
BK_API BK_NODISCARD bk_err bk_ws_try_recv(bk_ws *ws, bk_ws_message *message);

/** @p ws as a source. Ready: a message can be received, or the socket is closed. Borrowed from it.
 */
BK_API BK_NODISCARD bk_source *bk_ws_source(bk_ws *ws);

/** Sends text, which must be UTF-8 (BK_EINVAL otherwise). Copied. Waits while send_bytes or more
 *  are unsent. BK_ECLOSED when the socket is closed or closing. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_ws_send_text(bk_ws *ws, bk_str text);

/** Sends bytes; otherwise as bk_ws_send_text(). */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_ws_send_binary(bk_ws *ws, bk_str bytes);

/**
 * Closes: sends what is unsent and the close frame, and waits for the client's. Messages that come
 * meanwhile are dropped. Twice is as once.
 *
 * @param code    One of bk_ws_code, or 3000 to 4999; another is a bug and stops the program.
 * @param reason  UTF-8, of which 123 bytes are sent at most; may be empty.
 */
BK_API BK_YIELDS void bk_ws_close(bk_ws *ws, int code, bk_str reason);

/** Why it is closed: the client's code, or ours where we began; 1005: the client gave none; 1006:
 *  the connection broke; 0: it is open. */
BK_API int bk_ws_close_code(const bk_ws *ws);

/** Bytes not yet taken by the kernel: a publisher sees by it who is slow. */
BK_API size_t bk_ws_unsent(const bk_ws *ws);

BK_END_DECLS

#endif
