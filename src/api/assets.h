/* assets.h - the page, as bytes inside the program.
 *
 * Owner   the program's read-only memory; tools/embed-assets writes the table from ui/dist at build time.
 * Thread  any.
 * Memory  never freed; the bytes are not NUL-terminated, the strings are.
 * Units   sizes in bytes.
 * Limits  the table is sorted by path (strcmp), each path once. "/index.html" is always there: without a built page
 *         it is a small one that says so.
 */
#ifndef RUNNEL_API_ASSETS_H
#define RUNNEL_API_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

/* One encoding of a file. No bytes (NULL, 0): it does not exist, because it would not be smaller or, for brotli,
 * because the build had no encoder. The identity always exists; an empty file has bytes and size 0. */
struct asset_encoding {
    const unsigned char *bytes;
    size_t size;
};

struct asset {
    const char *path; /* as in the URL, with the leading slash */
    const char *mime; /* with charset where it is text */
    const char *etag; /* strong and quoted, of the identity; a compressed answer is another representation */
    bool immutable;   /* the name holds a hash of the contents: it may be cached for ever */
    struct asset_encoding identity;
    struct asset_encoding gzip;
    struct asset_encoding brotli;
};

extern const struct asset asset_table[];
extern const size_t asset_count;

#endif
