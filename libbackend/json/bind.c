/*
 * bind.c: JSON straight into a struct.
 *
 * One pass over the bytes: each key finds its field, each value goes to its member. No tree is
 * made, and nothing is allocated but array items and strings that had escapes. What is wrong with a
 * value is recorded and reading goes on behind it, so all errors are found; what is wrong with the
 * JSON itself ends the reading.
 *
 * Objects in objects are read by recursion, which the scanner bounds (BK__JSON_DEPTH_MAX), so
 * frames here are to be small. After the scanner failed every token is BK__TOKEN_ERROR: the readers
 * fall through, and only bk_bind_json() tells.
 */
#include "json/bind.h"

#include "core/arena.h"
#include "core/assert.h"
#include "json/keys.h"
#include "json/scan.h"

#define SCRATCH 512

/* A default may hold objects whose fields have defaults; one that has itself inside would never
 * end. */
#define OPEN_DEFAULTS_MAX 8

struct reader {
    struct bk__bind *bind;
    struct bk__scan scan;
    struct bk__keys unknown; /* keys of open objects that no field has */
    bk_arena scratch;
};

static void read_object(struct reader *reader, const bk_desc *desc, void *object,
                        const struct bk__place *up);

static void reader_init(struct reader *reader, struct bk__bind *bind, bk_str json,
                        const bk_bind_opts *opts, void *lent, size_t size)
{
    reader->bind = bind;
    bk__scan_init(&reader->scan, json, opts != NULL ? opts->max_depth : 0,
                  opts != NULL ? opts->max_nodes : 0);
    bk__arena_init(&reader->scratch, lent, size);
    bk__keys_init(&reader->unknown, &reader->scratch);
}

/* Passes over the value that begins with @p token; in it, all is checked. */
static void skip(struct reader *reader, enum bk__token token)
{
    (void)bk__keys_check_value(&reader->unknown, &reader->scan, token);
}

static bool mismatch(struct reader *reader, enum bk__token token, const struct bk__place *place,
                     const char *wanted)
{
    if (token != BK__TOKEN_ERROR)
        (void)bk__bind_error(reader->bind, place, "type", "must be %s", wanted);
    skip(reader, token);
    return false;
}

static bool read_array(struct reader *reader, const bk_field *field, bk_array *array,
                       const struct bk__place *place);

static bool read_json(struct reader *reader, enum bk__token token, bk_str *slot)
{
    const char *begin = reader->scan.start;
    skip(reader, token);
    *slot = bk_str_at(begin, (size_t)(reader->scan.at - begin));
    return true;
}

static bool read_text(struct reader *reader, const bk_field *field, enum bk__token token,
                      void *slot, const struct bk__place *place)
{
    if (token != BK__TOKEN_STRING)
        return mismatch(reader, token, place, "a string");
    struct bk__bind *bind = reader->bind;
    return bk__bind_text(bind, field, bk__scan_text(&reader->scan, bind->arena), slot, place);
}

/* A time as a number. */
static bool read_seconds(struct reader *reader, enum bk__token token, bk_time *slot,
                         const struct bk__place *place)
{
    if (token != BK__TOKEN_NUMBER)
        return mismatch(reader, token, place, "a number of seconds");
    return bk__number_seconds(&reader->scan.number, slot) == BK__FITS ||
           bk__bind_error(reader->bind, place, "type", "is out of the range of time");
}

/* Reads the value that begins with @p token into @p slot: the field's, or an item of its array. */
static bool read_value(struct reader *reader, const bk_field *field, bk_field_type type,
                       enum bk__token token, void *slot, const struct bk__place *place)
{
    switch (type) {
    case BK_TYPE_TIME:
        if (reader->bind->numeric_time)
            return read_seconds(reader, token, slot, place);
        return read_text(reader, field, token, slot, place);
    case BK_TYPE_STR:
    case BK_TYPE_ENUM:
        return read_text(reader, field, token, slot, place);
    case BK_TYPE_I64:
    case BK_TYPE_I32:
    case BK_TYPE_F64:
        if (token != BK__TOKEN_NUMBER)
            return mismatch(reader, token, place, type == BK_TYPE_F64 ? "a number" : "an integer");
        return bk__bind_number(reader->bind, field, &reader->scan.number, slot, place);
    case BK_TYPE_BOOL:
        if (token != BK__TOKEN_TRUE && token != BK__TOKEN_FALSE)
            return mismatch(reader, token, place, "true or false");
        *(bool *)slot = token == BK__TOKEN_TRUE;
        return true;
    case BK_TYPE_JSON:
        return read_json(reader, token, slot);
    case BK_TYPE_STRUCT:
        if (token != BK__TOKEN_BEGIN_OBJECT)
            return mismatch(reader, token, place, "an object");
        read_object(reader, field->of(), slot, place);
        return true;
    case BK_TYPE_ARRAY:
        if (token != BK__TOKEN_BEGIN_ARRAY)
            return mismatch(reader, token, place, "an array");
        return read_array(reader, field, slot, place);
    }
    bk_unreachable("all types are above");
}

