/*
 * desc_check.c: is a description one that can be used?
 *
 * The macros let the compiler compare types; what it cannot see is looked at here, once at start,
 * so that binding need not. Each check names the struct, the field and what to mend; the first
 * mistake found is told.
 */
#include "json/bind.h"

#include "core/arena.h"
#include "json/check.h"
#include "json/field.h"
#include "json/pattern.h"
#include "json/reach.h"

/* Records what is wrong with a field. */
#define WRONG(desc, field, format, ...)                                                            \
    bk_fail(BK_EINVAL, "%s: field %s: " format, (desc)->name,                                      \
            (field)->member != NULL ? (field)->member : "?", __VA_ARGS__)

/* The bytes of a member; 0 when the field is not clear enough to say. */
static size_t member_bytes(const bk_field *field)
{
    if (field->type == BK_TYPE_STRUCT)
        return field->of()->bytes;
    return field->type == BK_TYPE_ARRAY ? sizeof(bk_array) : bk__scalar_bytes(field->type);
}

static bool is_number(bk_field_type type)
{
    return type == BK_TYPE_I64 || type == BK_TYPE_I32 || type == BK_TYPE_F64;
}

static bk_err check_type(const bk_desc *desc, const bk_field *field)
{
    bk_field_type type = bk__value_type(field);

    if (field->type > BK_TYPE_ARRAY || field->item_type >= BK_TYPE_ARRAY)
        return WRONG(desc, field, "%s", "arrays of arrays cannot be described");
    if (type == BK_TYPE_STRUCT && field->of == NULL)
        return WRONG(desc, field, "%s", "a struct needs its description");
    if (type == BK_TYPE_ENUM && (field->names == NULL || field->names[0] == NULL))
        return WRONG(desc, field, "%s", "an enum needs names");
    if (field->type == BK_TYPE_STRUCT && field->item_bytes != field->of()->bytes)
        return WRONG(desc, field, "the description is of another struct (%s)", field->of()->name);
    if (type != BK_TYPE_ENUM)
        return BK_OK;
    for (size_t i = 0; field->names[i] != NULL; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(field->names[i], field->names[j]) == 0)
                return WRONG(desc, field, "the name \"%s\" is there twice", field->names[i]);
        }
    }
    return BK_OK;
}

static bk_err check_bounds(const bk_desc *desc, const bk_field *field)
{
    bk_field_type type = bk__value_type(field);
    bool real = type == BK_TYPE_F64;

    if ((field->has_min || field->has_max) && !is_number(type))
        return WRONG(desc, field, "%s", "only numbers have a least and a greatest value");
    if (!real && ((field->has_min && field->min_f64 != (double)field->min_i64) ||
                  (field->has_max && field->max_f64 != (double)field->max_i64)))
        return WRONG(desc, field, "%s", "the bounds of an integer are integers");
    if (field->has_min && field->has_max &&
        (real ? field->min_f64 > field->max_f64 : field->min_i64 > field->max_i64))
        return WRONG(desc, field, "%s", "the least value is above the greatest");
    if (field->has_len && field->type != BK_TYPE_STR && field->type != BK_TYPE_ARRAY)
        return WRONG(desc, field, "%s", "only strings and arrays have a length");
    if (field->has_len && field->min_len > field->max_len)
        return WRONG(desc, field, "%s", "the least length is above the greatest");
    return BK_OK;
}

static bk_err check_text(const bk_desc *desc, const bk_field *field)
{
    bk_field_type type = bk__value_type(field);
    char room[128];

    if ((field->format != BK_FORMAT_NONE || field->pattern != NULL) && type != BK_TYPE_STR)
        return WRONG(desc, field, "%s", "only strings have a format or a pattern");
    if (field->format > BK_FORMAT_SLUG)
        return WRONG(desc, field, "%s", "the format is unknown");
    if (field->pattern == NULL)
        return BK_OK;
    const char *why = bk__pattern_check(field->pattern, room, sizeof(room));
    return why == NULL ? BK_OK : WRONG(desc, field, "the pattern %s: %s", field->pattern, why);
}

/* One of the two kinds of members that a description names: a value, or a bool of BK_HAS(). */
struct range {
    size_t begin, end;
};

static bool overlap(struct range a, struct range b)
{
    return a.begin < b.end && b.begin < a.end;
}

static struct range value_range(const bk_field *field)
{
    return (struct range){field->offset, field->offset + member_bytes(field)};
}

