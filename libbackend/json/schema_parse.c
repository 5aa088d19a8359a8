/*
 * schema_parse.c: a JSON Schema read once, so that checking by it need not look anything up.
 *
 * A table says for each keyword what its value must be and where that goes. A keyword that is not
 * in it is refused: a rule that is written but not kept is worse than none. References are resolved
 * when all is read, because they may point ahead.
 *
 * What must hold in the end: from no schema does a way of references, allOf and the like, which all
 * speak of the same value, lead back to it, nor is such a way longer than BK__SCHEMA_HEIGHT_MAX.
 * Ways through properties and items may be circles, for the value ends them.
 */
#include "json/rule.h"

#include <stddef.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/assert.h"
#include "json/bind.h"
#include "json/format.h"
#include "json/value.h"

#define DRAFT "https://json-schema.org/draft/2020-12/schema"

struct parser {
    bk_arena *arena;
    bk_schema *root;
    bk_schema *all; /* by next, the newest first */
};

/* What a keyword's value must be. */
enum value_kind {
    NOTE,     /* anything: it is an annotation */
    TEXT,     /* a string: likewise */
    NUMBER,   /* const bk_json *: a number */
    COUNT,    /* size_t */
    FLAG,     /* bool */
    VALUE,    /* const bk_json *: anything */
    SUB,      /* bk_schema * */
    LIST,     /* struct bk__schemas: at least one */
    MEMBERS,  /* struct bk__properties: a schema for each key */
    PATTERNS, /* struct bk__properties: a schema for each pattern */
    DEFS,
    TYPE,
    ENUM,
    PATTERN,
    FORMAT,
    REQUIRED,
    DEPENDENT,
    REF,
    DIALECT,
    TOP_TEXT /* a string, at the top only */
};

#define AT(member) offsetof(bk_schema, member)

static const struct keyword {
    const char *name;
    enum value_kind kind;
    size_t offset;
} keywords[] = {
    {"type", TYPE, 0},
    {"properties", MEMBERS, AT(properties)},
    {"required", REQUIRED, 0},
    {"items", SUB, AT(items)},
    {"$ref", REF, 0},
    {"enum", ENUM, 0},
    {"const", VALUE, AT(exactly)},
    {"multipleOf", NUMBER, AT(number.multiple_of)},
    {"minimum", NUMBER, AT(number.min)},
    {"maximum", NUMBER, AT(number.max)},
    {"exclusiveMinimum", NUMBER, AT(number.above)},
    {"exclusiveMaximum", NUMBER, AT(number.below)},
    {"minLength", COUNT, AT(min_len)},
    {"maxLength", COUNT, AT(max_len)},
    {"pattern", PATTERN, 0},
    {"format", FORMAT, 0},
    {"prefixItems", LIST, AT(first)},
    {"minItems", COUNT, AT(min_items)},
    {"maxItems", COUNT, AT(max_items)},
    {"uniqueItems", FLAG, AT(unique)},
    {"patternProperties", PATTERNS, AT(by_pattern)},
    {"additionalProperties", SUB, AT(additional)},
    {"propertyNames", SUB, AT(names)},
    {"minProperties", COUNT, AT(min_members)},
    {"maxProperties", COUNT, AT(max_members)},
    {"dependentRequired", DEPENDENT, 0},
    {"allOf", LIST, AT(all)},
    {"anyOf", LIST, AT(any)},
    {"oneOf", LIST, AT(one)},
    {"not", SUB, AT(negated)},
    {"if", SUB, AT(condition)},
    {"then", SUB, AT(then)},
    {"else", SUB, AT(otherwise)},
    {"$defs", DEFS, 0},
    {"$schema", DIALECT, 0},
    {"$id", TOP_TEXT, 0},
    {"$comment", TEXT, 0},
    {"title", TEXT, 0},
    {"description", TEXT, 0},
    {"default", NOTE, 0},
    {"examples", NOTE, 0},
    {"example", NOTE, 0},
    {"deprecated", NOTE, 0},
    {"readOnly", NOTE, 0},
    {"writeOnly", NOTE, 0},
};

static bool refuse(struct parser *parser, const struct bk__place *at, const char *what)
{
    bk_str pointer = bk__place_pointer(parser->arena, at);

    bk_fail(BK_EINVAL, "the schema's \"%.*s\" %s", BK_PRI(pointer), what);
    return false;
}

static bool read_schema(struct parser *parser, const bk_json *node, const struct bk__place *at,
                        bk_schema **out);

/* --- values that are schemas ------------------------------------------------------------------ */

static bool read_list(struct parser *parser, const bk_json *value, const struct bk__place *at,
                      struct bk__schemas *out)
{
    struct bk__place place = {.up = at};
    size_t len = bk_json_len(value);

