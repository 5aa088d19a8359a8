/*
 * setting.c: settings are described as JSON bodies are, and read by the same rules; what is their
 * own are units, lists with commas, and that passwords are not shown. See setting.h.
 */
#include "app/setting.h"

#include <limits.h>
#include <string.h>

#include "core/arena.h"
#include "core/assert.h"
#include "json/bind.h"

struct unit {
    const char *name;
    int64_t size;
};

/* Largest first, each size by the name that is written first. */
static const struct unit byte_units[] = {
    {"gb", (int64_t)1 << 30},
    {"g", (int64_t)1 << 30},
    {"gib", (int64_t)1 << 30},
    {"mb", 1 << 20},
    {"m", 1 << 20},
    {"mib", 1 << 20},
    {"kb", 1 << 10},
    {"k", 1 << 10},
    {"kib", 1 << 10},
    {"b", 1},
    {"", 1},
    {NULL, 0},
};
static const struct unit time_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

static const struct unit *units_of(const bk_field *field)
{
    return field->unit == BK_UNIT_BYTES ? byte_units : time_units;
}

static int64_t number_in(const bk_field *field, const void *slot)
{
    return field->type == BK_TYPE_I32 ? *(const int32_t *)slot : *(const int64_t *)slot;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void write_quantity(bk_buf *out, const bk_field *field, int64_t value)
{
    const struct unit *unit = units_of(field);

    while (unit->size != 1 && (value == 0 || value % unit->size != 0))
        unit++;
    bk_buf_add_i64(out, value / unit->size);
    if (value != 0 && !(field->unit == BK_UNIT_BYTES && unit->size == 1))
        bk_buf_add(out, bk_str_of(unit->name));
}

static bk_str say(bk_arena *arena, const char *words, const bk_field *field, int64_t bound)
{
    bk_buf out = {.arena = arena};

    bk_buf_add(&out, bk_str_of(words));
    write_quantity(&out, field, bound);
    return bk_buf_str(&out);
}

/* Digits and a unit: 10mb, 60s. */
static bool read_quantity(bk_arena *arena, const bk_field *field, bk_str text, void *slot,
                          bk_str *why)
{
    const struct unit *unit = units_of(field);
    size_t digits = 0;
    int64_t value;

    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    bk_str name = bk_str_trim(bk_str_at(text.ptr + digits, text.len - digits));
    while (unit->name != NULL && !bk_str_ieq(name, bk_str_of(unit->name)))
        unit++;
    bool zero = bk_str_eq(text, BK_LIT("0")); /* of whatever it be */
    *why = field->unit == BK_UNIT_BYTES ? BK_LIT("must be a size") : BK_LIT("must be a duration");
    if (bk_str_to_i64(bk_str_at(text.ptr, digits), &value) != BK_OK ||
        (unit->name == NULL && !zero))
        return false;
    int64_t size = zero ? 1 : unit->size;
    int64_t most = field->type == BK_TYPE_I32 ? INT32_MAX : INT64_MAX;
    *why = BK_LIT("is too large");
    if (__builtin_mul_overflow(value, size, &value) || value > most)
        return false;
    *why = say(arena, "must be at least ", field, field->min_i64);
    if (field->has_min && value < field->min_i64)
        return false;
    *why = say(arena, "must be at most ", field, field->max_i64);
    if (field->has_max && value > field->max_i64)
        return false;
    if (field->type == BK_TYPE_I32)
        *(int32_t *)slot = (int32_t)value;
    else
        *(int64_t *)slot = value;
    return true;
}

static bool read_bool(struct bk__bind *bind, bk_str text, bool *slot, const struct bk__place *place)
{
    static const char *const words[] = {"false", "true", "0", "1", "off", "on", "no", "yes"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (bk_str_ieq(text, bk_str_of(words[i]))) {
            *slot = i % 2 != 0;
            return true;
        }
    }
    return bk__bind_error(bind, place, "type", "must be true or false");
}

static bool read_number(struct bk__bind *bind, const bk_field *field, bk_str text, void *slot,
                        const struct bk__place *place)
{
    struct bk__number number;
    const char *at = text.ptr, *end = text.ptr + text.len;

    if (!bk__number_scan(&at, end, &number) || at != end)
        return bk__bind_error(bind, place, "type", "must be %s",
                              field->type == BK_TYPE_F64 ? "a number" : "an integer");
    return bk__bind_number(bind, field, &number, slot, place);
}

static bool read_list(struct bk__bind *bind, const bk_field *field, bk_str text, bk_array *list,
                      const struct bk__place *place)
{
    bk_str rest = text, item;

    *list = (bk_array){0};
    while (bk_str_trim(text).len > 0 && bk_str_split(&rest, ',', &item)) {
        bk_str *slot = bk__bind_item(bind, list, sizeof(bk_str));
        if (!bk__bind_text(bind, field, bk_arena_dup(bind->arena, bk_str_trim(item)), slot, place))
            return false;
    }
    return bk__bind_count(bind, field, list, list->count, place);
}

static bool read_value(struct bk__bind *bind, const bk_field *field, bk_str text, void *slot,
                       const struct bk__place *place)
{
    switch (field->type) {
    case BK_TYPE_STR:
    case BK_TYPE_ENUM:
        return bk__bind_text(bind, field, bk_arena_dup(bind->arena, text), slot, place);
    case BK_TYPE_BOOL:
        return read_bool(bind, text, slot, place);
    case BK_TYPE_ARRAY:
        return read_list(bind, field, text, slot, place);
    default:
        return read_number(bind, field, text, slot, place);
    }
}

bool bk__setting_read(bk_arena *arena, const bk_field *field, bk_str text, void *slot, bk_str *why)
{
    struct bk__place place = {.key = bk_str_of(bk__field_key(field))};
    struct bk__bind bind;
    size_t count;

    if (!bk_str_utf8(text)) {
        *why = BK_LIT("must be UTF-8");
        return false;
    }
    if (field->unit != BK_UNIT_NONE)
        return read_quantity(arena, field, text, slot, why);
    bk__bind_init(&bind, arena, NULL);
    bind.form = true;
    if (read_value(&bind, field, text, slot, &place))
        return true;
    *why = bk_arena_dup(arena, bk_error_fields(&count)->detail);
    bk_error_clear();
    return false;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* The password in scheme://user:password@host is replaced. Returns how much of @p text is done. */
static size_t write_authority(bk_buf *out, bk_str text)
{
    const char *scheme = memmem(text.ptr, text.len, "://", 3);

    if (scheme == NULL)
        return 0;
    const char *begin = scheme + 3, *end = text.ptr + text.len, *stop = begin, *at;
    while (stop < end && *stop != '/' && *stop != '?')
        stop++;
    const char *host = memrchr(begin, '@', (size_t)(stop - begin));
    if (host == NULL && (host = memrchr(begin, '@', (size_t)(end - begin))) == NULL)
        return 0;
    at = memchr(begin, ':', (size_t)(host - begin));
    if (at == NULL)
        return 0;
    bk_buf_add(out, bk_str_at(text.ptr, (size_t)(at + 1 - text.ptr)));
    bk_buf_add(out, BK_LIT("***"));
    return (size_t)(host - text.ptr);
}

/* Where a value ends that began at @p at: of password=... in a query or a conninfo. */
static size_t value_end(bk_str text, size_t at)
{
    if (at < text.len && text.ptr[at] == '\'') {
        for (at++; at < text.len && text.ptr[at] != '\''; at++)
            at += text.ptr[at] == '\\';
        return at < text.len ? at + 1 : text.len;
    }
    while (at < text.len && text.ptr[at] != '&' && text.ptr[at] != ' ')
        at++;
    return at;
}

void bk__setting_write_hidden(bk_buf *out, bk_str text)
{
    static const char word[] = "password=";

    if (text.len == 0)
        return;
    size_t at = write_authority(out, text);
    for (;;) {
        bk_str rest = bk_str_at(text.ptr + at, text.len - at);
        const char *found = rest.len > 0 ? memmem(rest.ptr, rest.len, word, strlen(word)) : NULL;
        if (found == NULL) {
            bk_buf_add(out, rest);
            return;
        }
        size_t value = (size_t)(found - text.ptr) + strlen(word);
        bk_buf_add(out, bk_str_at(rest.ptr, value - at));
        bk_buf_add(out, BK_LIT("***"));
        at = value_end(text, value);
    }
}

static void write_list(bk_buf *out, const bk_array *list)
{
    const bk_str *items = list->items;

    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            bk_buf_add(out, BK_LIT(", "));
        bk__setting_write_hidden(out, items[i]);
    }
}

static bool is_empty(const bk_field *field, const void *slot)
{
    return field->type == BK_TYPE_STR && ((const bk_str *)slot)->len == 0;
}

void bk__setting_write(bk_buf *out, const bk_field *field, const void *slot)
{
    if (field->write_only) {
        bk_buf_add(out, is_empty(field, slot) ? BK_LIT("") : BK_LIT("***"));
        return;
    }
    switch (field->type) {
    case BK_TYPE_STR:
        bk__setting_write_hidden(out, *(const bk_str *)slot);
        return;
    case BK_TYPE_ENUM:
        bk_buf_add(out, bk_str_of(field->names[*(const int *)slot]));
        return;
    case BK_TYPE_BOOL:
        bk_buf_add(out, *(const bool *)slot ? BK_LIT("true") : BK_LIT("false"));
        return;
    case BK_TYPE_F64:
        bk_buf_add_f64(out, *(const double *)slot);
        return;
    case BK_TYPE_ARRAY:
        write_list(out, slot);
        return;
    default:
        if (field->unit != BK_UNIT_NONE)
            write_quantity(out, field, number_in(field, slot));
        else
            bk_buf_add_i64(out, number_in(field, slot));
    }
}

static void write_bound(bk_buf *out, const bk_field *field, bool most)
{
    if (field->type == BK_TYPE_F64)
        bk_buf_add_f64(out, most ? field->max_f64 : field->min_f64);
    else if (field->unit != BK_UNIT_NONE)
        write_quantity(out, field, most ? field->max_i64 : field->min_i64);
    else
        bk_buf_add_i64(out, most ? field->max_i64 : field->min_i64);
}

static void write_bounds(bk_buf *out, const bk_field *field)
{
    if (field->has_min) {
        bk_buf_add(out, field->has_max ? BK_LIT(" from ") : BK_LIT(" of at least "));
        write_bound(out, field, false);
    }
    if (field->has_max) {
        bk_buf_add(out, field->has_min ? BK_LIT(" to ") : BK_LIT(" of at most "));
        write_bound(out, field, true);
    }
}

void bk__setting_write_wanted(bk_buf *out, const bk_field *field)
{
    static const char *const words[] = {
        [BK_TYPE_STR] = "text",           [BK_TYPE_I64] = "an integer",
        [BK_TYPE_I32] = "an integer",     [BK_TYPE_F64] = "a number",
        [BK_TYPE_BOOL] = "true or false", [BK_TYPE_ARRAY] = "texts with commas between them",
    };
    static const char *const quantities[] = {
        [BK_UNIT_BYTES] = "a size such as 512kb or 10mb",
        [BK_UNIT_MS] = "a duration such as 500ms, 60s or 5m",
    };

    if (field->type == BK_TYPE_ENUM) {
        for (int i = 0; field->names[i] != NULL; i++)
            bk_buf_printf(out, "%s%s", i > 0 ? "|" : "", field->names[i]);
        return;
    }
    bk_buf_add(
        out, bk_str_of(field->unit != BK_UNIT_NONE ? quantities[field->unit] : words[field->type]));
    write_bounds(out, field);
    if (field->has_len && field->type == BK_TYPE_STR && field->max_len < SIZE_MAX)
        bk_buf_printf(out, " of %zu to %zu characters", field->min_len, field->max_len);
    else if (field->has_len && field->type == BK_TYPE_STR)
        bk_buf_printf(out, " of at least %zu characters", field->min_len);
}

static bool same_list(const bk_array *a, const bk_array *b)
{
    const bk_str *left = a->items, *right = b->items;

    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (!bk_str_eq(left[i], right[i]))
            return false;
    return a->count == b->count;
}

bool bk__setting_same(const bk_field *field, const void *a, const void *b)
{
    if (field->type == BK_TYPE_STR)
        return bk_str_eq(*(const bk_str *)a, *(const bk_str *)b);
    if (field->type == BK_TYPE_ARRAY)
        return same_list(a, b);
    return memcmp(a, b, field->item_bytes) == 0;
}

/* --- checking --------------------------------------------------------------------------------- */

static bool is_key(const char *key)
{
    for (const char *at = key; *at != '\0'; at++)
        if (!(*at >= 'a' && *at <= 'z') && !(*at >= '0' && *at <= '9') && *at != '_')
            return false;
    return *key != '\0' && strcmp(key, "config") != 0;
}

static bool is_setting_type(const bk_field *field)
{
    switch (field->type) {
    case BK_TYPE_STR:
    case BK_TYPE_I64:
    case BK_TYPE_I32:
    case BK_TYPE_F64:
    case BK_TYPE_BOOL:
    case BK_TYPE_ENUM:
        return true;
    default:
        return field->type == BK_TYPE_ARRAY && field->item_type == BK_TYPE_STR;
    }
}

/* Of an enum and a number without it, the zero of the member is taken. */
static bool reads_default(const bk_field *field, bk_str *why)
{
    bk_arena arena;

    if (field->fallback == NULL)
        return true;
    bk__arena_init(&arena, NULL, 0);
    void *slot = bk_arena_zalloc(&arena, field->item_bytes);
    bool good = bk__setting_read(&arena, field, bk_str_of(field->fallback), slot, why);
    *why = bk_str_of(field->fallback);
    bk__arena_fini(&arena);
    return good;
}

void bk__settings_check(const bk_desc *desc)
{
    bk_str why = BK_LIT("");

    bk_assert(desc->count <= BK__FIELDS_MAX);
    for (size_t i = 0; i < desc->count; i++) {
        const bk_field *field = &desc->fields[i];
        const char *key = bk__field_key(field);
        bool integer = field->type == BK_TYPE_I64 || field->type == BK_TYPE_I32;
        if (!is_key(key))
            bk__setup_error(desc->name, 0, "setting \"%s\": keys are like_this, and not \"config\"",
                            key);
        if (!is_setting_type(field) || (field->unit != BK_UNIT_NONE && !integer))
            bk__setup_error(desc->name, 0, "setting \"%s\" has a type that no setting can have",
                            key);
        if (!reads_default(field, &why))
            bk__setup_error(desc->name, 0, "setting \"%s\": its default \"%.*s\" breaks its rules",
                            key, BK_PRI(why));
    }
}
