/*
 * Kore peer (Debian's kore 4.1): plaintext and json (printed by cJSON at each request). A module
 * that kore loads by the kore.conf beside it. It is not asked for pipelined requests: after those a
 * worker of kore 4.1 spins and answers no more.
 */
#include <cjson/cJSON.h>
#include <kore/kore.h>
#include <kore/http.h>

int plaintext(struct http_request *);
int json(struct http_request *);

int plaintext(struct http_request *req)
{
    http_response_header(req, "content-type", "text/plain");
    http_response(req, 200, "Hello, World!", 13);
    return (KORE_RESULT_OK);
}

int json(struct http_request *req)
{
    cJSON *o = cJSON_CreateObject();
    char *s;

    cJSON_AddStringToObject(o, "message", "Hello, World!");
    s = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    http_response_header(req, "content-type", "application/json");
    http_response(req, 200, s, strlen(s));
    cJSON_free(s);
    return (KORE_RESULT_OK);
}