    if (bk_json_type_of(value) != BK_JSON_ARRAY || len == 0)
        return refuse(parser, at, "must be an array of schemas, at least one");
    out->items = bk__arena_get(parser->arena, len * sizeof(*out->items));
    for (const bk_json *it = bk_json_first(value); it != NULL; it = bk_json_next(it)) {
        if (!read_schema(parser, it, &place, &out->items[place.index]))
            return false;
        out->count = ++place.index;
    }
    return true;
}

static void free_pattern(void *pattern)
{
    bk__pattern_free(pattern);
}

static bool read_pattern(struct parser *parser, bk_str text, const struct bk__place *at,
                         struct bk__pattern **out)
{
    char room[128], words[160];

    *out = bk__pattern_new(text.ptr, room, sizeof(room));
    if (*out == NULL) {
        snprintf(words, sizeof(words), "is no pattern: %s", room);
        return refuse(parser, at, words);
    }
    bk_arena_defer(parser->arena, free_pattern, *out);
    return true;
}

static bool read_members(struct parser *parser, const bk_json *value, const struct bk__place *at,
                         bool patterns, struct bk__properties *out)
{
    size_t len = bk_json_len(value);

    if (bk_json_type_of(value) != BK_JSON_OBJECT)
        return refuse(parser, at, "must be an object of schemas");
    out->items = bk__arena_get(parser->arena, (len + 1) * sizeof(*out->items));
    for (const bk_json *it = bk_json_first(value); it != NULL; it = bk_json_next(it)) {
        struct bk__place place = {.up = at, .key = bk_json_key(it)};
        struct bk__property *property = &out->items[out->count++];
        *property = (struct bk__property){.key = place.key};
        if (patterns && !read_pattern(parser, place.key, &place, &property->pattern))
            return false;
        if (!read_schema(parser, it, &place, &property->schema))
            return false;
    }
    return true;
}

/* --- other values ----------------------------------------------------------------------------- */

