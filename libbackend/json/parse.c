/*
 * parse.c: text to values.
 *
 * The text is copied into the arena once; strings and keys are then unescaped where they lie, and a
 * NUL takes the place of the closing quote. An open level is a pointer on a small stack, so depth
 * costs no recursion. After an error what was built stays in the arena, unreachable.
 */
#include <backend/json.h>

#include "core/arena.h"
#include "json/keys.h"
#include "json/scan.h"
#include "json/value.h"

#define SCRATCH 1024

struct parser {
    struct bk__scan scan;
    struct bk__keys keys;
    bk_arena *arena;
    char *copy;      /* the text, ours to change */
    unsigned depth;  /* open levels */
    const char *key; /* of the value to come, in an object */
    size_t key_len;
    bk_json *root;
    bk_json *open[BK__JSON_DEPTH_MAX];
};

/* Ends the key or string just scanned, without its escapes, with a NUL; *len receives its
 * length. */
static char *settle(struct parser *parser, size_t *len)
{
    bk_str raw = parser->scan.text;
    char *text = parser->copy + (raw.ptr - parser->copy);

    *len = parser->scan.escaped ? bk__scan_unescape(raw, text) : raw.len;
    text[*len] = '\0';
    return text;
}

static void add(struct parser *parser, bk_json *value)
{
    if (parser->depth == 0) {
        parser->root = value;
        return;
    }
    bk_json *parent = parser->open[parser->depth - 1];
    if (cJSON_IsObject(&parent->node))
        bk__json_link(parent, parser->key, parser->key_len, value);
    else
        bk_json_append(parent, value);
}

static void open(struct parser *parser, bk_json *value)
{
    add(parser, value);
    parser->open[parser->depth++] = value;
}

static void take_key(struct parser *parser)
{
    const struct bk__scan *scan = &parser->scan;

    parser->key = settle(parser, &parser->key_len);
    bk__keys_push(&parser->keys, bk_str_at(parser->key, parser->key_len),
                  (size_t)(scan->start - scan->begin), scan->depth);
}

static void close_object(struct parser *parser)
{
    struct bk__scan *scan = &parser->scan;
    struct bk__key twice;

    if (bk__keys_pop(&parser->keys, parser->depth, &twice))
        bk__scan_refuse(scan, scan->begin + twice.at, "duplicate key");
    parser->depth--;
}

static void take_number(struct parser *parser)
{
    struct bk__scan *scan = &parser->scan;

    if (bk__number_is_huge(&scan->number))
        bk__scan_refuse(scan, scan->start, "number out of range");
    else
        add(parser, bk__json_new_number(parser->arena, &scan->number));
}

static void take(struct parser *parser, enum bk__token token)
{
    bk_arena *arena = parser->arena;
    size_t len;

    switch (token) {
    case BK__TOKEN_BEGIN_OBJECT:
        open(parser, bk_json_new_object(arena));
        break;
    case BK__TOKEN_BEGIN_ARRAY:
        open(parser, bk_json_new_array(arena));
        break;
    case BK__TOKEN_END_OBJECT:
        close_object(parser);
        break;
    case BK__TOKEN_END_ARRAY:
        parser->depth--;
        break;
    case BK__TOKEN_KEY:
        take_key(parser);
        break;
    case BK__TOKEN_STRING: {
        char *text = settle(parser, &len);
        add(parser, bk__json_new_text(arena, text, len));
        break;
    }
    case BK__TOKEN_NUMBER:
        take_number(parser);
        break;
    case BK__TOKEN_TRUE:
    case BK__TOKEN_FALSE:
        add(parser, bk_json_new_bool(arena, token == BK__TOKEN_TRUE));
        break;
    case BK__TOKEN_NULL:
        add(parser, bk_json_new_null(arena));
        break;
    case BK__TOKEN_ERROR:
    case BK__TOKEN_END:
        break;
    }
}

bk_err bk_json_parse(bk_arena *arena, bk_str text, const bk_json_limits *limits, bk_json **out)
{
    static const bk_json_limits defaults;
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    bk_arena scratch;
    struct parser parser = {.arena = arena};
    enum bk__token token;

    if (limits == NULL)
        limits = &defaults;
    parser.copy = bk__arena_get(arena, text.len);
    if (text.len != 0)
        memcpy(parser.copy, text.ptr, text.len);
    bk__scan_init(&parser.scan, bk_str_at(parser.copy, text.len), limits->max_depth,
                  limits->max_nodes);
    bk__arena_init(&scratch, lent, sizeof(lent));
    bk__keys_init(&parser.keys, &scratch);
    do {
        token = bk__scan_next(&parser.scan);
        take(&parser, token);
    } while (token != BK__TOKEN_END && token != BK__TOKEN_ERROR);
    bk__arena_fini(&scratch);
    if (token == BK__TOKEN_ERROR)
        return bk__scan_fail(&parser.scan);
    *out = parser.root;
    return BK_OK;
}
