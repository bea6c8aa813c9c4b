/* rest_login.c - [W46]: a browser gives its key once, and has a cookie from then on. */
#include "api/api_internal.h"
#include "api/request.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Who is asking. Anybody may know whether a key is needed. */
static void say_who(struct api *api, struct net_conn *net) {
    struct access_caller caller = { .name = NULL };
    uint32_t wait_s;
    bool is_known = access_find(api->access, gate_find(api, net, &wait_s), &caller);
    reply_json(net, 200,
               json_pack("{s:b, s:b, s:s?, s:s?}", "needed", access_is_guarded(api->access), "signed_in",
                         is_known && caller.is_session, "name", is_known ? caller.name : NULL, "scope",
                         is_known ? scope_name(caller.scope) : NULL));
}

static void sign_in(struct api *api, struct net_conn *net, const char *key) {
    char session[SECRET_HEX_BYTES];
    struct access_caller caller;
    uint32_t wait_s;
    uint64_t number = access_sign_in(api->access, key, net_conn_peer(net), session, &wait_s);
    if (wait_s > 0) {
        reply_too_many(net, wait_s, GATE_GUESSES_TEXT);
        return;
    }
    if (!access_find(api->access, number, &caller)) {
        reply_error(net, 401,
                    "this key is not known here, or is no longer good: runnel key list shows those that are");
        return;
    }
    gate_sweep(api); /* it may have taken another one's place */
    LOG_INFO("signed_in", "conn=%llu key=%s", (unsigned long long)net_conn_number(net), caller.name);
    char *headers = cookie_header(net, session, ACCESS_SESSION_S);
    reply_json_with(net, 200, headers,
                    json_pack("{s:b, s:s, s:s, s:I}", "success", true, "name", caller.name, "scope",
                              scope_name(caller.scope), "expires", (json_int_t)caller.expires_s));
    free(headers);
}

void rest_login_handle(struct api *api, struct net_conn *net) {
    if (net_conn_method(net) != NET_POST) {
        say_who(api, net);
        return;
    }
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    const char *key = NULL;
    struct fault fault;
    if (json_take_string(body, "key", &key, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
    } else if (key == NULL || *key == '\0') {
        reply_error(net, 400, "\"key\" is missing: send {\"key\":\"…\"}");
    } else {
        sign_in(api, net, key);
    }
    json_decref(body);
}

void rest_logout_handle(struct api *api, struct net_conn *net) {
    struct access_caller caller;
    uint32_t wait_s;
    char *headers = cookie_header(net, "", 0);
    if (access_find(api->access, gate_find(api, net, &wait_s), &caller) && caller.is_session) {
        access_sign_out(api->access, caller.number);
        gate_sweep(api);
    }
    reply_json_with(net, 200, headers, json_pack("{s:b}", "success", true));
    free(headers);
}
