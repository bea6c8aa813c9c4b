/* http.h - one request to a server of ours on this machine, for the sub-commands. Blocks. */
#ifndef RUNNEL_APP_HTTP_H
#define RUNNEL_APP_HTTP_H

#include "base/bytes.h"
#include "base/status.h"

#define HTTP_ANSWER_BYTES_MAX (64u << 10)
#define HTTP_WAIT_S           3600 /* for the answer: a backup takes what the disk needs */

/* http_ask: url is "unix:PATH" or "http://ADDRESS:PORT", token NULL for none, json "" for no body. STATUS_UNAVAILABLE: nobody answers, or
 * not by such an address. */
MUST_CHECK enum status http_ask(const char *url, const char *method, const char *path, const char *token,
                                const char *json, int *code, struct bytes *body, struct fault *fault);

#endif
