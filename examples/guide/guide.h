/*
 * guide.h: the code that the pages of docs/guide/ show. It is compiled, and testing.c runs it.
 *
 * What stands between "snippet: NAME" and "end of snippet" is what a page includes; the check
 * "snippets" in tests/lint keeps both the same.
 */
#ifndef GUIDE_H
#define GUIDE_H

#include <backend/backend.h>

void handlers_routes(bk_router *router);
void binding_routes(bk_router *router);
void middleware_routes(bk_router *router);
void fibers_routes(bk_router *router);

void content_declare(bk_app *app, bk_router *api);
void content_declare_assets(bk_app *app);
bk_err content_form(bk_req *req, bk_res *res);

void validation_declare(bk_app *app, bk_router *api);
bk_err validation_declare_events(bk_router *api, bk_arena *arena);

bk_pg *migrations_declare(bk_app *app);
bk_err migrations_up(bk_pg *db);

bk_err fibers_start(bk_app *app, void *data, void **state);
void fibers_stop(bk_app *app, void *state);

#endif
