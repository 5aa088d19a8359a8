/*
 * privileges.c: see privileges.h. Groups go first: a user who is not root cannot change them.
 */
#include "cluster/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static bk_err find_user(const char *name, uid_t *uid, gid_t *gid)
{
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL)
        return bk_fail(BK_ENOTFOUND, "there is no user \"%s\"", name);
    *uid = entry->pw_uid;
    *gid = entry->pw_gid;
    return BK_OK;
}

static bk_err find_group(const char *name, gid_t *gid)
{
    errno = 0;
    const struct group *entry = getgrnam(name);
    if (entry == NULL)
        return bk_fail(BK_ENOTFOUND, "there is no group \"%s\"", name);
    *gid = entry->gr_gid;
    return BK_OK;
}

static bk_err become(const char *user, uid_t uid, gid_t gid)
{
    bool is_done = (user != NULL ? initgroups(user, gid) : setgroups(0, NULL)) == 0 &&
                   setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;

    if (!is_done)
        return bk_fail(BK_EFORBIDDEN, "cannot become user %u, group %u: %s", (unsigned)uid,
                       (unsigned)gid, strerror(errno));
    if (uid != 0 && (setuid(0) == 0 || geteuid() == 0))
        return bk_fail(BK_EFORBIDDEN, "there is a way back to root");
    return BK_OK;
}

bk_err bk__privileges_drop(const char *user, const char *group)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (user != NULL)
        BK_TRY(find_user(user, &uid, &gid));
    if (group != NULL)
        BK_TRY(find_group(group, &gid));
    if (uid == geteuid() && uid == getuid() && gid == getegid() && gid == getgid())
        return BK_OK; /* an executable that follows is that user already */
    return become(user, uid, gid);
}
