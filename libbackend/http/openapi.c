/*
 * openapi.c: the routes of an app as an OpenAPI 3.1 document. See <backend/openapi.h>.
 *
 * The router is walked twice: for the descriptions, which get a place under components/schemas, and
 * for the paths. The walk is sorted by pattern, so the methods of a path come one after another.
 * The document is made when the app starts, and the same bytes answer every request.
 */
#include <backend/openapi.h>

#include <stdio.h>

#include <backend/arena.h>
#include <backend/json.h>
#include <backend/loop.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/exchange.h"
#include "http/tree.h"
#include "json/field.h"
#include "json/schema.h"

struct document {
    bk_json_writer writer;
    const bk_openapi_opts *opts;
    struct bk__reach reach;
    const char *pattern; /* of the path that is open; NULL: none */
};

static const bk_openapi_doc no_doc;

static const bk_openapi_doc *doc_of(const bk_route_info *route)
{
    return route->opts->openapi != NULL ? route->opts->openapi : &no_doc;
}

static void key(struct document *doc, const char *name)
{
    bk_json_write_key(&doc->writer, bk_str_of(name));
}

static void begin(struct document *doc, const char *name)
{
    key(doc, name);
    bk_json_begin_object(&doc->writer);
}

static void end(struct document *doc)
{
    bk_json_end_object(&doc->writer);
}

/* Nothing where @p text is NULL. */
static void pair(struct document *doc, const char *name, const char *text)
{
    if (text == NULL)
        return;
    key(doc, name);
    bk_json_write_str(&doc->writer, bk_str_of(text));
}

/* --- descriptions ----------------------------------------------------------------------------- */

static void note_desc(struct document *doc, bk_desc_fn desc)
{
    if (desc != NULL)
        bk__reach_add(&doc->reach, desc());
}

static void note_route(const bk_route_info *route, void *data)
{
    struct document *doc = data;
    const bk_openapi_answer *answers = doc_of(route)->answers;

    if (doc_of(route)->hidden)
        return;
    note_desc(doc, route->opts->body);
    note_desc(doc, route->opts->answer);
    for (; answers != NULL && answers->status != 0; answers++)
        note_desc(doc, answers->desc);
}

/* --- parameters ------------------------------------------------------------------------------- */

static void parameter(struct document *doc, const char *in, bk_str name, const bk_field *field)
{
    bool in_path = in[0] == 'p';

    bk_json_begin_object(&doc->writer);
    key(doc, "name");
    bk_json_write_str(&doc->writer, name);
    pair(doc, "in", in);
    if (in_path || field->required) {
        key(doc, "required");
        bk_json_write_bool(&doc->writer, true);
    }
    key(doc, "schema");
    if (field != NULL)
        bk__schema_field(&doc->writer, &doc->reach, field);
    else
        bk_json_write_raw(&doc->writer, BK_LIT("{\"type\":\"string\"}"));
    bk_json_end_object(&doc->writer);
}

static void described_parameters(struct document *doc, const char *in, bk_desc_fn describe)
{
    const bk_desc *desc = describe != NULL ? describe() : NULL;

    for (size_t i = 0; desc != NULL && i < desc->count; i++)
        if (!desc->fields[i].read_only)
            parameter(doc, in, bk_str_of(bk__field_key(&desc->fields[i])), &desc->fields[i]);
}

static void parameters(struct document *doc, const bk_route_info *route)
{
    bk_str names[BK__PATH_PARAMS_MAX];
    size_t count = bk__tree_params(bk_str_of(route->pattern), names), next = 0;
    const bk_desc *desc = route->opts->params != NULL ? route->opts->params() : NULL;

    if (count == 0 && route->opts->query == NULL && route->opts->headers == NULL)
        return;
    key(doc, "parameters");
    bk_json_begin_array(&doc->writer);
    for (size_t i = 0; i < count; i++)
        parameter(doc, "path", names[i],
                  desc != NULL ? bk__field_find(desc, names[i], &next) : NULL);
    described_parameters(doc, "query", route->opts->query);
    described_parameters(doc, "header", route->opts->headers);
    bk_json_end_array(&doc->writer);
}

/* --- bodies ----------------------------------------------------------------------------------- */

static void content(struct document *doc, bk_desc_fn desc)
{
    begin(doc, "content");
    begin(doc, "application/json");
    key(doc, "schema");
    bk__schema_component_ref(&doc->writer, &doc->reach, desc());
    end(doc);
    end(doc);
}

