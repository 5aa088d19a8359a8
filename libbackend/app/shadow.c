/*
 * shadow.c: finding functions of libh2o that something else has taken the place of. See shadow.h.
 *
 * libh2o exports some functions without a prefix of its own, and calls them through the dynamic
 * linker: a host that happens to define `cloexec_pipe` or `on_read` is called in libh2o's stead. So
 * the linker is asked for each name, and the answer must lie in the file that libh2o's own
 * functions lie in. Where libh2o is linked statically, that file is the program and nothing can be
 * told apart.
 */
#include "app/shadow.h"

#include <dlfcn.h>
#include <stddef.h>

static const char *const names[] = {
#define SYMBOL(name) #name,
#include "app/shadow.def"
#undef SYMBOL
};

static const void *file_of(const void *address)
{
    Dl_info info;

    return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

const char *bk__shadowed_symbol(void)
{
    const void *h2o = file_of(dlsym(RTLD_DEFAULT, "h2o_config_init"));

    for (size_t i = 0; h2o != NULL && i < sizeof names / sizeof names[0]; i++) {
        const void *found = dlsym(RTLD_DEFAULT, names[i]);
        if (found != NULL && file_of(found) != h2o)
            return names[i];
    }
    return NULL;
}
