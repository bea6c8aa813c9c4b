/* llama_stream.c - [W109] GET and DELETE /v1/stream, POST /v1/streams/lookup: streams that clients named, taken up again, ended, looked for. */
#include "api/openai.h"
#include "api/openai_chat.h"
#include "api/request.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define LOOKUP_MAX 1000

static void fail(struct net_conn *net, int status, const char *text) {
    struct openai_error error;
    openai_error_set(&error, status, NULL, NULL, "%s", text);
    openai_error_reply(net, &error);
}

/* False: it has been answered. */
static bool take_id(struct net_conn *net, char id[LLAMA_STREAM_ID_BYTES]) {
    bool is_found = net_conn_query(net, "conv_id", id, LLAMA_STREAM_ID_BYTES) == NET_QUERY_FOUND;
    if (!is_found || !llama_streams_is_id(id)) {
        fail(net, 400, "\"conv_id\" must be what X-Conversation-Id was: 1 to 256 bytes");
        return false;
    }
    return true;
}

static bool has_begun(const struct llama_stream *stream) {
    return stream && !stream->is_gone && stream->generation[0];
}

static void resume(struct api *api, struct net_conn *net, const struct llama_stream *stream) {
    uint64_t from = 0;
    struct fault fault;
    if (request_take_number(net, "from", 0, INT64_MAX, &from, &fault)) {
        fail(net, 400, fault.text);
    } else if (!has_begun(stream)) {
        fail(net, 404,
             "there is no such stream: it has not begun, or is known no more. Send the request again");
    } else {
        openai_chat_resume(api, net, stream, from);
    }
}

static void end(struct api *api, struct net_conn *net, struct llama_stream *stream) {
    if (has_begun(stream)) {
        chat_cancel_generation(api->chat, stream->generation);
    }
    if (stream) {
        stream->is_gone = true;
    }
    reply_text(net, 204, NULL, "", 0);
}

void llama_stream_handle(struct api *api, struct net_conn *net) {
    char id[LLAMA_STREAM_ID_BYTES];
    if (!take_id(net, id)) {
        return;
    }
    struct llama_stream *stream = llama_streams_find(&api->streams, gate_asker(api, net).number, id);
    if (net_conn_method(net) == NET_DELETE) {
        end(api, net, stream);
    } else {
        resume(api, net, stream);
    }
}

/* ---- POST /v1/streams/lookup ---- */

/* The name itself, or one for a model of it: NAME::MODEL. */
static bool is_asked_for(const struct llama_stream *stream, const char *id) {
    size_t length = strlen(id);
    return strncmp(stream->id, id, length) == 0 &&
           (stream->id[length] == '\0' || strncmp(stream->id + length, "::", 2) == 0);
}

static void add_found(struct api *api, uint64_t asker, const char *id, json_t *list) {
    LIST_EACH(node, &api->streams.all) {
        const struct llama_stream *stream = CONTAINER_OF(node, struct llama_stream, node);
        if (stream->asker != asker || !has_begun(stream) || !is_asked_for(stream, id)) {
            continue;
        }
        bool is_running = chat_find_running(api->chat, stream->generation) != NULL;
        json_array_append_new(list,
                              json_pack("{s:s, s:b, s:I, s:I}", "conversation_id", stream->id, "is_done",
                                        !is_running, "total_bytes", (json_int_t)tape_size(stream->tape),
                                        "started_at", (json_int_t)stream->created_s));
    }
}

void llama_lookup_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    const json_t *ids = json_object_get(body, "conversation_ids");
    json_t *list = json_array();
    size_t index;
    json_t *id;
    if (!json_is_array(ids) || json_array_size(ids) > LOOKUP_MAX) {
        json_decref(list);
        fail(net, 400, "\"conversation_ids\" must be a list of at most 1000 names");
    } else {
        json_array_foreach(ids, index, id) {
            if (json_string_length(id) > 0) {
                add_found(api, gate_asker(api, net).number, json_string_value(id), list);
            }
        }
        reply_json(net, 200, list);
    }
    json_decref(body);
}
