/* rest_downloads.c - [W71] [W72]: model files that are fetched from elsewhere. */
#include "api/api_internal.h"
#include "api/request.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "/api/downloads/"

/* A name that is taken is as one of a file that is there: 409. */
static void refuse(struct net_conn *net, enum status status, const char *text) {
    reply_error(net, status == STATUS_CONFLICT ? 409 : reply_http_status(status), text);
}

static enum status take_wish(const json_t *body, struct downloads_wish *wish, struct fault *fault) {
    const struct {
        const char *key;
        const char **place;
    } strings[] = { { "url", &wish->url },
                    { "repo", &wish->repo },
                    { "file", &wish->file },
                    { "revision", &wish->revision },
                    { "sha256", &wish->sha256 } };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof strings / sizeof strings[0]; i++) {
        status = json_take_string(body, strings[i].key, strings[i].place, fault);
    }
    if (status == STATUS_OK && (wish->url == NULL) == (wish->repo == NULL)) {
        return fault_set(fault, STATUS_INVALID, "either \"url\" or \"repo\" with \"file\" must be given");
    }
    return status;
}

static void add(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    struct downloads_wish wish = { .hub = chat_settings(api->chat)->hub_url };
    char id[ID_HEX_BYTES];
    struct fault fault;
    if (body == NULL) {
        return;
    }
    enum status status = take_wish(body, &wish, &fault);
    status = status ? status : downloads_add(api->options.downloads, &wish, id, &fault);
    if (status) {
        refuse(net, status, fault.text);
    } else {
        reply_json(net, 200, json_pack("{s:b, s:s}", "success", true, "id", id));
    }
    json_decref(body);
}

void rest_downloads_handle(struct api *api, struct net_conn *net) {
    if (net_conn_method(net) == NET_POST) {
        add(api, net);
    } else {
        reply_json(net, 200, json_pack("{s:o}", "downloads", downloads_json(api->options.downloads)));
    }
}

/* False: the path is not {id}/{what}. */
static bool take_action(const char *path, char id[ID_HEX_BYTES], enum downloads_action *action) {
    static const char *const names[] = {
        [DOWNLOADS_PAUSE] = "pause", [DOWNLOADS_RESUME] = "resume", [DOWNLOADS_CANCEL] = "cancel"
    };
    const char *rest = path + strlen(PREFIX);
    if (strcspn(rest, "/") != ID_HEX_BYTES - 1) {
        return false;
    }
    snprintf(id, ID_HEX_BYTES, "%s", rest);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(rest + ID_HEX_BYTES, names[i]) == 0) {
            *action = (enum downloads_action)i;
            return id_is_hex(id);
        }
    }
    return false;
}

void rest_download_handle(struct api *api, struct net_conn *net) {
    char id[ID_HEX_BYTES];
    enum downloads_action action;
    struct fault fault;
    if (!take_action(net_conn_path(net), id, &action)) {
        reply_error(net, 404, REPLY_NOT_FOUND_TEXT);
        return;
    }
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    json_decref(body);
    enum status status = downloads_act(api->options.downloads, id, action, &fault);
    if (status) {
        refuse(net, status, fault.text);
    } else {
        reply_json(net, 200, json_pack("{s:b}", "success", true));
    }
}
