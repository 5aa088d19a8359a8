/**
 * @file backend/middleware/compress.h
 * @brief Answers in gzip or brotli, for clients that take them.
 *
 * @code
 * bk_use(bk_app_router(app), bk_mw_compress(app, NULL));
 * @endcode
 *
 * Put it before bk_mw_response_cache(), which then keeps answers as they were made. By
 * `Accept-Encoding` with its q-values (RFC 9110, 12.5.3); brotli where both are liked as much.
 *
 * **Left as they are**: bodies below the threshold; types that are no text (images, video,
 * archives); `text/event-stream`; what has a Content-Encoding already, or `Cache-Control:
 * no-transform`; 204, 206 and 304. Error answers that the library makes are small and are not
 * compressed.
 *
 * **What changes**: `Content-Encoding`; `Vary: Accept-Encoding`, also where the answer was of a
 * type that could have been compressed and was not; a strong ETag becomes weak. If-None-Match is
 * looked at before any work is done.
 *
 * **Time on the loop**: up to 16 KiB are compressed where the handler ran, in well under a
 * millisecond; more on a thread of the offload pool. Each bk_res_write() of a stream is flushed, so
 * that it arrives when it was written: write pieces of some kilobytes. gzip's state is reused from
 * answer to answer; brotli's cannot be.
 *
 * Secrets beside text that a stranger chose can be guessed by length (BREACH): give such answers
 * `Cache-Control: no-transform`.
 */
#ifndef BACKEND_MIDDLEWARE_COMPRESS_H
#define BACKEND_MIDDLEWARE_COMPRESS_H

#include <backend/base.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Settings. Zero means default. */
typedef struct bk_mw_compress_opts {
    uint32_t threshold_bytes; /**< Shorter bodies are not compressed. Default 1024. */
    int      gzip_level;      /**< 1 to 9. Default 6. */
    int      brotli_quality;  /**< 1 to 11. Default 4, about as quick as gzip. */
    bool     no_gzip;         /**< Never gzip. */
    bool     no_brotli;       /**< Never brotli. */
} bk_mw_compress_opts;

/** The middleware. Levels that there are not stop the program. @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_compress(bk_app *app, const bk_mw_compress_opts *opts);

BK_END_DECLS

#endif