static bool read_array(struct reader *reader, const bk_field *field, bk_array *array,
                       const struct bk__place *place)
{
    size_t item_bytes = bk__item_bytes(field);
    size_t most = field->has_len && !reader->bind->stored ? field->max_len : SIZE_MAX;
    struct bk__place item = {.up = place};
    enum bk__token token;

    *array = (bk_array){0};
    for (;; item.index++) {
        token = bk__scan_next(&reader->scan);
        if (token == BK__TOKEN_END_ARRAY || token == BK__TOKEN_ERROR)
            break;
        if (item.index >= most) {
            skip(reader, token); /* one error for all of them, and no room */
            continue;
        }
        void *slot = bk__bind_item(reader->bind, array, item_bytes);
        (void)read_value(reader, field, field->item_type, token, slot, &item);
    }
    return bk__bind_count(reader->bind, field, array, item.index, place);
}

/* A key that no field has. */
static void read_unknown(struct reader *reader, const struct bk__place *place)
{
    struct bk__scan *scan = &reader->scan;

    if (reader->bind->refuse_unknown)
        (void)bk__bind_error(reader->bind, place, "unknown", "is not known here");
    bk__keys_push(&reader->unknown, place->key, (size_t)(scan->start - scan->begin), scan->depth);
    skip(reader, bk__scan_next(scan));
}

static void read_field(struct reader *reader, const bk_field *field, void *object,
                       const struct bk__place *place)
{
    enum bk__token token = bk__scan_next(&reader->scan);
    void *slot = (char *)object + field->offset;

    if (field->read_only && !reader->bind->stored)
        skip(reader, token);
    else if (token == BK__TOKEN_NULL)
        bk__bind_null(reader->bind, field, slot, place);
    else if (read_value(reader, field, field->type, token, slot, place) && field->has)
        *bk__field_has(field, object) = true;
}

/* Reads the rest of the object that has just begun. */
static void read_object(struct reader *reader, const bk_desc *desc, void *object,
                        const struct bk__place *up)
{
    struct bk__field_set seen = {{0}};
    struct bk__place place = {.up = up};
    struct bk__key twice;
    enum bk__token token;
    size_t next = 0;

    while ((token = bk__scan_next(&reader->scan)) == BK__TOKEN_KEY) {
        place.key = bk__scan_text(&reader->scan, &reader->scratch);
        const bk_field *field = bk__field_find(desc, place.key, &next);
        if (field == NULL) {
            read_unknown(reader, &place);
            continue;
        }
        size_t number = (size_t)(field - desc->fields);
        if (bk__field_set_has(&seen, number)) {
            (void)bk__bind_error(reader->bind, &place, "duplicate", "is there twice");
            skip(reader, bk__scan_next(&reader->scan));
            continue;
        }
        bk__field_set_add(&seen, number);
        read_field(reader, field, object, &place);
    }
    if (token == BK__TOKEN_ERROR)
        return;
    if (reader->unknown.count != 0 &&
        bk__keys_pop(&reader->unknown, reader->scan.depth + 1, &twice)) {
        place.key = twice.text;
        (void)bk__bind_error(reader->bind, &place, "duplicate", "is there twice");
    }
    bk__bind_absent(reader->bind, desc, object, &seen, up);
}

bool bk__bind_default(struct bk__bind *bind, const bk_field *field, void *slot,
                      const struct bk__place *place)
{
    struct reader reader;
    unsigned before = bind->errors;
    bool numeric_time = bind->numeric_time;

    if (bind->open_defaults == OPEN_DEFAULTS_MAX)
        return bk__bind_error(bind, place, "default", "has itself inside");
    bind->open_defaults++;
    bind->numeric_time = false; /* a description's default has one form */
    reader_init(&reader, bind, bk_str_of(field->fallback), NULL, NULL, 0);
    (void)read_value(&reader, field, field->type, bk__scan_next(&reader.scan), slot, place);
    bool whole = bk__scan_next(&reader.scan) == BK__TOKEN_END;
    bk__arena_fini(&reader.scratch);
    bind->open_defaults--;
    bind->numeric_time = numeric_time;
    if (!whole)
        return bk__bind_error(bind, place, "default", "is no JSON: %s", reader.scan.why);
    return bind->errors == before;
}

