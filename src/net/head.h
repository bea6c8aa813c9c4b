/* head.h - the head of one HTTP/1.1 request, by the strict grammar of RFC 9112.
 *
 * Whatever another reader of the same bytes (a proxy) could take for something else is refused, never repaired: a line that does not
 * end in CR LF, control characters, folded lines, a space before a colon, two lengths, a length and chunks, a length that is no row of
 * digits. So the end of a request is where everybody sees it. Chunks are chunked.h's.
 *
 * Pure: no socket, no clock, no state but what the caller keeps.
 * Thread  any.
 * Memory  struct head points into the bytes that were parsed; an empty path is "/". head_path and head_query return new memory.
 * Limits  HEAD_BYTES_MAX, HEAD_FIELDS_MAX: 431.
 * Errors  HEAD_BAD: `status` and `error` are the answer; the socket can take no other request.
 */
#ifndef RUNNEL_NET_HEAD_H
#define RUNNEL_NET_HEAD_H

#include "net/net.h"

#define HEAD_BYTES_MAX  NET_HEAD_BYTES_MAX
#define HEAD_FIELDS_MAX 100

enum head_state { HEAD_INCOMPLETE, HEAD_GOOD, HEAD_BAD };

struct head_text {
    const char *at;
    size_t n;
};

struct head_field {
    struct head_text name;
    struct head_text value; /* without the white space around it */
};

struct head {
    size_t n_bytes; /* of the head with its empty line; the body begins there */
    enum net_method method;
    struct head_text
        host; /* of a target that begins with "http://": it counts instead of the Host field; else empty */
    struct head_text path;  /* encoded, without the query */
    struct head_text query; /* encoded, without the '?' */
    bool is_http_1_0;
    bool closes; /* the client wants no second answer on this socket */
    bool is_chunked;
    bool is_upgrade; /* to a WebSocket, with a key and a version that are good */
    bool expects_continue;
    uint64_t n_body; /* Content-Length */
    struct head_text websocket_key;
    struct head_field fields[HEAD_FIELDS_MAX];
    size_t n_fields;

    int status; /* of HEAD_BAD: 400, 417, 426, 431, 501 or 505 */
    const char *error;
};

/* head_parse looks at the n bytes that came so far. *n_seen is where the search for the end goes on: 0 at first, kept by the caller
 * between two calls. */
enum head_state head_parse(const char *bytes, size_t n, size_t *n_seen, struct head *head /* out */);

/* What one byte is: -1, no hex digit; part of a name (RFC 9110 section 5.6.2); part of a field's value (section 5.5). */
int head_hex_value(char c);
bool head_is_token_char(char c);
bool head_is_field_char(char c);

/* head_field returns a field's value by its name in lower case, new memory; more of the same are joined by ", ". NULL: there is none. */
char *head_field(const struct head *head, const char *name);

/* head_path decodes the path; there is no NUL in it. */
char *head_path(const struct head *head);

/* head_query decodes the arguments: "name=value", each ended by a NUL, the last by two. */
char *head_query(const struct head *head);

#endif
