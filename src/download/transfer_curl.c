/* transfer_curl.c - the module runnel-transfer.so: one file by HTTP, with libcurl. */
#include "download/transfer_library.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REDIRECTS_MAX     8
#define CONNECT_TIMEOUT_S 20
#define BUFFER_BYTES      (256L << 10)
#define HEADER_BYTES      512
#define STALE_TEXT        "the file is another one there by now: it is downloaded from its beginning"

struct transfer {
    const struct transfer_request *request;
    CURL *curl;
    struct transfer_head head;
    uint64_t range_first; /* of Content-Range */
    int64_t range_total;  /* −1: it was not said */
    int64_t length;       /* Content-Length; −1: it was not said */
    bool has_strong_tag;
    bool has_begun;
    bool is_stopped;
    bool is_stale;
};

/* ---- What the other side says ---- */

/* Of what comes after a redirect nothing holds that was said before it, but for the hash, which the hub says itself. */
static void begin_answer(struct transfer *transfer) {
    transfer->head.validator[0] = '\0';
    transfer->has_strong_tag = false;
    transfer->range_first = 0;
    transfer->range_total = -1;
    transfer->length = -1;
}

/* "W/" marks a tag that two different files may share. */
static void take_tag(struct transfer *transfer, const char *value) {
    size_t length = strlen(value);
    if (length >= 2 && length < TRANSFER_VALIDATOR_BYTES && value[0] == '"' && value[length - 1] == '"') {
        memcpy(transfer->head.validator, value, length + 1);
        transfer->has_strong_tag = true;
    }
}

static void take_date(struct transfer *transfer, const char *value) {
    if (!transfer->has_strong_tag && strlen(value) < TRANSFER_VALIDATOR_BYTES) {
        snprintf(transfer->head.validator, TRANSFER_VALIDATOR_BYTES, "%s", value);
    }
}

/* "bytes 100-199/200", or with a star in the place of either. */
static void take_range(struct transfer *transfer, const char *value) {
    const char *slash = strchr(value, '/');
    if (strncasecmp(value, "bytes ", 6) == 0 && value[6] != '*') {
        transfer->range_first = strtoull(value + 6, NULL, 10);
    }
    transfer->range_total = slash && slash[1] != '*' ? (int64_t)strtoll(slash + 1, NULL, 10) : -1;
}

static void take_hash(struct transfer *transfer, const char *value) {
    const char *hex = value[0] == '"' ? value + 1 : value;
    size_t length = strspn(hex, "0123456789abcdef");
    if (length == TRANSFER_HASH_BYTES - 1 && (hex[length] == '"' || hex[length] == '\0')) {
        snprintf(transfer->head.sha256, TRANSFER_HASH_BYTES, "%.64s", hex);
    }
}

static void take_header(struct transfer *transfer, const char *name, const char *value) {
    if (strcasecmp(name, "etag") == 0) {
        take_tag(transfer, value);
    } else if (strcasecmp(name, "last-modified") == 0) {
        take_date(transfer, value);
    } else if (strcasecmp(name, "content-range") == 0) {
        take_range(transfer, value);
    } else if (strcasecmp(name, "content-length") == 0) {
        transfer->length = (int64_t)strtoll(value, NULL, 10);
    } else if (strcasecmp(name, "x-linked-etag") == 0) {
        take_hash(transfer, value);
    }
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx) {
    struct transfer *transfer = ctx;
    char line[HEADER_BYTES];
    size_t n_bytes = size * n;
    if (n_bytes >= sizeof line) {
        return n_bytes; /* none of those that count */
    }
    memcpy(line, data, n_bytes);
    line[n_bytes] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    char *colon = strchr(line, ':');
    if (strncmp(line, "HTTP/", 5) == 0) {
        begin_answer(transfer);
    } else if (colon) {
        *colon = '\0';
        take_header(transfer, line, colon + 1 + strspn(colon + 1, " \t"));
    }
    return n_bytes;
}

/* ---- The file ---- */

static bool begin_body(struct transfer *transfer) {
    long status = 0;
    struct transfer_head *head = &transfer->head;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    bool is_part = status == 206;
    head->offset = is_part ? transfer->range_first : 0;
    head->total = is_part ? transfer->range_total : transfer->length;
    transfer->has_begun = true;
    bool is_other = head->validator[0] && strcmp(head->validator, transfer->request->validator) != 0;
    if (is_part && (head->offset != transfer->request->offset || is_other)) {
        transfer->is_stale = true;
        return false;
    }
    transfer->is_stopped = !transfer->request->on_head(transfer->request->ctx, head);
    return !transfer->is_stopped;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx) {
    struct transfer *transfer = ctx;
    size_t n_bytes = size * n;
    if (!transfer->has_begun && !begin_body(transfer)) {
        return CURL_WRITEFUNC_ERROR;
    }
    transfer->is_stopped = !transfer->request->on_bytes(transfer->request->ctx, data, n_bytes);
    return transfer->is_stopped ? CURL_WRITEFUNC_ERROR : n_bytes;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    struct transfer *transfer = ctx;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    transfer->is_stopped = transfer->is_stopped || !transfer->request->on_tick(transfer->request->ctx);
    return transfer->is_stopped;
}

