/*
 * server.c: small things that all connections of a server share. See server.h.
 */
#include "http/server.h"

#include "fiber/fiber.h"
#include "http/balance.h"
#include "http/exchange.h"

const char *bk__server_date(struct bk__server *server)
{
    uint64_t second = (uint64_t)server->loop->clock.now / 1000000;

    if (second != server->date_at) {
        bk__clock_http_date(server->loop->clock.now, server->date);
        server->date_at = second;
    }
    return server->date;
}

void bk__server_end_streams(struct bk__server *server)
{
    bk__list_each(it, &server->requests) {
        bk_req *req = bk__container_of(it, bk_req, link);
        if (req->res.endless)
            bk_fiber_cancel(req->fiber);
    }
}

uint64_t bk__server_after(const struct bk__server *server, uint32_t ms)
{
    return ms == BK_UNLIMITED ? BK__NEVER : server->loop->clock.now_ms + ms;
}

void bk__server_connection_closed(struct bk__server *server, const struct bk__peer *peer)
{
    server->connection_count--;
    if (server->balance != NULL && !server->draining)
        bk__balance_note(server->balance, server->slot, server->connection_count);
    bk__peers_leave(&server->peers, peer);
}
