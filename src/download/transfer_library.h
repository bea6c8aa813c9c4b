/* transfer_library.h - what the program asks of the library that speaks HTTP to others.
 *
 * libcurl brings thirty libraries with it. So it is in a module of its own, runnel-transfer.so beside the program, which is loaded with the first
 * download and not before. Its one symbol is TRANSFER_LIBRARY_SYMBOL.
 *
 * Only http and https are spoken, also where the other side sends one to another address, and never http after https. Bytes come as they were sent:
 * no coding is asked for.
 *
 * Thread  one at a time. `run` blocks until the end; `on_tick` comes at least once a second meanwhile.
 */
#ifndef RUNNEL_DOWNLOAD_TRANSFER_LIBRARY_H
#define RUNNEL_DOWNLOAD_TRANSFER_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSFER_LIBRARY_SYMBOL  "transfer_library"
#define TRANSFER_VALIDATOR_BYTES 256
#define TRANSFER_HASH_BYTES      65
#define TRANSFER_TEXT_BYTES      300

/* What is told before the first byte. */
struct transfer_head {
    uint64_t offset;                          /* of the first byte in the file: 0, or what was asked for */
    int64_t total;                            /* size of the file; −1: it is not said */
    char validator[TRANSFER_VALIDATOR_BYTES]; /* for If-Range: a strong ETag, or a date; "": none */
    char sha256[TRANSFER_HASH_BYTES]; /* as a hub says it (X-Linked-ETag), 64 hex digits; "": it does not */
};

struct transfer_request {
    const char *url;
    const char
        *token; /* Authorization: Bearer, for the host of `url` and no other that it leads to; "": none */
    uint64_t offset;       /* so much is there already; only with a validator */
    const char *validator; /* as an earlier head said it */
    uint32_t stall_s;      /* without a byte: the end */
    /* Each false ends the transfer with TRANSFER_STOPPED. */
    bool (*on_head)(void *ctx, const struct transfer_head *head);
    bool (*on_bytes)(void *ctx, const char *bytes, size_t n_bytes);
    bool (*on_tick)(void *ctx);
    void *ctx;
};

enum transfer_end {
    TRANSFER_DONE,    /* all that was announced came */
    TRANSFER_STOPPED, /* a callback said so */
    TRANSFER_STALE,   /* the part that was asked for is not to be had: from the beginning it may be */
    TRANSFER_BROKEN,  /* it may go better another time: `text` says what was wrong */
    TRANSFER_REFUSED, /* it will not */
};

struct transfer_library {
    enum transfer_end (*run)(const struct transfer_request *request, char text[TRANSFER_TEXT_BYTES]);
};

extern const struct transfer_library transfer_library;

#endif
