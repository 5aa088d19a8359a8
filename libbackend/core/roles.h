/*
 * roles.h: jobs of a role of their own, which a supervisor may give processes of their own. See
 * bk_worker_opts.role and <backend/cluster.h>.
 */
#ifndef BK_CORE_ROLES_H
#define BK_CORE_ROLES_H

#include <stdbool.h>

#include <backend/base.h>

#define BK__NO_ROLE (-1)

/* The role of @p app that is called so, by its number, from now on. A wrong name, or one too many,
 * stops the program with words. Before the app runs. */
int bk__role_declare(bk_app *app, const char *name);

/* Whether this process runs jobs of that role; BK__NO_ROLE: those of none. */
bool bk__role_is_here(const bk_app *app, int role);

#endif
