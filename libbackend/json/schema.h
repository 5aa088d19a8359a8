/*
 * schema.h: descriptions as the schemas of an OpenAPI document.
 *
 * There they stand under components/schemas, all that a bk__reach lists.
 */
#ifndef BK_JSON_SCHEMA_H
#define BK_JSON_SCHEMA_H

#include <backend/json.h>

#include "json/reach.h"

/* All of them, as members of the object that is open. */
void bk__schema_components(bk_json_writer *writer, const struct bk__reach *reach);

/* An object that refers to one of them. */
void bk__schema_component_ref(bk_json_writer *writer, const struct bk__reach *reach,
                              const bk_desc *desc);

/* The schema of a field alone. */
void bk__schema_field(bk_json_writer *writer, const struct bk__reach *reach, const bk_field *field);

#endif
