/*
 * schema_check.c: a value against a compiled schema (rule.h).
 *
 * Walks value and schema together. Where all must hold, every error is recorded with its place;
 * where a schema is only tried (anyOf, not, if), nothing is, and the first error ends it.
 *
 * What an enemy's value may cost is bounded: each step is counted, and the walk's depth with it,
 * since it lives on a fiber's stack. A check that is stopped so has failed, whatever stands around
 * it: else `not` would turn it into a success.
 */
#include "json/rule.h"

#include <math.h>
#include <stdlib.h>

#include <backend/clock.h>

#include "core/arena.h"
#include "core/hash.h"
#include "json/bind.h"
#include "json/format.h"
#include "json/scan.h"
#include "json/value.h"

#define SCRATCH   1024
#define STEPS_MAX 2000000

/* Schemas in each other, for one value or for what is in it. */
#define DEPTH_MAX 128

/* So many items are compared each with each. */
#define FEW_ITEMS 8

struct checker {
    struct bk__bind bind;
    bk_arena scratch;
    struct bk__seed seed; /* of hash() */
    size_t steps;
    unsigned depth;
    bool quiet;   /* a schema is only tried */
    bool stopped; /* at a limit */
};

/* Records an error, unless a schema is only tried. Is false. */
#define refuse(checker, ...)                                                                       \
    ((checker)->quiet ? false : bk__bind_error(&(checker)->bind, __VA_ARGS__))

static bool check(struct checker *checker, const bk_schema *schema, const bk_json *value,
                  const struct bk__place *at);

static bool stop(struct checker *checker, const char *why)
{
    if (!checker->stopped)
        (void)bk__bind_error(&checker->bind, NULL, "limit", "%s", why);
    checker->stopped = true;
    return false;
}

static bool step(struct checker *checker, size_t steps)
{
    if (checker->stopped)
        return false;
    checker->steps += steps;
    return checker->steps <= STEPS_MAX || stop(checker, "takes too long to check");
}

static bool passes(struct checker *checker, const bk_schema *schema, const bk_json *value,
                   const struct bk__place *at)
{
    bool before = checker->quiet;

    checker->quiet = true;
    bool good = check(checker, schema, value, at);
    checker->quiet = before;
    return good;
}

static const char *text_of(struct checker *checker, const bk_json *value)
{
    bk_buf buf = {.arena = &checker->scratch};

    bk_json_print(&buf, value);
    bk_buf_add_char(&buf, '\0');
    return buf.ptr;
}

/* --- equality --------------------------------------------------------------------------------- */

/* Exact: a long double has the bits of both. */
static long double number_of(const bk_json *value)
{
    return value->exact ? (long double)value->integer : (long double)value->node.valuedouble;
}

/* As JSON Schema has it: 1 is 1.0, and the order of members plays no part. Two values are as deep
 * as JSON may be, at most. */
static bool equal(struct checker *checker, const bk_json *a, const bk_json *b)
{
    bk_json_type type = bk_json_type_of(a);

    if (type != bk_json_type_of(b) || bk_json_len(a) != bk_json_len(b) || !step(checker, 1))
        return false;
    switch (type) {
    case BK_JSON_NULL:
        return true;
    case BK_JSON_BOOL:
        return bk_json_bool(a) == bk_json_bool(b);
    case BK_JSON_NUMBER:
        return number_of(a) == number_of(b);
    case BK_JSON_STRING:
        return bk_str_eq(bk_json_str(a), bk_json_str(b));
    case BK_JSON_ARRAY:
        b = bk_json_first(b);
        for (a = bk_json_first(a); a != NULL; a = bk_json_next(a), b = bk_json_next(b))
            if (!equal(checker, a, b))
                return false;
        return true;
    case BK_JSON_OBJECT:
        for (const bk_json *it = bk_json_first(a); it != NULL; it = bk_json_next(it)) {
            const bk_json *other = bk_json_get(b, bk_json_key(it));
            if (other == NULL || !step(checker, bk_json_len(b) / 8) || !equal(checker, it, other))
                return false;
        }
        return true;
    }
    return false;
}

static uint64_t hash_bytes(const struct checker *checker, bk_str bytes)
{
    return bk__hash_seeded(&checker->seed, bytes.ptr, bytes.len);
}

