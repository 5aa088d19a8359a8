/*
 * roles.c: roles of an app beside web and job. See core/roles.h.
 */
#include "core/roles.h"

#include <string.h>

#include "app/app.h"
#include "core/assert.h"

static int find(const bk_app *app, const char *name)
{
    for (unsigned i = 0; i < app->role_count; i++)
        if (strcmp(app->roles[i].name, name) == 0)
            return (int)i;
    return BK__NO_ROLE;
}

/* It is a member of what the control socket is told, and part of a flag and of a variable. */
static bool is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char *const taken[] = {"web", "job", "command"};
    size_t len = strlen(name);

    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(name, taken[i]) == 0)
            return false;
    return len > 0 && len <= BK__ROLE_NAME && strspn(name, letters) == len && name[0] > '9';
}

int bk__role_declare(bk_app *app, const char *name)
{
    int known = find(app, name);

    if (known != BK__NO_ROLE)
        return known;
    if (!is_name(name))
        bk__setup_error("bk_worker_opts", 0,
                        "role \"%s\": at most %d lower-case letters and digits, a letter first; "
                        "web, job and command are taken",
                        name, BK__ROLE_NAME);
    if (app->role_count == BK__OWN_ROLES)
        bk__setup_error("bk_worker_opts", 0, "role \"%s\": an app may have %d", name,
                        BK__OWN_ROLES);
    struct bk__own_role *role = &app->roles[app->role_count];
    memcpy(role->name, name, strlen(name) + 1);
    return (int)app->role_count++;
}

bool bk__role_is_here(const bk_app *app, int role)
{
    unsigned roles = bk_app_roles(app);

    if (role == BK__NO_ROLE || (app->berth.apart & 1U << role) == 0)
        return (roles & BK_ROLE_JOBS) != 0;
    return (roles & BK_ROLE_OWN) != 0 && app->berth.own == (unsigned)role;
}

const char *bk_app_role(const bk_app *app)
{
    return (bk_app_roles(app) & BK_ROLE_OWN) != 0 ? app->roles[app->berth.own].name : NULL;
}

void bk__roles_fill(bk_app *app)
{
    const bk_cluster_role *it = app->cluster.roles;

    for (; it != NULL && it->name != NULL; it++) {
        int role = find(app, it->name);
        if (role == BK__NO_ROLE)
            bk__setup_error("bk_cluster_opts", 0, "no worker has the role \"%s\"", it->name);
        app->roles[role].workers = it->workers;
        app->roles[role].hang_ms = it->hang_ms;
    }
    for (unsigned i = 0; i < app->role_count; i++)
        if (app->roles[i].hang_ms == 0)
            app->roles[i].hang_ms = BK_UNLIMITED;
}