/* ---- How it ended ---- */

static enum transfer_end judge_status(struct transfer *transfer, char *text) {
    long status = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 416) {
        snprintf(text, TRANSFER_TEXT_BYTES, STALE_TEXT);
        return TRANSFER_STALE;
    }
    const char *what = status == 404 || status == 410   ? "there is no such file: look at the address"
                       : status == 401 || status == 403 ? "it does not give this file to everybody: "
                                                          "give RUNNEL_HUB_TOKEN to this server if it is "
                                                          "the hub, else get the file by other means"
                       : status == 429                  ? "it is asked too often"
                                                        : "it cannot give the file";
    snprintf(text, TRANSFER_TEXT_BYTES, "the other server answered %ld: %s", status, what);
    return status >= 500 || status == 408 || status == 425 || status == 429 ? TRANSFER_BROKEN
                                                                            : TRANSFER_REFUSED;
}

static enum transfer_end judge(struct transfer *transfer, CURLcode code, const char *why, char *text) {
    if (transfer->is_stopped) {
        return TRANSFER_STOPPED;
    }
    if (transfer->is_stale) {
        snprintf(text, TRANSFER_TEXT_BYTES, STALE_TEXT);
        return TRANSFER_STALE;
    }
    snprintf(text, TRANSFER_TEXT_BYTES, "%.280s", why[0] ? why : curl_easy_strerror(code));
    switch (code) {
    case CURLE_OK:
        /* An empty body calls nobody. */
        snprintf(text, TRANSFER_TEXT_BYTES, "the other server sent an empty file");
        return transfer->has_begun ? TRANSFER_DONE : TRANSFER_REFUSED;
    case CURLE_HTTP_RETURNED_ERROR:
        return judge_status(transfer, text);
    case CURLE_TOO_MANY_REDIRECTS:
        snprintf(text, TRANSFER_TEXT_BYTES, "the address leads in circles: more than %d redirects",
                 REDIRECTS_MAX);
        return TRANSFER_REFUSED;
    case CURLE_UNSUPPORTED_PROTOCOL:
        snprintf(text, TRANSFER_TEXT_BYTES,
                 "the address, or what it leads to, begins with neither http:// nor https://, or leads from "
                 "https to http");
        return TRANSFER_REFUSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_WEIRD_SERVER_REPLY:
        return TRANSFER_REFUSED;
    default:
        return TRANSFER_BROKEN;
    }
}

/* ---- Running ---- */

static void set_options(struct transfer *transfer, char *why) {
    CURL *curl = transfer->curl;
    const char *url = transfer->request->url;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR,
                     strncasecmp(url, "https:", 6) == 0 ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); /* a name server that is silent holds nobody up */
#endif
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)transfer->request->stall_s);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "runnel/" RUNNEL_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
}

/* Of libcurl's own: it takes it away where a redirect leads to another host, port or protocol. */
static void set_token(struct transfer *transfer) {
    if (transfer->request->token[0]) {
        curl_easy_setopt(transfer->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(transfer->curl, CURLOPT_XOAUTH2_BEARER, transfer->request->token);
    }
}

static struct curl_slist *set_range(struct transfer *transfer) {
    char text[TRANSFER_VALIDATOR_BYTES + 32];
    const struct transfer_request *request = transfer->request;
    if (request->offset == 0) {
        return NULL;
    }
    snprintf(text, sizeof text, "%llu-", (unsigned long long)request->offset);
    curl_easy_setopt(transfer->curl, CURLOPT_RANGE, text);
    snprintf(text, sizeof text, "If-Range: %s", request->validator);
    struct curl_slist *headers = curl_slist_append(NULL, text);
    curl_easy_setopt(transfer->curl, CURLOPT_HTTPHEADER, headers);
    return headers;
}

static enum transfer_end run(const struct transfer_request *request, char text[TRANSFER_TEXT_BYTES]) {
    static bool is_ready = false;
    char why[CURL_ERROR_SIZE] = "";
    if (!is_ready) {
        is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    }
    struct transfer transfer = { .request = request, .curl = is_ready ? curl_easy_init() : NULL };
    if (transfer.curl == NULL) {
        snprintf(text, TRANSFER_TEXT_BYTES, "libcurl does not start");
        return TRANSFER_REFUSED;
    }
    begin_answer(&transfer);
    set_options(&transfer, why);
    set_token(&transfer);
    struct curl_slist *headers = set_range(&transfer);
    enum transfer_end end = judge(&transfer, curl_easy_perform(transfer.curl), why, text);
    curl_easy_cleanup(transfer.curl);
    curl_slist_free_all(headers);
    return end;
}

const struct transfer_library transfer_library = { .run = run };
