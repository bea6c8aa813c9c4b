/* static_files.c - the page. Its policy lets it run its own scripts and talk to its own server. */
#include "api/api_internal.h"
#include "api/assets.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PAGE_HEADERS                                                                                         \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "     \
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "                 \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"                                        \
    "X-Content-Type-Options: nosniff\r\n"                                                                    \
    "X-Frame-Options: DENY\r\n"                                                                              \
    "Referrer-Policy: no-referrer\r\n"                                                                       \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                            \
    "Cross-Origin-Resource-Policy: same-origin\r\n"

/* A conversation has an address of its own, which the page reads. */
static const char *file_of(const char *path) {
    bool is_page = strcmp(path, "/") == 0 || strcmp(path, "/c") == 0 || strncmp(path, "/c/", 3) == 0;
    return is_page ? "/index.html" : path;
}

static const struct asset *find(const char *path) {
    size_t low = 0;
    size_t high = asset_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, asset_table[middle].path);
        if (order == 0) {
            return &asset_table[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* Whether a list like "gzip, br;q=0.9" has the coding, with a weight above 0 (RFC 9110 section 12.5.3). */
static bool accepts(const char *list, const char *coding) {
    size_t n_coding = strlen(coding);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        at += strspn(at, " \t");
        size_t n_name = strcspn(at, ",; \t");
        if (n_name != n_coding || strncasecmp(at, coding, n_coding) != 0) {
            continue;
        }
        const char *weight = at + n_name + strspn(at + n_name, "; \t");
        return strncasecmp(weight, "q=", 2) != 0 || strtod(weight + 2, NULL) > 0;
    }
    return false;
}

/* Compares weakly with each tag of If-None-Match. */
static bool matches(const char *list, const char *etag) {
    if (strcmp(list, "*") == 0) {
        return true;
    }
    size_t n_etag = strlen(etag);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        at += strspn(at, " \t");
        at += strncmp(at, "W/", 2) == 0 ? 2 : 0;
        if (strncmp(at, etag, n_etag) == 0 && strchr(", \t", at[n_etag])) {
            return true;
        }
    }
    return false;
}

struct choice {
    const struct asset_encoding *encoding;
    const char *name; /* NULL: the identity */
};

static struct choice choose(const struct asset *asset, const char *accepted) {
    if (asset->brotli.bytes && accepts(accepted, "br")) {
        return (struct choice){ &asset->brotli, "br" };
    }
    if (asset->gzip.bytes && accepts(accepted, "gzip")) {
        return (struct choice){ &asset->gzip, "gzip" };
    }
    return (struct choice){ &asset->identity, NULL };
}

/* Each encoding is a representation of its own: its tag ends in its name. */
static char *etag_of(const struct asset *asset, const char *encoding) {
    return encoding ? mem_format("%.*s-%s\"", (int)strlen(asset->etag) - 1, asset->etag, encoding)
                    : mem_copy_string(asset->etag);
}

static void reply_asset(struct net_conn *net, const struct asset *asset) {
    struct choice choice = choose(asset, net_conn_header(net, NET_HEADER_ACCEPT_ENCODING));
    char *etag = etag_of(asset, choice.name);
    bool is_known = matches(net_conn_header(net, NET_HEADER_IF_NONE_MATCH), etag);
    char *encoding =
        choice.name && !is_known ? mem_format("Content-Encoding: %s\r\n", choice.name) : mem_copy_string("");
    char *headers =
        mem_format("%sETag: %s\r\nVary: Accept-Encoding\r\nCache-Control: %s\r\n" PAGE_HEADERS, encoding,
                   etag, asset->immutable ? "public, max-age=31536000, immutable" : "no-cache");
    net_reply(net, &(struct net_reply){ .status = is_known ? 304 : 200,
                                        .content_type = is_known ? NULL : asset->mime,
                                        .headers = headers,
                                        .body = choice.encoding->bytes,
                                        .n_bytes = is_known ? 0 : choice.encoding->size,
                                        .is_constant = true });
    free(headers);
    free(encoding);
    free(etag);
}

void static_files_handle(struct api *api, struct net_conn *net) {
    (void)api;
    if (net_conn_tag(net) == API_DOOR_OLLAMA && strcmp(net_conn_path(net), "/") == 0) {
        /* Clients look for these words. */
        reply_text(net, 200, "text/plain; charset=utf-8", "Ollama is running", 17);
        return;
    }
    const struct asset *asset = find(file_of(net_conn_path(net)));
    if (asset) {
        reply_asset(net, asset);
    } else {
        reply_error(net, 404, REPLY_NOT_FOUND_TEXT);
    }
}