/* A default that is wrong is the program's mistake, not the client's. */
static void apply_default(struct bk__bind *bind, const bk_field *field, void *slot,
                          const struct bk__place *place)
{
    bool good = bk__bind_default(bind, field, slot, place);
    bk_assert(good || bind->open_defaults > 0); /* the outermost says so */
}

void bk__bind_null(struct bk__bind *bind, const bk_field *field, void *slot,
                   const struct bk__place *place)
{
    if (bind->stored)
        return;
    if (field->required)
        (void)bk__bind_error(bind, place, "required", "must not be null");
    else if (field->fallback != NULL && !bind->partial)
        apply_default(bind, field, slot, place);
}

void bk__bind_absent(struct bk__bind *bind, const bk_desc *desc, void *object,
                     const struct bk__field_set *seen, const struct bk__place *up)
{
    struct bk__place place = {.up = up};

    if (bind->partial || bind->stored)
        return;
    for (size_t i = 0; i < desc->count; i++) {
        const bk_field *field = &desc->fields[i];
        if (bk__field_set_has(seen, i) || field->read_only)
            continue;
        place.key = bk_str_of(bk__field_key(field));
        if (field->required)
            (void)bk__bind_error(bind, &place, "required", "is missing");
        else if (field->fallback != NULL)
            apply_default(bind, field, (char *)object + field->offset, &place);
    }
}

bk_err bk_bind_json(bk_arena *arena, bk_str json, bk_desc_fn describe, const bk_bind_opts *opts,
                    void *out)
{
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    const bk_desc *desc = describe();
    struct bk__bind bind;
    struct reader reader;

    bk_assert(desc->count <= BK__FIELDS_MAX);
    memset(out, 0, desc->bytes);
    bk__bind_init(&bind, arena, opts);
    reader_init(&reader, &bind, json, opts, lent, sizeof(lent));
    enum bk__token token = bk__scan_next(&reader.scan);
    if (token == BK__TOKEN_BEGIN_OBJECT)
        read_object(&reader, desc, out, NULL);
    else
        (void)mismatch(&reader, token, NULL, "an object");
    bool whole = bk__scan_next(&reader.scan) == BK__TOKEN_END;
    bk__arena_fini(&reader.scratch);
    if (whole && bind.errors == 0)
        return BK_OK;
    memset(out, 0, desc->bytes);
    if (whole)
        return BK_EINVAL;
    reader.scan.err = BK_EINVAL; /* over a limit, too: the input's shape is wrong, not its size */
    return bk__scan_fail(&reader.scan);
}

/* What went wrong first, in words; the fields' errors are for clients, and go. */
static bk_err refuse_stored(const struct reader *reader, bool whole)
{
    size_t count;

    if (!whole && reader->scan.why != NULL)
        return bk_fail(BK_EINTERNAL, "no JSON: byte %zu: %s",
                       (size_t)(reader->scan.at - reader->scan.begin), reader->scan.why);
    const bk_field_error *first = bk_error_fields(&count);
    if (count == 0)
        return bk_fail(BK_EINTERNAL, "JSON that does not fit the member");
    bk_str pointer = bk_arena_dup(reader->bind->arena, first->pointer);
    bk_str detail = bk_arena_dup(reader->bind->arena, first->detail);
    return bk_fail(BK_EINTERNAL, "JSON: \"%.*s\" %.*s", BK_PRI(pointer), BK_PRI(detail));
}

bk_err bk__bind_stored(bk_arena *arena, bk_str json, const bk_field *field, void *slot)
{
    static const bk_bind_opts opts = {.max_nodes = SIZE_MAX};
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    struct bk__bind bind;
    struct reader reader;

    memset(slot, 0, field->item_bytes);
    bk__bind_init(&bind, arena, &opts);
    bind.stored = true;
    reader_init(&reader, &bind, json, &opts, lent, sizeof(lent));
    enum bk__token token = bk__scan_next(&reader.scan);
    bool read =
        token == BK__TOKEN_NULL || read_value(&reader, field, field->type, token, slot, NULL);
    bool whole = bk__scan_next(&reader.scan) == BK__TOKEN_END;
    bk__arena_fini(&reader.scratch);
    if (read && whole && bind.errors == 0)
        return BK_OK;
    memset(slot, 0, field->item_bytes);
    return refuse_stored(&reader, whole);
}
