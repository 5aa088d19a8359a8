/**
 * @file backend/schema.h
 * @brief JSON Schema: values whose shape is told by a schema rather than by a struct.
 *
 * For shapes that the program knows, describe the struct (backend/describe.h): that is quicker and
 * binds as well. A schema is for those who have one already, and for what no struct can say.
 *
 * @code
 * const bk_schema *schema;
 * BK_TRY(bk_schema_parse(arena, BK_LIT("{\"type\":\"array\",\"items\":{\"minimum\":0}}"),
 * &schema)); BK_TRY(bk_schema_check(schema, value)); // every error with its JSON pointer
 * @endcode
 *
 * **What is understood** of JSON Schema 2020-12: `true`, `false`; type, enum, const; multipleOf,
 * minimum, maximum, exclusiveMinimum, exclusiveMaximum; minLength, maxLength, pattern, format;
 * items, prefixItems, minItems, maxItems, uniqueItems; properties, patternProperties,
 * additionalProperties, propertyNames, required, dependentRequired, minProperties, maxProperties;
 * allOf, anyOf, oneOf, not, if, then, else; $defs, and $ref to a place in the same schema. Titles,
 * descriptions, examples, default and other annotations are passed over. Any other keyword is
 * refused, as it would be a rule that nobody keeps.
 *
 * **Formats** are checked: email, uuid, date-time, date, uri, ipv4, ipv6, int32, int64. float,
 * double and password, which say nothing about the value, pass; others are refused. Patterns are
 * PCRE2's in UTF mode, with limits as BK_PATTERN() has them.
 *
 * **Bounds.** A check costs at most two million steps, whatever schema and value are; a schema that
 * refers to itself may do so only inside of an object or array. Schemas belong to the program: one
 * that clients may choose is an invitation to keep the server busy.
 */
#ifndef BACKEND_SCHEMA_H
#define BACKEND_SCHEMA_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/json.h>

BK_BEGIN_DECLS

/** A schema, ready to check by. Borrowed from its arena; it never changes, so any thread may use
 *  it. */
typedef struct bk_schema bk_schema;

/**
 * Reads a schema.
 *
 * @param arena  Where it lives, with a copy of @p json.
 * @param json   A JSON Schema.
 * @param out    Receives it; untouched on error.
 * @return BK_OK; BK_EINVAL whose message has the JSON pointer of the first mistake and says what it
 *         is; BK_ETOOBIG over the usual limits of JSON.
 */
BK_API BK_NODISCARD bk_err bk_schema_parse(bk_arena *arena, bk_str json, const bk_schema **out);

/**
 * Checks @p value.
 *
 * @param value  NULL is null.
 * @return BK_OK; BK_EINVAL with each error in bk_error_fields(), at most 100 of them. Their codes
 *         are the keywords, but for "unknown": a member that additionalProperties forbids.
 */
BK_API BK_NODISCARD bk_err bk_schema_check(const bk_schema *schema, const bk_json *value);

/** The JSON that it was read from. Borrowed like the schema. */
BK_API const bk_json *bk_schema_json(const bk_schema *schema);

BK_END_DECLS

#endif