static struct range has_range(const bk_field *field)
{
    return (struct range){field->has_offset, field->has_offset + (field->has ? sizeof(bool) : 0)};
}

static bk_err check_pair(const bk_desc *desc, const bk_field *a, const bk_field *b)
{
    if (strcmp(bk__field_key(a), bk__field_key(b)) == 0)
        return WRONG(desc, b, "the key \"%s\" is there twice", bk__field_key(b));
    if (overlap(value_range(a), value_range(b)) || overlap(value_range(a), has_range(b)) ||
        overlap(has_range(a), value_range(b)) || overlap(has_range(a), has_range(b)))
        return WRONG(desc, b, "lies over field %s", a->member);
    return BK_OK;
}

static bk_err check_place(const bk_desc *desc, const bk_field *field)
{
    struct range value = value_range(field), has = has_range(field);

    if (bk__field_key(field)[0] == '\0' || !bk_str_utf8(bk_str_of(bk__field_key(field))))
        return WRONG(desc, field, "%s", "the key is empty or not UTF-8");
    if (value.end > desc->bytes || has.end > desc->bytes || overlap(value, has))
        return WRONG(desc, field, "%s", "does not lie in the struct");
    for (const bk_field *other = desc->fields; other < field; other++)
        BK_TRY(check_pair(desc, other, field));
    return BK_OK;
}

static bk_err check_flags(const bk_desc *desc, const bk_field *field)
{
    if (field->read_only && field->write_only)
        return WRONG(desc, field, "%s", "is neither read nor written");
    if (field->fallback != NULL && (field->required || field->read_only))
        return WRONG(desc, field, "%s", "a default is for what may be absent on input");
    return BK_OK;
}

static bk_err check_desc(const bk_desc *desc)
{
    if (desc->name == NULL || desc->fields == NULL || desc->count == 0)
        return bk_fail(BK_EINVAL, "a description needs a name and fields");
    if (desc->count > BK__FIELDS_MAX)
        return bk_fail(BK_EINVAL, "%s: more than %d fields", desc->name, BK__FIELDS_MAX);
    for (const bk_field *field = desc->fields; field < desc->fields + desc->count; field++) {
        if (field->member == NULL)
            return WRONG(desc, field, "%s", "needs a member");
        BK_TRY(check_type(desc, field));
        BK_TRY(check_bounds(desc, field));
        BK_TRY(check_text(desc, field));
        BK_TRY(check_flags(desc, field));
        BK_TRY(check_place(desc, field));
    }
    return BK_OK;
}

/* Binds the default as an input without the field would. All descriptions passed check_desc(). */
static bk_err check_default(bk_arena *scratch, const bk_desc *desc, const bk_field *field)
{
    struct bk__place place = {.key = bk_str_of(bk__field_key(field))};
    struct bk__bind bind;

    if (!bk__json_valid(bk_str_of(field->fallback)))
        return WRONG(desc, field, "the default %s is no JSON", field->fallback);
    bk__bind_init(&bind, scratch, NULL);
    void *slot = bk_arena_zalloc(scratch, member_bytes(field));
    if (bk__bind_default(&bind, field, slot, &place))
        return BK_OK;
    size_t count;
    const bk_field_error *error = bk_error_fields(&count);
    bk_str pointer = bk_arena_dup(scratch, error->pointer);
    bk_str detail = bk_arena_dup(scratch, error->detail);
    return WRONG(desc, field, "the default %s: %s %s", field->fallback, pointer.ptr, detail.ptr);
}

static bk_err check_all(bk_arena *scratch, const bk_desc *root)
{
    struct bk__reach reach;

    bk__reach_init(&reach, scratch, root);
    for (size_t i = 0; i < reach.count; i++)
        BK_TRY(check_desc(reach.items[i]));
    for (size_t i = 0; i < reach.count; i++) {
        const bk_desc *desc = reach.items[i];
        for (const bk_field *field = desc->fields; field < desc->fields + desc->count; field++) {
            if (field->fallback != NULL)
                BK_TRY(check_default(scratch, desc, field));
        }
    }
    return BK_OK;
}

bk_err bk_desc_check(bk_desc_fn desc)
{
    bk_arena scratch;

    bk__arena_init(&scratch, NULL, 0);
    bk_err err = check_all(&scratch, desc());
    bk__arena_fini(&scratch);
    return err;
}