/* The bit for a type's name; 0 when it is none. */
static unsigned kind_of(bk_str name)
{
    static const struct {
        bk_str name;
        unsigned kind;
    } kinds[] = {
        {{"null", 4}, BK__KIND_NULL},     {{"boolean", 7}, BK__KIND_BOOL},
        {{"number", 6}, BK__KIND_NUMBER}, {{"integer", 7}, BK__KIND_INTEGER},
        {{"string", 6}, BK__KIND_STRING}, {{"array", 5}, BK__KIND_ARRAY},
        {{"object", 6}, BK__KIND_OBJECT},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (bk_str_eq(kinds[i].name, name))
            return kinds[i].kind;
    return 0;
}

static bool read_type(struct parser *parser, bk_schema *schema, const bk_json *value,
                      const struct bk__place *at)
{
    const bk_json *it = value;
    bool list = bk_json_type_of(value) == BK_JSON_ARRAY;

    schema->kinds = 0;
    for (it = list ? bk_json_first(value) : value; it != NULL;
         it = list ? bk_json_next(it) : NULL) {
        unsigned kind = kind_of(bk_json_str(it));
        if (kind == 0)
            return refuse(parser, at, "has a type that JSON Schema does not know");
        schema->kinds |= kind;
    }
    if (schema->kinds == 0)
        return refuse(parser, at, "must name at least one type");
    return true;
}

static bool read_format(struct parser *parser, bk_schema *schema, const bk_json *value,
                        const struct bk__place *at)
{
    static const struct {
        bk_str name;
        enum bk__more_format format;
    } more[] = {
        {{"date-time", 9}, BK__MORE_DATE_TIME}, {{"int32", 5}, BK__MORE_INT32},
        {{"int64", 5}, BK__MORE_INT64},         {{"float", 5}, BK__MORE_NONE},
        {{"double", 6}, BK__MORE_NONE},         {{"password", 8}, BK__MORE_NONE},
    };
    bk_str name = bk_json_str(value);

    for (int format = BK_FORMAT_EMAIL; format <= BK_FORMAT_SLUG; format++) {
        const char *known = bk__format_schema((bk_format)format);
        if (known != NULL && bk_str_eq(bk_str_of(known), name)) {
            schema->format = (bk_format)format;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        if (bk_str_eq(more[i].name, name)) {
            schema->more_format = more[i].format;
            return true;
        }
    }
    return refuse(parser, at, "is a format that is not known here");
}

/* An array of strings, none twice. */
static bool check_names(struct parser *parser, const bk_json *value, const struct bk__place *at)
{
    if (bk_json_type_of(value) != BK_JSON_ARRAY)
        return refuse(parser, at, "must be an array of names");
    for (const bk_json *it = bk_json_first(value); it != NULL; it = bk_json_next(it)) {
        if (bk_json_type_of(it) != BK_JSON_STRING)
            return refuse(parser, at, "must hold strings only");
        for (const bk_json *other = bk_json_first(value); other != it; other = bk_json_next(other))
            if (bk_str_eq(bk_json_str(it), bk_json_str(other)))
                return refuse(parser, at, "has a name twice");
    }
    return true;
}

static bool read_dependent(struct parser *parser, bk_schema *schema, const bk_json *value,
                           const struct bk__place *at)
{
    if (bk_json_type_of(value) != BK_JSON_OBJECT)
        return refuse(parser, at, "must be an object");
    for (const bk_json *it = bk_json_first(value); it != NULL; it = bk_json_next(it)) {
        struct bk__place place = {.up = at, .key = bk_json_key(it)};
        if (!check_names(parser, it, &place))
            return false;
    }
    schema->dependent = value;
    return true;
}

static bool read_count(struct parser *parser, const bk_json *value, const struct bk__place *at,
                       size_t *out)
{
    if (bk_json_type_of(value) != BK_JSON_NUMBER || !value->exact || value->integer < 0)
        return refuse(parser, at, "must be a whole number, at least 0");
    *out = (size_t)value->integer;
    return true;
}

static bool read_number(struct parser *parser, const struct keyword *keyword, const bk_json *value,
                        const struct bk__place *at, const bk_json **out)
{
    if (bk_json_type_of(value) != BK_JSON_NUMBER)
        return refuse(parser, at, "must be a number");
    if (keyword->offset == AT(number.multiple_of) && value->node.valuedouble <= 0)
        return refuse(parser, at, "must be greater than 0");
    *out = value;
    return true;
}

static bool check_text(struct parser *parser, enum value_kind kind, const bk_json *value,
                       const struct bk__place *at)
{
    bk_str text = bk_json_str(value);

    if (bk_json_type_of(value) != BK_JSON_STRING)
        return refuse(parser, at, "must be a string");
    if (kind == REF && (text.len == 0 || text.ptr[0] != '#'))
        return refuse(parser, at, "must point into the same schema, as \"#/$defs/name\" does");
    if (kind == DIALECT && !bk_str_eq(text, BK_LIT(DRAFT)) && !bk_str_eq(text, BK_LIT(DRAFT "#")))
        return refuse(parser, at, "must be " DRAFT);
    if (kind == TOP_TEXT && at->up != NULL)
        return refuse(parser, at, "may stand at the top only");
    return true;
}

/* --- a schema --------------------------------------------------------------------------------- */

static bool read_keyword(struct parser *parser, bk_schema *schema, const struct keyword *keyword,
                         const bk_json *value, const struct bk__place *at)
{
    void *slot = (char *)schema + keyword->offset;
    struct bk__properties ignored = {0};

    switch (keyword->kind) {
    case NOTE:
        return true;
    case TEXT:
    case REF:
    case DIALECT:
    case TOP_TEXT:
        return check_text(parser, keyword->kind, value, at);
    case NUMBER:
        return read_number(parser, keyword, value, at, slot);
    case COUNT:
        return read_count(parser, value, at, slot);
    case FLAG:
        *(bool *)slot = bk_json_bool(value);
        return bk_json_type_of(value) == BK_JSON_BOOL ||
               refuse(parser, at, "must be true or false");
    case VALUE:
        *(const bk_json **)slot = value;
        return true;
    case SUB:
        return read_schema(parser, value, at, slot);
    case LIST:
        return read_list(parser, value, at, slot);
    case MEMBERS:
    case PATTERNS:
        return read_members(parser, value, at, keyword->kind == PATTERNS, slot);
    case DEFS:
        return read_members(parser, value, at, false, &ignored);
    case TYPE:
        return read_type(parser, schema, value, at);
    case ENUM:
        schema->one_of_these = value;
        return (bk_json_type_of(value) == BK_JSON_ARRAY && bk_json_len(value) != 0) ||
               refuse(parser, at, "must be an array of values, at least one");
    case PATTERN:
        return check_text(parser, TEXT, value, at) &&
               read_pattern(parser, bk_json_str(value), at, &schema->pattern);
    case FORMAT:
        return check_text(parser, TEXT, value, at) && read_format(parser, schema, value, at);
    case REQUIRED:
        schema->required = value;
        return check_names(parser, value, at);
    case DEPENDENT:
        return read_dependent(parser, schema, value, at);
    }
    bk_unreachable("all kinds are above");
}

static const struct keyword *find_keyword(bk_str name)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
        if (bk_str_eq(bk_str_of(keywords[i].name), name))
            return &keywords[i];
    return NULL;
}

static bk_schema *new_schema(struct parser *parser, const bk_json *node)
{
    bk_schema *schema = BK_NEW(parser->arena, bk_schema);

    schema->node = node;
    schema->kinds = BK__KIND_ANY;
    schema->max_len = schema->max_items = schema->max_members = SIZE_MAX;
    schema->next = parser->all;
    parser->all = schema;
    if (parser->root == NULL)
        parser->root = schema;
    return schema;
}

static bool read_schema(struct parser *parser, const bk_json *node, const struct bk__place *at,
                        bk_schema **out)
{
    bk_schema *schema = new_schema(parser, node);

    *out = schema;
    if (bk_json_type_of(node) == BK_JSON_BOOL) {
        schema->kinds = bk_json_bool(node) ? BK__KIND_ANY : 0;
        return true;
    }
    if (bk_json_type_of(node) != BK_JSON_OBJECT)
        return refuse(parser, at, "must be a schema: an object, true or false");
    for (const bk_json *it = bk_json_first(node); it != NULL; it = bk_json_next(it)) {
        struct bk__place place = {.up = at, .key = bk_json_key(it)};
        const struct keyword *keyword = find_keyword(place.key);
        if (keyword == NULL)
            return refuse(parser, &place, "is a keyword that is not known here");
        if (!read_keyword(parser, schema, keyword, it, &place))
            return false;
    }
    return true;
}

/* --- references and circles ------------------------------------------------------------------- */

static bool resolve(struct parser *parser, bk_schema *schema)
{
    bk_str text = bk_json_str(bk_json_get(schema->node, BK_LIT("$ref")));

    if (!bk_str_present(text))
        return true;
    const bk_json *target = bk_json_at(parser->root->node, bk_str_at(text.ptr + 1, text.len - 1));
    bk_schema *it = parser->all;
    while (it != NULL && it->node != target)
        it = it->next;
    if (target == NULL || it == NULL) {
        bk_fail(BK_EINVAL, "the schema's $ref \"%.*s\" leads to no schema", BK_PRI(text));
        return false;
    }
    schema->ref = it;
    return true;
}

#define SINGLE 5

/* The schemas that speak of the same value as @p schema, by number; NULL after the last. */
static bk_schema *same_value(const bk_schema *schema, size_t number)
{
    bk_schema *const single[SINGLE] = {schema->ref, schema->negated, schema->condition,
                                       schema->then, schema->otherwise};
    const struct bk__schemas *lists[] = {&schema->all, &schema->any, &schema->one};

    for (size_t i = 0; i < SINGLE; i++)
        if (single[i] != NULL && number-- == 0)
            return single[i];
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (number < lists[i]->count)
            return lists[i]->items[number];
        number -= lists[i]->count;
    }
    return NULL;
}

