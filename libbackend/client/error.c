/*
 * error.c: whose fault it is, and whether it is worth another attempt. See error.h.
 */
#include "client/error.h"

bk_err bk__curl_error(CURLcode code)
{
    switch (code) {
    case CURLE_URL_MALFORMAT:
        return BK_EINVAL;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return BK_EUNAVAILABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return BK_ETIMEDOUT;
    case CURLE_FILESIZE_EXCEEDED:
        return BK_ETOOBIG;
    case CURLE_FAILED_INIT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ENGINE_INITFAILED:
        return BK_EINTERNAL; /* of this host, or of ours */
    default:
        return BK_EUPSTREAM;
    }
}

bool bk__curl_transient(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: /* to connect; all other time is the fiber's */
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}