/* Equal values have equal hashes. */
static uint64_t hash(struct checker *checker, const bk_json *value)
{
    bk_json_type type = bk_json_type_of(value);
    uint64_t mixed[2] = {(uint64_t)type, 0};
    double number;

    (void)step(checker, 1);
    switch (type) {
    case BK_JSON_NULL:
        break;
    case BK_JSON_BOOL:
        mixed[1] = bk_json_bool(value);
        break;
    case BK_JSON_NUMBER:
        number = value->node.valuedouble + 0.0; /* -0 is 0 */
        memcpy(&mixed[1], &number, sizeof(number));
        break;
    case BK_JSON_STRING:
        mixed[1] = hash_bytes(checker, bk_json_str(value));
        break;
    case BK_JSON_ARRAY:
        for (const bk_json *it = bk_json_first(value); it != NULL; it = bk_json_next(it)) {
            mixed[1] += hash(checker, it);
            mixed[1] = bk__hash_seeded(&checker->seed, mixed, sizeof(mixed));
        }
        break;
    case BK_JSON_OBJECT:
        for (const bk_json *it = bk_json_first(value); it != NULL; it = bk_json_next(it)) {
            uint64_t member[2] = {hash_bytes(checker, bk_json_key(it)), hash(checker, it)};
            mixed[1] += bk__hash_seeded(&checker->seed, member, sizeof(member));
        }
        break;
    }
    return bk__hash_seeded(&checker->seed, mixed, sizeof(mixed));
}

struct hashed {
    uint64_t hash;
    const bk_json *value;
};