/* References in a schema are relative to it: an $id of its own makes it a document in this one. */
static void own_schema(struct document *doc, const bk_route_info *route)
{
    const bk_json *json = bk_schema_json(route->opts->body_schema);
    bk_buf *buf = doc->writer.buf;
    bk_buf text = {.arena = buf->arena};

    if (bk_json_type_of(json) != BK_JSON_OBJECT || bk_json_get(json, BK_LIT("$id")) != NULL) {
        bk_json_print(&text, json);
        bk_json_write_raw(&doc->writer, bk_buf_str(&text));
        return;
    }
    bk_json_begin_object(&doc->writer);
    key(doc, "$id");
    bk_json_write_str(&doc->writer, bk_arena_printf(buf->arena, "urn:body:%s:%zu",
                                                    bk_method_name(route->method), buf->len));
    for (const bk_json *it = bk_json_first(json); it != NULL; it = bk_json_next(it)) {
        text.len = 0;
        bk_json_print(&text, it);
        bk_json_write_key(&doc->writer, bk_json_key(it));
        bk_json_write_raw(&doc->writer, bk_buf_str(&text));
    }
    bk_json_end_object(&doc->writer);
}

static void request_body(struct document *doc, const bk_route_info *route)
{
    if (route->opts->body == NULL && route->opts->body_schema == NULL)
        return;
    begin(doc, "requestBody");
    key(doc, "required");
    bk_json_write_bool(&doc->writer, true);
    if (route->opts->body != NULL) {
        content(doc, route->opts->body);
    } else {
        begin(doc, "content");
        begin(doc, "application/json");
        key(doc, "schema");
        own_schema(doc, route);
        end(doc);
        end(doc);
    }
    end(doc);
}

static void answer(struct document *doc, const bk_openapi_answer *answer)
{
    char status[16];

    snprintf(status, sizeof status, "%d", answer->status);
    begin(doc, status);
    if (answer->status >= 400 && answer->desc == NULL && answer->description == NULL) {
        pair(doc, "$ref", "#/components/responses/Problem");
    } else {
        pair(doc, "description",
             answer->description != NULL ? answer->description : bk__status_text(answer->status));
        if (answer->desc != NULL)
            content(doc, answer->desc);
    }
    end(doc);
}

static void answers(struct document *doc, const bk_route_info *route)
{
    const bk_openapi_answer *it = doc_of(route)->answers;
    bk_openapi_answer only = {.status = 200, .desc = route->opts->answer};

    begin(doc, "responses");
    if (it == NULL) {
        if (route->method == BK_METHOD_POST)
            only.status = 201;
        else if (route->method == BK_METHOD_DELETE && only.desc == NULL)
            only.status = 204;
        answer(doc, &only);
    }
    for (; it != NULL && it->status != 0; it++)
        answer(doc, it);
    begin(doc, "default");
    pair(doc, "$ref", "#/components/responses/Problem");
    end(doc);
    end(doc);
}

/* --- paths ------------------------------------------------------------------------------------ */

/* The pattern without the star of a wildcard, which OpenAPI has no word for. */
static void open_path(struct document *doc, const bk_route_info *route)
{
    bk_buf path = {.arena = doc->writer.buf->arena};

    if (doc->pattern != NULL && strcmp(doc->pattern, route->pattern) == 0)
        return;
    if (doc->pattern != NULL)
        end(doc);
    doc->pattern = bk_arena_cstr(path.arena, bk_str_of(route->pattern));
    for (const char *at = route->pattern; *at != '\0'; at++)
        if (at[0] != '*' || at[1] != '}')
            bk_buf_add_char(&path, *at);
    bk_json_write_key(&doc->writer, bk_buf_str(&path));
    bk_json_begin_object(&doc->writer);
}

static const char *method_key(bk_method method)
{
    static const char *const names[] = {"get", "head", "post", "put", "patch", "delete", "options"};

    return names[method];
}

static void check_security(const struct document *doc, const bk_route_info *route,
                           const char *scheme)
{
    if ((strcmp(scheme, "bearer") == 0 && doc->opts->bearer) ||
        (strcmp(scheme, "apiKey") == 0 && doc->opts->api_key != NULL))
        return;
    bk__setup_error(route->file, route->line,
                    "route %s %s: its security scheme \"%s\" is not in "
                    "the settings of bk_openapi_serve()",
                    bk_method_name(route->method), route->pattern, scheme);
}

static void security(struct document *doc, const bk_route_info *route)
{
    const char *scheme = doc_of(route)->security;

    if (scheme == NULL)
        return;
    check_security(doc, route, scheme);
    key(doc, "security");
    bk_json_begin_array(&doc->writer);
    bk_json_begin_object(&doc->writer);
    key(doc, scheme);
    bk_json_begin_array(&doc->writer);
    bk_json_end_array(&doc->writer);
    bk_json_end_object(&doc->writer);
    bk_json_end_array(&doc->writer);
}

static void write_route(const bk_route_info *route, void *data)
{
    struct document *doc = data;
    const bk_openapi_doc *more = doc_of(route);

    if (more->hidden)
        return;
    open_path(doc, route);
    begin(doc, method_key(route->method));
    pair(doc, "operationId", more->operation_id);
    pair(doc, "summary", route->opts->summary);
    pair(doc, "description", more->description);
    if (more->tag != NULL) {
        key(doc, "tags");
        bk_json_begin_array(&doc->writer);
        bk_json_write_str(&doc->writer, bk_str_of(more->tag));
        bk_json_end_array(&doc->writer);
    }
    if (more->deprecated) {
        key(doc, "deprecated");
        bk_json_write_bool(&doc->writer, true);
    }
    parameters(doc, route);
    request_body(doc, route);
    answers(doc, route);
    security(doc, route);
    end(doc);
}

