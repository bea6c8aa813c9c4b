/* gate.c - who is it, and may he? [W5] [W45] [W46]
 *
 * Asked once for each request and each upgrade, before anything else is known of it than its route. What lets a connection in is noted on it
 * (net_conn_mark); when that right ends, so does the connection.
 */
#include "api/api_internal.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CREDENTIAL_BYTES 512

/* ---- What came with a request ---- */

enum credential { CREDENTIAL_NONE, CREDENTIAL_KEY, CREDENTIAL_SESSION };

static void copy(char out[CREDENTIAL_BYTES], const char *text) {
    size_t length = strnlen(text, CREDENTIAL_BYTES - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

/* A key in a header or, where a browser cannot set one, in the query. What is too long is a wrong one: "" is nobody's. */
static bool take_key(const struct net_conn *net, char out[CREDENTIAL_BYTES]) {
    const char *bearer = net_conn_header(net, NET_HEADER_AUTHORIZATION);
    const char *key = net_conn_header(net, NET_HEADER_X_API_KEY);
    if (strncasecmp(bearer, "Bearer ", 7) == 0) {
        copy(out, bearer + 7 + strspn(bearer + 7, " "));
        return true;
    }
    if (*key) {
        copy(out, key);
        return true;
    }
    return net_conn_is_websocket(net) &&
           net_conn_query(net, "token", out, CREDENTIAL_BYTES) != NET_QUERY_ABSENT;
}

/* A key that was said counts, also a wrong one; a cookie comes by itself, and counts where nothing was said. */
static enum credential take_credential(const struct net_conn *net, char out[CREDENTIAL_BYTES]) {
    if (take_key(net, out)) {
        return CREDENTIAL_KEY;
    }
    return cookie_take(net, out, CREDENTIAL_BYTES) ? CREDENTIAL_SESSION : CREDENTIAL_NONE;
}

uint64_t gate_find(struct api *api, const struct net_conn *net, uint32_t *wait_s) {
    char text[CREDENTIAL_BYTES];
    *wait_s = 0;
    if (net_conn_tag(net) == API_DOOR_OWNER) {
        return ACCESS_OWNER;
    }
    if (!access_is_guarded(api->access)) {
        return ACCESS_ANYBODY;
    }
    switch (take_credential(net, text)) {
    case CREDENTIAL_KEY:
        return access_by_key(api->access, text, net_conn_peer(net), wait_s);
    case CREDENTIAL_SESSION:
        return access_by_session(api->access, text);
    case CREDENTIAL_NONE:
        break;
    }
    return ACCESS_NOBODY;
}

/* ---- Coming in ---- */

static bool refuse(struct net_conn *net, uint32_t wait_s) {
    if (wait_s > 0) {
        reply_too_many(net, wait_s, GATE_GUESSES_TEXT);
    } else {
        reply_error(net, 401, "a key is needed: send the header Authorization: Bearer KEY");
    }
    return false;
}

static bool refuse_scope(struct net_conn *net, const struct access_caller *caller, enum scope needed) {
    char *text =
        mem_format("the key %s is for %s, and this needs one for %s: make one with runnel key add NAME "
                   "--scope %s",
                   caller->name, scope_name(caller->scope), scope_name(needed), scope_name(needed));
    reply_error(net, 403, text);
    free(text);
    return false;
}

/* The first frame of /ws may bring it. A cookie that is good no more is none. */
static bool may_say_it_later(const struct net_conn *net) {
    char text[CREDENTIAL_BYTES];
    return net_conn_is_websocket(net) && strcmp(net_conn_path(net), "/ws") == 0 && !take_key(net, text);
}

void gate_refresh(struct api *api) {
    if (access_refresh(api->access)) {
        gate_sweep(api);
    }
}

bool gate_check(struct api *api, struct net_conn *net, enum scope needed) {
    struct access_caller caller;
    uint32_t wait_s;
    gate_refresh(api);
    if (needed == SCOPE_PUBLIC) {
        return true;
    }
    uint64_t number = gate_find(api, net, &wait_s);
    if (!access_find(api->access, number, &caller)) {
        return may_say_it_later(net) || refuse(net, wait_s);
    }
    if (caller.scope < needed) {
        return refuse_scope(net, &caller, needed);
    }
    net_conn_set_mark(net, number);
    return true;
}

bool gate_may(const struct api *api, const struct net_conn *net, enum scope needed) {
    struct access_caller caller;
    return access_find(api->access, net_conn_mark(net), &caller) && caller.scope >= needed;
}

bool gate_hello(struct api *api, struct net_conn *net, const char *key) {
    struct access_caller caller;
    uint32_t wait_s;
    bool says_key = key && access_is_guarded(api->access) && net_conn_tag(net) != API_DOOR_OWNER;
    uint64_t number =
        says_key ? access_by_key(api->access, key, net_conn_peer(net), &wait_s) : net_conn_mark(net);
    if (!access_find(api->access, number, &caller) || caller.scope < SCOPE_READ) {
        return false;
    }
    net_conn_set_mark(net, number);
    return true;
}

/* ---- Going ---- */

static void close_if_gone(void *ctx, struct net_conn *net) {
    struct api *api = ctx;
    struct access_caller caller;
    uint64_t number = net_conn_mark(net);
    if (number != ACCESS_NOBODY && !access_find(api->access, number, &caller)) {
        LOG_INFO("conn_revoked", "conn=%llu", (unsigned long long)net_conn_number(net));
        net_conn_close(net, NET_CLOSE_REVOKED, "the key is no longer good");
    }
}

void gate_sweep(struct api *api) {
    net_each_conn(api->net, close_if_gone, api);
}

/* ---- How much ---- */

enum status gate_begin_answer(struct api *api, const struct net_conn *net, uint32_t *wait_s,
                              struct fault *fault) {
    *wait_s = access_take(api->access, net_conn_mark(net));
    return *wait_s ? fault_set(fault, STATUS_FULL,
                               "this key has begun as many answers as it may: try again in %u s", *wait_s)
                   : STATUS_OK;
}

struct chat_asker gate_asker(struct api *api, const struct net_conn *net) {
    struct access_caller caller;
    if (!access_find(api->access, net_conn_mark(net), &caller)) {
        return (struct chat_asker){ 0 };
    }
    return (struct chat_asker){ .number = caller.holder, .n_max = caller.concurrent };
}

enum status gate_message(struct api *api, const struct net_conn *net, enum gate_need need,
                         struct fault *fault) {
    struct access_caller caller;
    uint32_t wait_s;
    enum scope needed = need == GATE_READS ? SCOPE_READ : SCOPE_CHAT;
    if (!access_find(api->access, net_conn_mark(net), &caller) || caller.scope < needed) {
        return fault_set(fault, STATUS_DENIED, "this key may only read: use one with the scope %s",
                         scope_name(needed));
    }
    return need == GATE_BEGINS_ANSWER ? gate_begin_answer(api, net, &wait_s, fault) : STATUS_OK;
}
