/*
 * version.c: which library a program got, as against the headers that it was compiled with.
 */
#include <backend/backend.h>

const char *bk_version(void)
{
    return BK_VERSION;
}
