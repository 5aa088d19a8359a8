/*
 * inherit.h: listening sockets that one executable leaves to the next, by exec.
 *
 * They go by the name under which they were asked for, in the environment: so it does not matter
 * whether the next one asks for them in the same order, or for more, or for fewer.
 */
#ifndef BK_HTTP_INHERIT_H
#define BK_HTTP_INHERIT_H

struct bk__server;

/* In the process that is about to exec: leaves all listeners of @p server to the next executable.
 */
void bk__inherit_leave(const struct bk__server *server);

/* The descriptor that was left under @p name, to be owned; -1: none. */
int bk__inherit_take(const char *name);

/* Closes what nobody took. */
void bk__inherit_drop(void);

#endif
