/*
 * http2.c: h2o's side of an app: one context, one host, one path, one handler. See http2.h.
 */
#include "http/http2.h"

#include <stdlib.h>

#include "core/assert.h"
#include "http/http2_conn.h"
#include "http/table.h"

/* h2o's own idle timer must never fire: it leads into a loop without end (docs/internals/http2.md).
 */
#define NEVER_MS UINT64_C(315360000000)

/* h2o refuses longer bodies in a way that tells clients to try again. So its limit lies far enough
 * above ours for us to be faster, see bk__h2_check_bodies(). */
#define BODY_SLACK     (8 * 1024 * 1024)
#define BODY_UNLIMITED (1024 * 1024 * 1024)

/* Header blocks that are so far over the limits are not answered with 431: h2o must not even see
 * them. */
#define FAR_OVER 8

static size_t largest_body(const struct bk__server *server)
{
    uint32_t own = server->limits.body_bytes, of_routes = server->table->largest_body;
    uint32_t largest = own > of_routes ? own : of_routes;

    return largest == BK_UNLIMITED ? BODY_UNLIMITED : largest;
}

static uint32_t far_over(uint32_t limit, uint32_t at_most)
{
    return limit < at_most / FAR_OVER ? limit * FAR_OVER : at_most;
}

static void configure(struct bk__h2_context *h2)
{
    const bk_limits *limits = &h2->server->limits;
    h2o_globalconf_t *config = &h2->config;

    h2->body_max = largest_body(h2->server);
    h2->frames_limits.block_bytes = far_over(limits->header_bytes, H2O_MAX_REQLEN);
    h2->frames_limits.block_fields = far_over(limits->header_count, UINT32_MAX);
    h2o_config_init(config);
    config->server_name = (h2o_iovec_t){NULL, 0};
    config->max_request_entity_size = h2->body_max + BODY_SLACK;
    config->http1.upgrade_to_http2 = 0;
    config->http2.idle_timeout = NEVER_MS;
    config->http2.latency_optimization.min_rtt = UINT32_MAX;
}

static void register_handler(struct bk__h2_context *h2)
{
    h2o_hostconf_t *host =
        h2o_config_register_host(&h2->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);

    host->http2.push_preload = 0;
    struct bk__h2_handler *handler =
        (struct bk__h2_handler *)h2o_create_handler(path, sizeof *handler);
    handler->super.on_req = bk__h2_on_request;
    handler->h2 = h2;
    bk__h2_problem_register(&host->fallback_path);
}

void bk__http2_open(struct bk__server *server)
{
    struct bk__h2_context *h2 = calloc(1, sizeof *h2);

    bk_assert(h2 != NULL);
    server->h2 = h2;
    h2->server = server;
    bk__list_init(&h2->conns);
    h2->sweep.fn = bk__h2_on_sweep;
    /* Bodies over 32 MiB would go to files in /tmp; the limits are ours. */
    h2o_socket_buffer_prototype.mmap_settings = NULL;
    configure(h2);
    register_handler(h2);
    h2o_context_init(&h2->ctx, server->loop->evloop, &h2->config);
    h2->accept.ctx = &h2->ctx;
    h2->accept.hosts = h2->config.hosts;
    bk__h2_check_layout(h2);
}

/* h2o keeps used buffers and pool chunks per thread, at most 16 of each, and would leave them
 * behind with it. */
static void free_kept_memory(struct bk__h2_context *h2)
{
    enum {
        CHUNKS = 16,
        PIECES_A_CHUNK = 4,
        PIECE = 1000
    };
    h2o_mem_pool_t pool;

    while (h2->outputs->allocator.cnt != 0)
        free(h2o_mem_alloc_recycle(&h2->outputs->allocator, 0));
    h2o_mem_init_pool(&pool);
    for (int i = 0; i < CHUNKS * PIECES_A_CHUNK; i++)
        (void)h2o_mem_alloc_pool(&pool, PIECE);
    for (void *chunk = pool.chunks, *next; chunk != NULL; chunk = next) {
        next = *(void **)chunk;
        free(chunk);
    }
}

void bk__http2_close(struct bk__server *server)
{
    struct bk__h2_context *h2 = server->h2;

    if (h2 == NULL)
        return;
    bk_assert(bk__list_empty(&h2->conns));
    while (!h2o_linklist_is_empty(&h2->ctx.http2._conns))
        bk__loop_turn(server->loop,
                      0); /* the connection of the check, if the app has not turned since */
    server->h2 = NULL;
    bk__timer_stop(server->loop, &h2->sweep);
    h2o_context_dispose(&h2->ctx);
    free(h2->ctx.queue); /* which h2o forgets */
    h2o_config_dispose(&h2->config);
    free_kept_memory(h2);
    free(h2);
}

/* Visits each connection; @p visit may end it. */
static void each(struct bk__server *server, void (*visit)(struct bk__h2_conn *conn))
{
    struct bk__link *it = server->h2 != NULL ? server->h2->conns.anchor.next : NULL;

    while (it != NULL && it != &server->h2->conns.anchor) {
        struct bk__h2_conn *conn = bk__container_of(it, struct bk__h2_conn, link);
        it = it->next;
        bk__h2_conn_enter(conn);
        visit(conn);
        bk__h2_conn_leave(conn);
    }
}

static void say_goaway(struct bk__h2_conn *conn)
{
    bk__h2_conn_goaway(conn);
    if (conn->h2o != NULL)
        bk__h2_conn_flush(conn); /* the loop may not turn again before all is closed */
}

void bk__http2_drain(struct bk__server *server)
{
    each(server, say_goaway);
}

static void close_now(struct bk__h2_conn *conn)
{
    bk__h2_conn_last_goaway(conn);
    if (conn->h2o != NULL)
        bk__h2_conn_flush(conn);
    bk__h2_conn_close(conn); /* and if the client does not take what is left, the sweep cuts it */
}

void bk__http2_close_all(struct bk__server *server)
{
    each(server, close_now);
}
