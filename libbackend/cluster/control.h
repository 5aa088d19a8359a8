/*
 * control.h: the supervisor's unix socket: who may open it may command it.
 *
 * A request is a line of JSON, {"command":"status"}, and so is its answer: {"ok":true,...} or
 * {"ok":false,"error":"..."}. Commands that take time are answered when they are done. The commands
 * are a table in control.c; docs/guide/running.md tells of them.
 */
#ifndef BK_CLUSTER_CONTROL_H
#define BK_CLUSTER_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include <backend/errors.h>

struct bk__supervisor;
struct bk__control;

#define BK__CONTROL_CLIENTS 8
#define BK__CONTROL_FDS     (1 + BK__CONTROL_CLIENTS)
#define BK__CONTROL_PATH    108 /* bytes of a path with its end; what a socket's address takes */

/* What a client may wait for. */
enum bk__control_wait {
    BK__CONTROL_NOTHING,
    BK__CONTROL_RELOAD,
    BK__CONTROL_UPGRADE
};

/* Where the socket of the app @p name is: @p asked, else the default. With @p make the default's
 * folder is made, and checked to be nobody else's. */
bk_err bk__control_path(const char *name, const char *asked, bool make,
                        char path[BK__CONTROL_PATH]);

/* Opens it. With @p replace a socket that answers is taken from its owner. */
bk_err bk__control_open(const char *path, bool replace, struct bk__control **out);

/* Closes it, and removes its file with @p remove. NULL is fine. */
void bk__control_close(struct bk__control *control, bool remove);

/* For poll(2): fills BK__CONTROL_FDS entries, -1 where there is nothing to wait for. NULL is fine.
 */
void bk__control_watch(const struct bk__control *control, struct pollfd *fds);

/* Takes what has come. The control may be closed afterwards. NULL is fine. */
void bk__control_turn(struct bk__control *control, struct bk__supervisor *s,
                      const struct pollfd *fds);

/* What clients wait for is done; @p error  NULL: well. */
void bk__control_done(struct bk__control *control, enum bk__control_wait what, const char *error);

#endif
