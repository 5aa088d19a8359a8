/*
 * cache_key.c: what a stored answer is found by. See cache_key.h.
 *
 * Two requests share an answer when their keys are equal, so what they differ in must be in the key
 * without a way to write one part so that it looks like another: parts are separated by control
 * characters, which neither a request target nor a header value holds. Parameters stay escaped as
 * they came; two spellings of one value cost a second entry, no wrong answer.
 */
#include "middleware/cache_key.h"

#include <string.h>

#include <backend/arena.h>
#include <backend/str.h>

#define PART  '\1' /* before the query, and before each header */
#define PARAM '\2' /* before each parameter */

/* --- the path --------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986, 2.3: these mean the same with and without an escape. */
static bool is_unreserved(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static char upper(char c)
{
    return c >= 'a' && c <= 'f' ? (char)(c & ~0x20) : c;
}

size_t bk__cache_path(bk_str path, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < path.len; i++) {
        int high = -1, low = -1;
        if (path.ptr[i] == '%' && path.len - i > 2) {
            high = hex_digit(path.ptr[i + 1]);
            low = hex_digit(path.ptr[i + 2]);
        }
        if (high < 0 || low < 0) {
            out[len++] = path.ptr[i];
            continue;
        }
        if (is_unreserved(high * 16 + low)) {
            out[len++] = (char)(high * 16 + low);
        } else {
            out[len++] = '%';
            out[len++] = upper(path.ptr[i + 1]);
            out[len++] = upper(path.ptr[i + 2]);
        }
        i += 2;
    }
    while (len > 1 && out[len - 1] == '/')
        len--;
    return len;
}

/* --- the key ---------------------------------------------------------------------------------- */

struct key {
    char *start, *end, *limit;
    bool full; /* something did not fit */
};

static void put(struct key *key, bk_str text)
{
    if ((size_t)(key->limit - key->end) < text.len) {
        key->full = true;
        return;
    }
    if (text.len != 0)
        memcpy(key->end, text.ptr, text.len);
    key->end += text.len;
}

static void put_char(struct key *key, char c)
{
    put(key, (bk_str){&c, 1});
}

static void put_lower(struct key *key, bk_str text)
{
    char *at = key->end;

    put(key, text);
    for (; at < key->end; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at | 0x20);
}

static bk_str name_of(bk_str param)
{
    bk_str name;

    (void)bk_str_split(&param, '=', &name);
    return name;
}

static bool is_wanted(bk_str param, const char *const *query)
{
    bk_str name = name_of(param);

    if (param.len == 0)
        return false;
    if (query == NULL)
        return true;
    for (; *query != NULL; query++)
        if (bk_str_eq(name, bk_str_of(*query)))
            return true;
    return false;
}

static int compare(bk_str a, bk_str b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

enum {
    PARAMS_MAX = 32
};

/* Those of one name keep their order: it may mean something to the handler. */
static void insert(bk_str *params, size_t count, bk_str param)
{
    size_t at = count;

    for (; at > 0 && compare(name_of(params[at - 1]), name_of(param)) > 0; at--)
        params[at] = params[at - 1];
    params[at] = param;
}

static void put_query(struct key *key, bk_str text, const char *const *query)
{
    bk_str params[PARAMS_MAX], param;
    size_t count = 0;

    while (bk_str_split(&text, '&', &param)) {
        if (!is_wanted(param, query))
            continue;
        if (count == PARAMS_MAX) {
            key->full = true;
            return;
        }
        insert(params, count++, param);
    }
    for (size_t i = 0; i < count; i++) {
        put_char(key, PARAM);
        put(key, params[i]);
    }
}

bk_str bk__cache_key(bk_req *req, const char *const *query, const char *const *vary, bk_str *path)
{
    bk_str sent = bk_req_path(req);
    char *room = bk_arena_alloc(bk_req_arena(req), BK__CACHE_KEY_MAX);
    struct key key = {.start = room, .end = room, .limit = room + BK__CACHE_KEY_MAX};

    put_lower(&key, bk_req_host(req));
    if (key.full || (size_t)(key.limit - key.end) < sent.len)
        return (bk_str){NULL, 0};
    *path = (bk_str){key.end, bk__cache_path(sent, key.end)};
    key.end += path->len;
    put_char(&key, PART);
    put_query(&key, bk_req_query(req), query);
    for (; vary != NULL && *vary != NULL; vary++) {
        put_char(&key, PART);
        put(&key, bk_req_header(req, *vary));
    }
    if (key.full)
        return (bk_str){NULL, 0};
    return (bk_str){key.start, (size_t)(key.end - key.start)};
}
