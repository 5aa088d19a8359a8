/*
 * forwarded.c: what proxies say, as far as it can be believed.
 *
 * Each proxy adds an element at the right, about the neighbour that it heard from. So the last
 * element is the peer's word; the one before it is the word of the address in the last; and so on
 * until an address is not trusted: that one is the client, and all that stands left of it may be
 * made up.
 *
 * What is made up must not reach what is not: elements are cut off from the right, where an opening
 * quote that the client sent and never closed hides nothing of what a proxy wrote after it.
 */
#include "http/forwarded.h"

#include <backend/arena.h>
#include <backend/str.h>

#include "http/header.h"

/* One element of Forwarded. Absent: not said. */
struct hop {
    bk_str node, scheme, host;
};

/* True when an odd number of backslashes precedes @p at. */
static bool is_escaped(bk_str text, size_t at)
{
    size_t slashes = 0;
    while (slashes < at && text.ptr[at - slashes - 1] == '\\')
        slashes++;
    return slashes % 2 == 1;
}

/* Cuts the last element off a list, trimmed; passes over empty ones. */
static bool cut_last(bk_str *rest, bool quotes, bk_str *element)
{
    while (rest->len > 0) {
        size_t at = rest->len;
        bool quoted = false;
        while (at > 0 && (quoted || rest->ptr[at - 1] != ',')) {
            at--;
            if (quotes && rest->ptr[at] == '"' && !(quoted && is_escaped(*rest, at)))
                quoted = !quoted;
        }
        *element = bk_str_trim(bk_str_at(rest->ptr + at, rest->len - at));
        rest->len = at > 0 ? at - 1 : 0;
        if (element->len > 0)
            return true;
    }
    return false;
}

static bk_str scheme_of(bk_str text)
{
    if (bk_str_ieq(text, BK_LIT("https")))
        return BK_LIT("https");
    return bk_str_ieq(text, BK_LIT("http")) ? BK_LIT("http") : (bk_str){NULL, 0};
}

/* A name or address with or without a port. Others are absent: a host ends up in links. */
static bk_str host_of(bk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c != '\0' && strchr("-._:[]", c) != NULL);
        if (!fits)
            return (bk_str){NULL, 0};
    }
    return text.len > 0 && text.len < 256 ? text : (bk_str){NULL, 0};
}

static bool is_port(bk_str text)
{
    int64_t port;
    return bk_str_to_i64(text, &port) == BK_OK && port >= 0 && port <= 65535;
}

/* "ADDRESS", "IPV4:PORT", "[IPV6]" or "[IPV6]:PORT". Returns the length of the address; 0: none. */
static size_t read_node(bk_str node, char out[BK__ADDRESS_TEXT])
{
    bk_str port = {NULL, 0};

    if (node.len > 0 && node.ptr[0] == '[') {
        const char *end = memchr(node.ptr, ']', node.len);
        if (end == NULL)
            return 0;
        bk_str after = {end + 1, (size_t)(node.ptr + node.len - end - 1)};
        node = bk_str_at(node.ptr + 1, (size_t)(end - node.ptr) - 1);
        if (node.len == 0 || memchr(node.ptr, ':', node.len) == NULL)
            return 0;
        if (after.len > 0 && after.ptr[0] != ':')
            return 0;
        if (after.len > 0)
            port = bk_str_at(after.ptr + 1, after.len - 1);
    } else {
        bk_str rest = node, before;
        (void)bk_str_split(&rest, ':', &before);
        if (rest.ptr != NULL && (rest.len == 0 || memchr(rest.ptr, ':', rest.len) == NULL)) {
            node = before;
            port = rest;
        }
    }
    if (bk_str_present(port) && !is_port(port))
        return 0;
    return bk__address_canonical(node, out);
}

/* One step to the left: @p out->client becomes @p node's address if it is one. True when what that
 * address says is believed as well. */
static bool step(bk_arena *arena, const struct bk__trust *trust, bk_str node,
                 struct bk__forwarded *out)
{
    char text[BK__ADDRESS_TEXT];
    size_t len = read_node(node, text);
    if (len == 0)
        return false;
    out->client = bk_arena_dup(arena, bk_str_at(text, len));
    return bk__trust_has(trust, out->client);
}

static bool take_once(bk_str *place, bk_str value)
{
    if (bk_str_present(*place))
        return false;
    *place = value;
    return true;
}

/* False when the element is malformed. */
static bool read_hop(bk_arena *arena, bk_str element, struct hop *out)
{
    bk_str name, value;

    *out = (struct hop){0};
    while (bk__header_param_next(&element, &name, &value)) {
        bool once = true;
        value = bk__header_unquote(arena, value);
        if (bk_str_ieq(name, BK_LIT("for")))
            once = take_once(&out->node, value);
        else if (bk_str_ieq(name, BK_LIT("proto")))
            once = take_once(&out->scheme, value);
        else if (bk_str_ieq(name, BK_LIT("host")))
            once = take_once(&out->host, value);
        if (!once)
            return false;
    }
    return element.len == 0;
}

static void walk_forwarded(bk_arena *arena, const struct bk__trust *trust, bk_str list,
                           struct bk__forwarded *out)
{
    bk_str element;
    struct hop hop;

    while (cut_last(&list, true, &element) && read_hop(arena, element, &hop)) {
        if (!bk_str_present(out->scheme))
            out->scheme = scheme_of(hop.scheme);
        if (!bk_str_present(out->host))
            out->host = host_of(hop.host);
        if (!step(arena, trust, hop.node, out))
            return;
    }
}

static void walk_x_forwarded_for(bk_arena *arena, const struct bk__trust *trust, bk_str list,
                                 struct bk__forwarded *out)
{
    bk_str element;
    while (cut_last(&list, false, &element) && step(arena, trust, element, out))
        continue;
}

void bk__forwarded_resolve(bk_arena *arena, const struct bk__trust *trust, bk_str peer,
                           bk_str forwarded, bk_str x_forwarded_for, bk_str x_forwarded_proto,
                           bk_str x_forwarded_host, struct bk__forwarded *out)
{
    bk_str last;

    *out = (struct bk__forwarded){.client = peer};
    if (!bk__trust_has(trust, peer))
        return;
    if (bk_str_present(forwarded)) {
        walk_forwarded(arena, trust, forwarded, out);
        return;
    }
    walk_x_forwarded_for(arena, trust, x_forwarded_for, out);
    if (cut_last(&x_forwarded_proto, false, &last))
        out->scheme = scheme_of(last);
    if (cut_last(&x_forwarded_host, false, &last))
        out->host = host_of(last);
}
