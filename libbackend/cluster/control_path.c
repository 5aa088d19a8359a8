/*
 * control_path.c: where the control socket is. See control.h.
 *
 * Without a folder of the user's own (XDG_RUNTIME_DIR) it lies in one under /tmp. There anybody may
 * make folders, so it is used only if it is ours and closed to others.
 */
#include "cluster/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_private(const char *folder)
{
    struct stat info;

    return lstat(folder, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
           (info.st_mode & 077) == 0;
}

static bk_err print(char path[BK__CONTROL_PATH], const char *folder, const char *name)
{
    if (snprintf(path, BK__CONTROL_PATH, "%s%s%s", folder, name[0] != '\0' ? "/" : "", name) >=
        BK__CONTROL_PATH)
        return bk_fail(BK_EINVAL, "the path of the control socket in %s is too long", folder);
    return BK_OK;
}

bk_err bk__control_path(const char *name, const char *asked, bool make, char path[BK__CONTROL_PATH])
{
    const char *own = getenv("XDG_RUNTIME_DIR");
    char folder[BK__CONTROL_PATH], file[BK__CONTROL_PATH];

    if (asked != NULL)
        return print(path, asked, "");
    if (strchr(name, '/') != NULL ||
        snprintf(file, sizeof file, "%s.sock", name) >= (int)sizeof file)
        return bk_fail(BK_EINVAL, "\"%s\" is no name for a control socket", name);
    if (own != NULL && own[0] == '/' && is_private(own))
        return print(path, own, file);
    if (snprintf(folder, sizeof folder, "/tmp/%s-%u", name, (unsigned)geteuid()) >=
        (int)sizeof folder)
        return bk_fail(BK_EINVAL, "\"%s\" is no name for a control socket", name);
    if (make && mkdir(folder, 0700) != 0 && errno != EEXIST)
        return bk_fail(BK_EIO, "cannot make %s: %s", folder, strerror(errno));
    if (!is_private(folder))
        return bk_fail(BK_EFORBIDDEN, "%s is not a folder of this user's alone", folder);
    return print(path, folder, file);
}
