/*
 * schema.c: a description as JSON Schema (2020-12).
 *
 * The root stands at the top and is "#"; the others, which may refer to each other in circles,
 * stand under $defs. What binding takes beyond a strict reading (null for absent) is not told: the
 * schema is how a client should write.
 */
#include "json/schema.h"

#include <stdio.h>

#include "core/arena.h"
#include "json/field.h"
#include "json/format.h"

#define DRAFT "https://json-schema.org/draft/2020-12/schema"

/* Room for a name under $defs. */
#define NAME_MAX_BYTES 128

/* Where descriptions are, and what they are called there. */
struct schema {
    bk_json_writer *writer;
    const struct bk__reach *reach;
    const char *folder; /* what a reference begins with */
    size_t first;       /* in reach, of those that have a name; those before it are "#" */
};

static void pair(bk_json_writer *writer, const char *key, const char *text)
{
    bk_json_write_key(writer, bk_str_of(key));
    bk_json_write_str(writer, bk_str_of(text));
}

static void flag(bk_json_writer *writer, const char *key, bool set)
{
    if (!set)
        return;
    bk_json_write_key(writer, bk_str_of(key));
    bk_json_write_bool(writer, true);
}

static void count(bk_json_writer *writer, const char *key, size_t number)
{
    if (number > (size_t)INT64_MAX)
        return; /* no bound */
    bk_json_write_key(writer, bk_str_of(key));
    bk_json_write_i64(writer, (int64_t)number);
}

/* The type's name without "struct", in letters that a reference needs not escape. */
static void plain_name(const bk_desc *desc, char out[NAME_MAX_BYTES])
{
    const char *name = strncmp(desc->name, "struct ", 7) == 0 ? desc->name + 7 : desc->name;
    size_t len = 0;

    for (; name[len] != '\0' && len < NAME_MAX_BYTES - 24; len++) {
        char c = name[len];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        out[len] = plain || c == '.' || c == '-' ? c : '_';
    }
    out[len] = '\0';
}

/* The name of the description at @p index, told from earlier ones of the same by a number. */
static void def_name(const struct schema *schema, size_t index, char out[NAME_MAX_BYTES])
{
    char other[NAME_MAX_BYTES];
    size_t same = 0;

    plain_name(schema->reach->items[index], out);
    for (size_t i = schema->first; i < index; i++) {
        plain_name(schema->reach->items[i], other);
        same += strcmp(out, other) == 0;
    }
    if (same != 0) {
        size_t len = strlen(out);
        snprintf(out + len, NAME_MAX_BYTES - len, ".%zu", same + 1);
    }
}

static void reference(const struct schema *schema, const bk_desc *desc)
{
    char name[NAME_MAX_BYTES], text[NAME_MAX_BYTES + 32] = "#";
    size_t index = bk__reach_index(schema->reach, desc);

    if (index >= schema->first) {
        def_name(schema, index, name);
        snprintf(text, sizeof(text), "%s%s", schema->folder, name);
    }
    pair(schema->writer, "$ref", text);
}

static void integer(bk_json_writer *writer, const bk_field *field, const char *format)
{
    pair(writer, "type", "integer");
    pair(writer, "format", format);
    if (field->has_min) {
        bk_json_write_key(writer, BK_LIT("minimum"));
        bk_json_write_i64(writer, field->min_i64);
    }
    if (field->has_max) {
        bk_json_write_key(writer, BK_LIT("maximum"));
        bk_json_write_i64(writer, field->max_i64);
    }
}

static void number(bk_json_writer *writer, const bk_field *field)
{
    pair(writer, "type", "number");
    if (field->has_min) {
        bk_json_write_key(writer, BK_LIT("minimum"));
        bk_json_write_f64(writer, field->min_f64);
    }
    if (field->has_max) {
        bk_json_write_key(writer, BK_LIT("maximum"));
        bk_json_write_f64(writer, field->max_f64);
    }
}

static void string(bk_json_writer *writer, const bk_field *field)
{
    const char *format = bk__format_schema(field->format);

    pair(writer, "type", "string");
    if (field->has_len && field->type == BK_TYPE_STR) {
        count(writer, "minLength", field->min_len);
        count(writer, "maxLength", field->max_len);
    }
    if (format != NULL)
        pair(writer, "format", format);
    if (field->pattern != NULL)
        pair(writer, "pattern", field->pattern);
    if (field->format != BK_FORMAT_SLUG)
        return;
    if (field->pattern == NULL) {
        pair(writer, "pattern", BK__SLUG_PATTERN);
        return;
    }
    bk_json_write_key(writer, BK_LIT("allOf")); /* "pattern" is taken */
    bk_json_begin_array(writer);
    bk_json_begin_object(writer);
    pair(writer, "pattern", BK__SLUG_PATTERN);
    bk_json_end_object(writer);
    bk_json_end_array(writer);
}

static void names(bk_json_writer *writer, const bk_field *field)
{
    pair(writer, "type", "string");
    bk_json_write_key(writer, BK_LIT("enum"));
    bk_json_begin_array(writer);
    for (int i = 0; field->names[i] != NULL; i++)
        bk_json_write_str(writer, bk_str_of(field->names[i]));
    bk_json_end_array(writer);
}