/* Finds how many levels of schemas for its value are in @p schema, itself among them; false when
 * they are too many, as those of a circle are. @p depth is the way's length so far. */
static bool measure(bk_schema *schema, unsigned depth, unsigned *out)
{
    bk_schema *inner;
    unsigned highest = 0, height;

    for (size_t i = 0; schema->height == 0 && (inner = same_value(schema, i)) != NULL; i++) {
        if (depth == BK__SCHEMA_HEIGHT_MAX || !measure(inner, depth + 1, &height))
            return false;
        if (height > highest)
            highest = height;
    }
    if (schema->height == 0)
        schema->height = highest + 1;
    *out = schema->height;
    return depth + schema->height <= BK__SCHEMA_HEIGHT_MAX + 1;
}

static bool finish(struct parser *parser)
{
    unsigned height;

    for (bk_schema *it = parser->all; it != NULL; it = it->next)
        if (!resolve(parser, it))
            return false;
    for (bk_schema *it = parser->all; it != NULL; it = it->next) {
        if (!measure(it, 0, &height)) {
            bk_fail(BK_EINVAL,
                    "the schema refers to itself for one value, or has more than %d "
                    "schemas in each other for it",
                    BK__SCHEMA_HEIGHT_MAX);
            return false;
        }
    }
    return true;
}

bk_err bk_schema_parse(bk_arena *arena, bk_str json, const bk_schema **out)
{
    struct parser parser = {.arena = arena};
    bk_schema *schema;
    bk_json *root;

    BK_TRY(bk_json_parse(arena, json, NULL, &root));
    if (!read_schema(&parser, root, NULL, &schema) || !finish(&parser))
        return BK_EINVAL;
    *out = schema;
    return BK_OK;
}

const bk_json *bk_schema_json(const bk_schema *schema)
{
    return schema->node;
}
