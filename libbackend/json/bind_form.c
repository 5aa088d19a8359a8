/*
 * bind_form.c: name=value pairs into a struct (WHATWG URL, 5.1).
 *
 * A form has only text, so each value is turned into its member's type first: numbers are written
 * as JSON writes them, a bool is one of the words that browsers and people send. An empty value
 * says nothing where the type is no text: that is how a browser sends an input that was not filled
 * in.
 *
 * Not shared with http/form.h, which is a layer above: there the pairs are kept, here they are not.
 */
#include "json/bind.h"

#include "core/arena.h"
#include "core/assert.h"
#include "json/check.h"
#include "json/pairs.h"
#include "json/scan.h"

struct form {
    struct bk__bind bind;
    const bk_desc *desc;
    void *object;
    struct bk__field_set seen;
    struct bk__field_set full; /* arrays that had an item too many, as was said */
    size_t next;               /* where the next name is looked for first */
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* '+' is a blank, %XX a byte; "%" without two hex digits stays, as browsers have it. Borrowed where
 * there is nothing to decode. */
static bk_str decode(bk_arena *arena, bk_str text)
{
    size_t at = 0, len = 0;

    while (at < text.len && text.ptr[at] != '%' && text.ptr[at] != '+')
        at++;
    if (at == text.len)
        return text;
    char *out = bk__arena_get(arena, text.len);
    for (at = 0; at < text.len; at++) {
        char c = text.ptr[at];
        if (c == '+') {
            c = ' ';
        } else if (c == '%' && text.len - at > 2) {
            int high = hex_digit(text.ptr[at + 1]), low = hex_digit(text.ptr[at + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                at += 2;
            }
        }
        out[len++] = c;
    }
    return bk_str_at(out, len);
}

static bool is_text(bk_field_type type)
{
    return type == BK_TYPE_STR || type == BK_TYPE_JSON;
}

static bool take_number(struct form *form, const bk_field *field, bk_str text, void *slot,
                        const struct bk__place *place)
{
    struct bk__number number;
    const char *at = text.ptr, *end = text.ptr + text.len;

    if (!bk__number_scan(&at, end, &number) || at != end)
        return bk__bind_error(&form->bind, place, "type", "must be %s",
                              bk__value_type(field) == BK_TYPE_F64 ? "a number" : "an integer");
    return bk__bind_number(&form->bind, field, &number, slot, place);
}

static bool take_bool(struct form *form, bk_str text, bool *slot, const struct bk__place *place)
{
    static const char *const words[] = {"false", "true", "0", "1", "off", "on"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (bk_str_eq(text, bk_str_of(words[i]))) {
            *slot = i % 2 != 0;
            return true;
        }
    }
    return bk__bind_error(&form->bind, place, "type", "must be true or false");
}

static bool take_json(struct form *form, bk_str text, bk_str *slot, const struct bk__place *place)
{
    if (!bk__json_valid(text))
        return bk__bind_error(&form->bind, place, "type", "must be JSON");
    *slot = text;
    return true;
}

static bool take_value(struct form *form, const bk_field *field, bk_str text, void *slot,
                       const struct bk__place *place)
{
    switch (bk__value_type(field)) {
    case BK_TYPE_STR:
    case BK_TYPE_TIME:
    case BK_TYPE_ENUM:
        return bk__bind_text(&form->bind, field, text, slot, place);
    case BK_TYPE_I64:
    case BK_TYPE_I32:
    case BK_TYPE_F64:
        return take_number(form, field, text, slot, place);
    case BK_TYPE_BOOL:
        return take_bool(form, text, slot, place);
    case BK_TYPE_JSON:
        return take_json(form, text, slot, place);
    case BK_TYPE_STRUCT:
    case BK_TYPE_ARRAY:
        break;
    }
    return bk__bind_error(&form->bind, place, "type", "cannot be sent in a form");
}

/* One more item of an array. */
static void take_item(struct form *form, const bk_field *field, bk_str text,
                      const struct bk__place *place)
{
    bk_array *array = (bk_array *)((char *)form->object + field->offset);
    size_t number = (size_t)(field - form->desc->fields);

    if (text.len == 0 && !is_text(field->item_type))
        return;
    if (field->item_type == BK_TYPE_STRUCT) {
        (void)bk__bind_error(&form->bind, place, "type", "cannot be sent in a form");
    } else if (!field->has_len || array->count < field->max_len) {
        void *slot = bk__bind_item(&form->bind, array, bk__item_bytes(field));
        (void)take_value(form, field, text, slot, place);
    } else if (!bk__field_set_has(&form->full, number)) {
        bk__field_set_add(&form->full, number);
        (void)bk__bind_count(&form->bind, field, array, array->count + 1, place);
    }
}

static void take_pair(struct form *form, bk_str name, bk_str value)
{
    struct bk__place place = {.key = name};
    const bk_field *field = bk__field_find(form->desc, name, &form->next);

    if (field == NULL) {
        if (form->bind.refuse_unknown)
            (void)bk__bind_error(&form->bind, &place, "unknown", "is not known here");
        return;
    }
    size_t number = (size_t)(field - form->desc->fields);
    bool again = bk__field_set_has(&form->seen, number);
    bk__field_set_add(&form->seen, number);

    void *slot = (char *)form->object + field->offset;
    if (field->read_only)
        return;
    if (field->type == BK_TYPE_ARRAY)
        take_item(form, field, value, &place);
    else if (again)
        (void)bk__bind_error(&form->bind, &place, "duplicate", "is there twice");
    else if (value.len == 0 && !is_text(field->type))
        bk__bind_null(&form->bind, field, slot, &place);
    else if (take_value(form, field, value, slot, &place) && field->has)
        *bk__field_has(field, form->object) = true;
}

/* When all pairs are in: the arrays' lengths. */
static void finish_arrays(struct form *form)
{
    for (size_t i = 0; i < form->desc->count; i++) {
        const bk_field *field = &form->desc->fields[i];
        if (field->type != BK_TYPE_ARRAY || field->read_only ||
            !bk__field_set_has(&form->seen, i) || bk__field_set_has(&form->full, i))
            continue;
        struct bk__place place = {.key = bk_str_of(bk__field_key(field))};
        bk_array *array = (bk_array *)((char *)form->object + field->offset);
        if (bk__bind_count(&form->bind, field, array, array->count, &place) && field->has)
            *bk__field_has(field, form->object) = true;
    }
}

/* Takes all pairs; BK_EINVAL when the text is no form that we take. */
static bk_err take_all(struct form *form, bk_str text, size_t max_nodes)
{
    bk_str rest = text, name, value;
    size_t left = max_nodes != 0 ? max_nodes : BK__JSON_NODES_DEFAULT;

    while (bk_str_split(&rest, '&', &value)) {
        if (value.len == 0)
            continue;
        if (left-- == 0)
            return bk_fail(BK_EINVAL, "the form has too many values");
        bk_str pair = value;
        (void)bk_str_split(&value, '=', &name);
        name = decode(form->bind.arena, name);
        value = decode(form->bind.arena, value);
        if (!bk_str_utf8(name) || !bk_str_utf8(value))
            return bk_fail(BK_EINVAL, "the form is not UTF-8 at byte %zu",
                           (size_t)(pair.ptr - text.ptr));
        take_pair(form, name, value.ptr != NULL ? value : BK_LIT(""));
    }
    return BK_OK;
}

static void begin(struct form *form, bk_arena *arena, bk_desc_fn describe, const bk_bind_opts *opts,
                  void *out)
{
    *form = (struct form){.desc = describe(), .object = out};
    bk_assert(form->desc->count <= BK__FIELDS_MAX);
    memset(out, 0, form->desc->bytes);
    bk__bind_init(&form->bind, arena, opts);
    form->bind.form = true;
}

/* All pairs were taken, or @p err says why not. */
static bk_err end(struct form *form, bk_err err)
{
    if (err == BK_OK) {
        finish_arrays(form);
        bk__bind_absent(&form->bind, form->desc, form->object, &form->seen, NULL);
        if (form->bind.errors != 0)
            err = BK_EINVAL;
    }
    if (err != BK_OK)
        memset(form->object, 0, form->desc->bytes);
    return err;
}

bk_err bk_bind_form(bk_arena *arena, bk_str text, bk_desc_fn describe, const bk_bind_opts *opts,
                    void *out)
{
    struct form form;

    begin(&form, arena, describe, opts, out);
    return end(&form, take_all(&form, text, opts != NULL ? opts->max_nodes : 0));
}

bk_err bk__bind_pairs(bk_arena *arena, const struct bk__name_value *pairs, size_t count,
                      bk_desc_fn describe, const bk_bind_opts *opts, void *out)
{
    struct form form;
    bk_err err = BK_OK;

    begin(&form, arena, describe, opts, out);
    for (size_t i = 0; err == BK_OK && i < count; i++) {
        if (bk_str_utf8(pairs[i].value))
            take_pair(&form, pairs[i].name, pairs[i].value);
        else
            err = bk_fail(BK_EINVAL, "the value of \"%.*s\" is not UTF-8", BK_PRI(pairs[i].name));
    }
    return end(&form, err);
}
