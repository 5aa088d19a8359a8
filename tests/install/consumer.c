/* consumer.c: a program of a user, who has the installed library and nothing else of ours. */
#include <backend/backend.h>

#include <stdio.h>

int main(void)
{
    bk_arena *arena = bk_arena_new();
    bk_str text = bk_arena_printf(arena, "%s %s", "libbackend", bk_version());
    printf("%.*s\n", (int)text.len, text.ptr);
    bool same = strcmp(bk_version(), BK_VERSION) == 0;
    bk_arena_free(arena);
    return same ? 0 : 1;
}