/* The keywords for a value of the field, or for an item of its array. */
static void value(const struct schema *schema, const bk_field *field)
{
    bk_json_writer *writer = schema->writer;

    switch (bk__value_type(field)) {
    case BK_TYPE_STR:
        string(writer, field);
        break;
    case BK_TYPE_I64:
        integer(writer, field, "int64");
        break;
    case BK_TYPE_I32:
        integer(writer, field, "int32");
        break;
    case BK_TYPE_F64:
        number(writer, field);
        break;
    case BK_TYPE_BOOL:
        pair(writer, "type", "boolean");
        break;
    case BK_TYPE_TIME:
        pair(writer, "type", "string");
        pair(writer, "format", "date-time");
        break;
    case BK_TYPE_ENUM:
        names(writer, field);
        break;
    case BK_TYPE_STRUCT:
        reference(schema, field->of());
        break;
    case BK_TYPE_JSON:
    case BK_TYPE_ARRAY:
        break; /* anything */
    }
}

static void property(const struct schema *schema, const bk_field *field)
{
    bk_json_writer *writer = schema->writer;

    bk_json_begin_object(writer);
    if (field->type == BK_TYPE_ARRAY) {
        pair(writer, "type", "array");
        bk_json_write_key(writer, BK_LIT("items"));
        bk_json_begin_object(writer);
        value(schema, field);
        bk_json_end_object(writer);
        if (field->has_len) {
            count(writer, "minItems", field->min_len);
            count(writer, "maxItems", field->max_len);
        }
    } else {
        value(schema, field);
    }
    if (field->doc != NULL)
        pair(writer, "description", field->doc);
    if (field->fallback != NULL) {
        bk_json_write_key(writer, BK_LIT("default"));
        bk_json_write_raw(writer, bk_str_of(field->fallback));
    }
    flag(writer, "readOnly", field->read_only);
    flag(writer, "writeOnly", field->write_only);
    bk_json_end_object(writer);
}

/* The keywords of a described struct. */
static void object(const struct schema *schema, const bk_desc *desc)
{
    bk_json_writer *writer = schema->writer;
    bool any_required = false;

    pair(writer, "type", "object");
    bk_json_write_key(writer, BK_LIT("properties"));
    bk_json_begin_object(writer);
    for (size_t i = 0; i < desc->count; i++) {
        bk_json_write_key(writer, bk_str_of(bk__field_key(&desc->fields[i])));
        property(schema, &desc->fields[i]);
        any_required |= desc->fields[i].required;
    }
    bk_json_end_object(writer);
    if (!any_required)
        return;
    bk_json_write_key(writer, BK_LIT("required"));
    bk_json_begin_array(writer);
    for (size_t i = 0; i < desc->count; i++) {
        if (desc->fields[i].required)
            bk_json_write_str(writer, bk_str_of(bk__field_key(&desc->fields[i])));
    }
    bk_json_end_array(writer);
}

/* All descriptions that have a name, as members of an object. */
static void definitions(const struct schema *schema)
{
    bk_json_writer *writer = schema->writer;
    char name[NAME_MAX_BYTES];

    for (size_t i = schema->first; i < schema->reach->count; i++) {
        def_name(schema, i, name);
        bk_json_write_key(writer, bk_str_of(name));
        bk_json_begin_object(writer);
        object(schema, schema->reach->items[i]);
        bk_json_end_object(writer);
    }
}

void bk_write_schema(bk_buf *buf, bk_desc_fn describe)
{
    bk_json_writer writer = {.buf = buf};
    struct bk__reach reach;
    struct schema schema = {&writer, &reach, "#/$defs/", 1};
    char name[NAME_MAX_BYTES];
    bk_arena scratch;

    bk__arena_init(&scratch, NULL, 0);
    bk__reach_init(&reach, &scratch, describe());
    bk_json_begin_object(&writer);
    pair(&writer, "$schema", DRAFT);
    plain_name(reach.items[0], name);
    pair(&writer, "title", name);
    object(&schema, reach.items[0]);
    if (reach.count > 1) {
        bk_json_write_key(&writer, BK_LIT("$defs"));
        bk_json_begin_object(&writer);
        definitions(&schema);
        bk_json_end_object(&writer);
    }
    bk_json_end_object(&writer);
    bk__arena_fini(&scratch);
}

/* In an OpenAPI document. */
static struct schema component(bk_json_writer *writer, const struct bk__reach *reach)
{
    return (struct schema){writer, reach, "#/components/schemas/", 0};
}

void bk__schema_components(bk_json_writer *writer, const struct bk__reach *reach)
{
    struct schema schema = component(writer, reach);

    definitions(&schema);
}

void bk__schema_component_ref(bk_json_writer *writer, const struct bk__reach *reach,
                              const bk_desc *desc)
{
    struct schema schema = component(writer, reach);

    bk_json_begin_object(writer);
    reference(&schema, desc);
    bk_json_end_object(writer);
}

void bk__schema_field(bk_json_writer *writer, const struct bk__reach *reach, const bk_field *field)
{
    struct schema schema = component(writer, reach);

    property(&schema, field);
}