/* --- the document ----------------------------------------------------------------------------- */

static const char problem_schema[] =
    "{\"type\":\"object\",\"description\":\"RFC 9457\",\"properties\":{"
    "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
    "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
    "\"instance\":{\"type\":\"string\"},"
    "\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"pointer\":{\"type\":\"string\",\"description\":\"A JSON pointer, or a parameter's name.\"},"
    "\"code\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"}},"
    "\"required\":[\"pointer\",\"code\",\"detail\"]}}},"
    "\"required\":[\"type\",\"title\",\"status\",\"instance\"]}";

static const char problem_response[] =
    "{\"description\":\"What went wrong.\",\"content\":{\"application/problem+json\":{\"schema\":"
    "{\"$ref\":\"#/components/schemas/Problem.rfc9457\"}}}}";

static void security_schemes(struct document *doc)
{
    if (!doc->opts->bearer && doc->opts->api_key == NULL)
        return;
    begin(doc, "securitySchemes");
    if (doc->opts->bearer) {
        key(doc, "bearer");
        bk_json_write_raw(&doc->writer, BK_LIT("{\"type\":\"http\",\"scheme\":\"bearer\"}"));
    }
    if (doc->opts->api_key != NULL) {
        begin(doc, "apiKey");
        pair(doc, "type", "apiKey");
        pair(doc, "in", "header");
        pair(doc, "name", doc->opts->api_key);
        end(doc);
    }
    end(doc);
}

static void components(struct document *doc)
{
    begin(doc, "components");
    begin(doc, "schemas");
    bk__schema_components(&doc->writer, &doc->reach);
    key(doc, "Problem.rfc9457"); /* no struct has a name with a dot and letters behind it */
    bk_json_write_raw(&doc->writer, bk_str_of(problem_schema));
    end(doc);
    begin(doc, "responses");
    key(doc, "Problem");
    bk_json_write_raw(&doc->writer, bk_str_of(problem_response));
    end(doc);
    security_schemes(doc);
    end(doc);
}

void bk_openapi_write(bk_buf *buf, const bk_router *router, const bk_openapi_opts *opts)
{
    static const bk_openapi_opts defaults;
    struct document doc = {
        .writer = {.buf = buf},
        .opts = opts != NULL ? opts : &defaults,
        .reach = {.arena = buf->arena},
    };

    bk_router_walk(router, note_route, &doc);
    bk_json_begin_object(&doc.writer);
    pair(&doc, "openapi", "3.1.0");
    begin(&doc, "info");
    pair(&doc, "title", doc.opts->title != NULL ? doc.opts->title : "API");
    pair(&doc, "version", doc.opts->version != NULL ? doc.opts->version : "1.0.0");
    pair(&doc, "description", doc.opts->description);
    end(&doc);
    key(&doc, "servers");
    bk_json_begin_array(&doc.writer);
    bk_json_begin_object(&doc.writer);
    pair(&doc, "url", doc.opts->server != NULL ? doc.opts->server : "/");
    end(&doc);
    bk_json_end_array(&doc.writer);
    begin(&doc, "paths");
    bk_router_walk(router, write_route, &doc);
    if (doc.pattern != NULL)
        end(&doc);
    end(&doc);
    components(&doc);
    bk_json_end_object(&doc.writer);
}

/* --- serving it ------------------------------------------------------------------------------- */

struct openapi {
    bk_arena *arena;
    const bk_router *router;
    bk_openapi_opts opts;
    bk_str text;
};

static bk_err start(void *data)
{
    struct openapi *self = data;
    bk_buf buf = {.arena = self->arena};

    if (bk_str_present(self->text))
        return BK_OK;
    bk_openapi_write(&buf, self->router, &self->opts);
    self->text = bk_buf_str(&buf);
    return BK_OK;
}

static void free_openapi(void *data)
{
    struct openapi *self = data;

    bk_arena_free(self->arena);
}

static bk_err serve(bk_req *req, bk_res *res)
{
    const struct openapi *self = bk_req_route_data(req);

    return bk_res_bytes(res, 200, "application/json", self->text);
}

void bk_openapi_serve(bk_app *app, bk_router *router, const bk_openapi_opts *opts)
{
    static const bk_part_type part = {.name = "openapi", .start = start, .free = free_openapi};
    static const bk_openapi_doc hidden = {.hidden = true};
    bk_arena *arena = bk_arena_new();
    struct openapi *self = BK_NEW(arena, struct openapi);

    self->arena = arena;
    self->router = router;
    if (opts != NULL)
        self->opts = *opts;
    bk_get(router, self->opts.path != NULL ? self->opts.path : "/openapi.json", serve,
           &(bk_route_opts){.name = "openapi", .data = self, .openapi = &hidden});
    bk_app_part(app, &part, self);
}