static int by_hash(const void *left, const void *right)
{
    const struct hashed *a = left, *b = right;

    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

/* Is an item there twice? Few are compared each with each, many only with those of their hash. */
static bool has_equals(struct checker *checker, const bk_json *array)
{
    size_t len = bk_json_len(array), count = 0;

    if (len < 2 || !step(checker, len))
        return false;
    if (len > FEW_ITEMS)
        checker->seed = bk__seed_new();
    struct hashed *items = bk__arena_get(&checker->scratch, len * sizeof(*items));
    for (const bk_json *it = bk_json_first(array); it != NULL; it = bk_json_next(it))
        items[count++] = (struct hashed){len > FEW_ITEMS ? hash(checker, it) : 0, it};
    if (len > FEW_ITEMS)
        qsort(items, len, sizeof(*items), by_hash);
    for (size_t i = 0; i + 1 < len; i++)
        for (size_t j = i + 1; j < len && items[j].hash == items[i].hash; j++)
            if (equal(checker, items[i].value, items[j].value))
                return true;
    return false;
}

/* --- values of one type ----------------------------------------------------------------------- */

static bool is_integer(const bk_json *value)
{
    return value->exact || rint(value->node.valuedouble) == value->node.valuedouble;
}

/* Decimal fractions are not exact as doubles, so a quotient that is whole but for its last bit is
 * whole. Beyond 2^53 every quotient is; there the remainder tells, which is exact. */
static bool is_multiple(const bk_json *value, const bk_json *of)
{
    double number = value->node.valuedouble, unit = of->node.valuedouble;
    double quotient = number / unit, whole = rint(quotient);

    if (value->exact && of->exact)
        return value->integer % of->integer == 0;
    if (is_integer(value) && unit < 1 && fabs(rint(1 / unit) * unit - 1) < 0x1p-52)
        return true;
    if (fabs(quotient) < 0x1p53)
        return fabs(whole * unit - number) <= 0x1p-52 * fabs(number);
    return fmod(number, unit) == 0;
}

static bool fits_format(const bk_schema *schema, const bk_json *value)
{
    if (schema->more_format == BK__MORE_INT32)
        return value->exact && value->integer >= INT32_MIN && value->integer <= INT32_MAX;
    return schema->more_format != BK__MORE_INT64 || value->exact;
}

static bool check_number(struct checker *checker, const bk_schema *schema, const bk_json *value,
                         const struct bk__place *at)
{
    const struct bk__number_rules *rules = &schema->number;
    long double number = number_of(value);
    bool good = true;

    if (rules->min != NULL && number < number_of(rules->min))
        good = refuse(checker, at, "minimum", "must be at least %s", text_of(checker, rules->min));
    if (rules->max != NULL && number > number_of(rules->max))
        good = refuse(checker, at, "maximum", "must be at most %s", text_of(checker, rules->max));
    if (rules->above != NULL && number <= number_of(rules->above))
        good = refuse(checker, at, "exclusiveMinimum", "must be more than %s",
                      text_of(checker, rules->above));
    if (rules->below != NULL && number >= number_of(rules->below))
        good = refuse(checker, at, "exclusiveMaximum", "must be less than %s",
                      text_of(checker, rules->below));
    if (rules->multiple_of != NULL && !is_multiple(value, rules->multiple_of))
        good = refuse(checker, at, "multipleOf", "must be a multiple of %s",
                      text_of(checker, rules->multiple_of));
    if (!fits_format(schema, value))
        good = refuse(checker, at, "format", "must be an integer of at most %d bits",
                      schema->more_format == BK__MORE_INT32 ? 32 : 64);
    return good;
}

static size_t count_points(bk_str text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static bool check_length(struct checker *checker, const bk_schema *schema, bk_str text,
                         const struct bk__place *at)
{
    size_t count = schema->min_len != 0 || schema->max_len != SIZE_MAX ? count_points(text) : 0;

    if (count < schema->min_len)
        return refuse(checker, at, "minLength", "must have at least %zu character%s",
                      schema->min_len, schema->min_len == 1 ? "" : "s");
    if (count > schema->max_len)
        return refuse(checker, at, "maxLength", "must have at most %zu character%s",
                      schema->max_len, schema->max_len == 1 ? "" : "s");
    return true;
}

static bool is_time(bk_str text)
{
    bk_time ignored;

    return bk_time_parse(text, &ignored) == BK_OK;
}

static bool check_string(struct checker *checker, const bk_schema *schema, const bk_json *value,
                         const struct bk__place *at)
{
    bk_str text = bk_json_str(value);
    bool good = check_length(checker, schema, text, at);

    if (!bk__format_match(schema->format, text))
        good = refuse(checker, at, "format", "must be %s", bk__format_words(schema->format));
    if (schema->more_format == BK__MORE_DATE_TIME && !is_time(text))
        good = refuse(checker, at, "format", "must be a time such as 2026-11-23T18:30:00Z");
    /* A text that is too long is not worth the search. */
    if (good && schema->pattern != NULL &&
        (!step(checker, 8) || !bk__pattern_run(schema->pattern, text)))
        good = refuse(checker, at, "pattern", "must match %s", bk__pattern_text(schema->pattern));
    return good;
}

static bool check_array(struct checker *checker, const bk_schema *schema, const bk_json *value,
                        const struct bk__place *at)
{
    struct bk__place place = {.up = at};
    size_t len = bk_json_len(value);
    bool good = true;

    if (len < schema->min_items)
        good = refuse(checker, at, "minItems", "must have at least %zu item%s", schema->min_items,
                      schema->min_items == 1 ? "" : "s");
    if (len > schema->max_items)
        good = refuse(checker, at, "maxItems", "must have at most %zu item%s", schema->max_items,
                      schema->max_items == 1 ? "" : "s");
    for (const bk_json *it = bk_json_first(value); it != NULL; it = bk_json_next(it)) {
        const bk_schema *of =
            place.index < schema->first.count ? schema->first.items[place.index] : schema->items;
        if ((of == NULL && schema->first.count == 0) || checker->stopped)
            break;
        if (of != NULL && !check(checker, of, it, &place))
            good = false;
        place.index++;
        if (!good && checker->quiet)
            return false;
    }
    if (schema->unique && has_equals(checker, value))
        good = refuse(checker, at, "uniqueItems", "must not have an item twice");
    return good && !checker->stopped;
}

/* --- objects ---------------------------------------------------------------------------------- */

/* The names in @p required that @p object has not. */
static bool check_required(struct checker *checker, const bk_json *required, const bk_json *object,
                           const struct bk__place *at)
{
    struct bk__place place = {.up = at};
    bool good = true;

    for (const bk_json *it = bk_json_first(required); it != NULL; it = bk_json_next(it)) {
        place.key = bk_json_str(it);
        if (!step(checker, 1 + bk_json_len(object) / 8))
            return false;
        if (bk_json_get(object, place.key) == NULL)
            good = refuse(checker, &place, "required", "is missing");
    }
    return good;
}

static bool check_name(struct checker *checker, const bk_schema *names, const bk_json *member,
                       const struct bk__place *at)
{
    const bk_json name = {
        .node = {.type = cJSON_String, .valuestring = member->node.string},
        .len = member->key_len,
    };

    return passes(checker, names, &name, at) ||
           refuse(checker, at, "propertyNames", "has a name that is not allowed");
}

static bool check_member(struct checker *checker, const bk_schema *schema, const bk_json *member,
                         const struct bk__place *at)
{
    bool good = true, known = false;

    for (size_t i = 0; i < schema->properties.count; i++) {
        if (!bk_str_eq(schema->properties.items[i].key, at->key))
            continue;
        known = true;
        good = check(checker, schema->properties.items[i].schema, member, at);
        break;
    }
    for (size_t i = 0; i < schema->by_pattern.count; i++) {
        if (!step(checker, 8) || !bk__pattern_run(schema->by_pattern.items[i].pattern, at->key))
            continue;
        known = true;
        if (!check(checker, schema->by_pattern.items[i].schema, member, at))
            good = false;
    }
    if (schema->names != NULL && !check_name(checker, schema->names, member, at))
        good = false;
    if (known || schema->additional == NULL)
        return good;
    if (schema->additional->kinds == 0)
        return refuse(checker, at, "unknown", "is not known here");
    return check(checker, schema->additional, member, at) && good;
}

static bool check_members(struct checker *checker, const bk_schema *schema, const bk_json *value,
                          const struct bk__place *at)
{
    bool good = true;

    for (const bk_json *it = bk_json_first(value); it != NULL; it = bk_json_next(it)) {
        struct bk__place place = {.up = at, .key = bk_json_key(it)};
        if (!step(checker, 1 + schema->properties.count / 8))
            return false;
        if (!check_member(checker, schema, it, &place))
            good = false;
        if (!good && checker->quiet)
            return false;
    }
    return good;
}

static bool check_object(struct checker *checker, const bk_schema *schema, const bk_json *value,
                         const struct bk__place *at)
{
    size_t len = bk_json_len(value);
    bool good = check_members(checker, schema, value, at);

    if (schema->required != NULL && !check_required(checker, schema->required, value, at))
        good = false;
    for (const bk_json *it = bk_json_first(schema->dependent); it != NULL; it = bk_json_next(it))
        if (bk_json_get(value, bk_json_key(it)) != NULL && !check_required(checker, it, value, at))
            good = false;
    if (len < schema->min_members)
        good = refuse(checker, at, "minProperties", "must have at least %zu member%s",
                      schema->min_members, schema->min_members == 1 ? "" : "s");
    if (len > schema->max_members)
        good = refuse(checker, at, "maxProperties", "must have at most %zu member%s",
                      schema->max_members, schema->max_members == 1 ? "" : "s");
    return good;
}

/* --- all values ------------------------------------------------------------------------------- */

static const struct {
    unsigned kind;
    const char *words;
} kind_words[] = {
    {BK__KIND_NULL, "null"},        {BK__KIND_BOOL, "true or false"},
    {BK__KIND_NUMBER, "a number"},  {BK__KIND_INTEGER, "an integer"},
    {BK__KIND_STRING, "a string"},  {BK__KIND_ARRAY, "an array"},
    {BK__KIND_OBJECT, "an object"},
};

static unsigned kinds_of(const bk_json *value)
{
    switch (bk_json_type_of(value)) {
    case BK_JSON_NULL:
        return BK__KIND_NULL;
    case BK_JSON_BOOL:
        return BK__KIND_BOOL;
    case BK_JSON_NUMBER:
        return BK__KIND_NUMBER | (is_integer(value) ? BK__KIND_INTEGER : 0);
    case BK_JSON_STRING:
        return BK__KIND_STRING;
    case BK_JSON_ARRAY:
        return BK__KIND_ARRAY;
    case BK_JSON_OBJECT:
        return BK__KIND_OBJECT;
    }
    return 0;
}

static bool refuse_kind(struct checker *checker, const bk_schema *schema,
                        const struct bk__place *at)
{
    bk_buf buf = {.arena = &checker->scratch};

    if (checker->quiet)
        return false;
    if (schema->kinds == 0)
        return refuse(checker, at, "not", "is not allowed");
    for (size_t i = 0; i < sizeof(kind_words) / sizeof(kind_words[0]); i++)
        if ((schema->kinds & kind_words[i].kind) != 0)
            bk_buf_printf(&buf, "%s%s", buf.len != 0 ? ", or " : "", kind_words[i].words);
    return refuse(checker, at, "type", "must be %.*s", BK_PRI(bk_buf_str(&buf)));
}

static bool is_one_of(struct checker *checker, const bk_json *values, const bk_json *value)
{
    for (const bk_json *it = bk_json_first(values); it != NULL; it = bk_json_next(it))
        if (equal(checker, it, value))
            return true;
    return false;
}

static bool check_values(struct checker *checker, const bk_schema *schema, const bk_json *value,
                         const struct bk__place *at)
{
    bool good = true;

    if (schema->one_of_these != NULL && !is_one_of(checker, schema->one_of_these, value))
        good = refuse(checker, at, "enum", "must be one of: %s",
                      text_of(checker, schema->one_of_these));
    if (schema->exactly != NULL && !equal(checker, schema->exactly, value))
        good = refuse(checker, at, "const", "must be %s", text_of(checker, schema->exactly));
    return good;
}

static size_t count_passed(struct checker *checker, const struct bk__schemas *schemas, size_t most,
                           const bk_json *value, const struct bk__place *at)
{
    size_t count = 0;

    for (size_t i = 0; i < schemas->count && count < most; i++)
        count += passes(checker, schemas->items[i], value, at);
    return count;
}

/* The schemas for the same value. */
static bool check_others(struct checker *checker, const bk_schema *schema, const bk_json *value,
                         const struct bk__place *at)
{
    bool good = schema->ref == NULL || check(checker, schema->ref, value, at);

    for (size_t i = 0; i < schema->all.count; i++)
        if (!check(checker, schema->all.items[i], value, at))
            good = false;
    if (schema->any.count != 0 && count_passed(checker, &schema->any, 1, value, at) == 0)
        good = refuse(checker, at, "anyOf", "fits none of the %zu forms that are allowed",
                      schema->any.count);
    if (schema->one.count != 0) {
        size_t count = count_passed(checker, &schema->one, 2, value, at);
        if (count != 1)
            good = refuse(checker, at, "oneOf", "must fit one of %zu forms, and fits %s",
                          schema->one.count, count == 0 ? "none" : "several");
    }
    if (schema->negated != NULL && passes(checker, schema->negated, value, at))
        good = refuse(checker, at, "not", "has a form that is not allowed");
    if (schema->condition != NULL) {
        const bk_schema *next =
            passes(checker, schema->condition, value, at) ? schema->then : schema->otherwise;
        if (next != NULL && !check(checker, next, value, at))
            good = false;
    }
    return good;
}

static bool check_content(struct checker *checker, const bk_schema *schema, const bk_json *value,
                          const struct bk__place *at)
{
    switch (bk_json_type_of(value)) {
    case BK_JSON_NUMBER:
        return check_number(checker, schema, value, at);
    case BK_JSON_STRING:
        return check_string(checker, schema, value, at);
    case BK_JSON_ARRAY:
        return check_array(checker, schema, value, at);
    case BK_JSON_OBJECT:
        return check_object(checker, schema, value, at);
    default:
        return true;
    }
}

static bool check(struct checker *checker, const bk_schema *schema, const bk_json *value,
                  const struct bk__place *at)
{
    if (!step(checker, 1))
        return false;
    if (checker->depth == DEPTH_MAX)
        return stop(checker, "is too deep to check");
    if ((schema->kinds & kinds_of(value)) == 0)
        return refuse_kind(checker, schema, at);
    checker->depth++;
    bool good = check_values(checker, schema, value, at);
    if ((good || !checker->quiet) && !check_content(checker, schema, value, at))
        good = false;
    if ((good || !checker->quiet) && !check_others(checker, schema, value, at))
        good = false;
    checker->depth--;
    return good;
}

bk_err bk_schema_check(const bk_schema *schema, const bk_json *value)
{
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    struct checker checker = {.steps = 0};

    bk__arena_init(&checker.scratch, lent, sizeof(lent));
    bk__bind_init(&checker.bind, &checker.scratch, NULL);
    bool good = check(&checker, schema, value, NULL);
    bk__arena_fini(&checker.scratch);
    return good && !checker.stopped ? BK_OK : BK_EINVAL;
}
