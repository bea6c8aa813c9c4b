/* api_internal.h - shared by the files of api/ only.
 *
 * A request is routed by method and path (router.c) to one handler. A handler answers at once, or attaches a struct api_conn to
 * the connection, whose ops then get the upcalls until on_close.
 */
#ifndef RUNNEL_API_API_INTERNAL_H
#define RUNNEL_API_API_INTERNAL_H

#include "api/api.h"
#include "base/bytes.h"
#include "base/list.h"

/* Text in one frame: what a slow watcher missed comes in pieces of this size (P7). */
#define API_FRAME_TEXT_BYTES (32u << 10)
/* One encoded frame: JSON needs at most six bytes for one of text. A snapshot may be larger than that. */
#define API_FRAME_BYTES_MAX (3u << 20)

struct api_conn;

struct api_conn_ops {
    void (*on_open)(struct api_conn *conn); /* NULL where it is not a WebSocket */
    void (*on_message)(struct api_conn *conn, const char *text, size_t n_bytes);
    void (*on_writable)(struct api_conn *conn);
    void (*on_silence)(struct api_conn *conn);
    void (*on_close)(struct api_conn *conn); /* frees it */
};

/* The first member of each protocol's own connection. */
struct api_conn {
    const struct api_conn_ops *ops;
    struct api *api;
    struct net_conn *net;
};

struct api {
    struct api_options options;
    struct chat *chat;
    struct net *net;
    char *own_origins[3];         /* http://localhost:PORT … */
    struct list_node natives;     /* the /ws connections that said hello */
    struct bytes frame;           /* scratch for one frame: cleared before each use, never kept across upcalls */
};

/* api.c */
void api_conn_attach(struct api_conn *conn, const struct api_conn_ops *ops, struct api *api, struct net_conn *net);

/* router.c */
void router_on_head(void *ctx, struct net_conn *net);
void router_on_request(void *ctx, struct net_conn *net);

/* doors.c: true: it may come in. False: it has been answered. */
bool doors_check(struct api *api, struct net_conn *net);
/* doors_token_is_good compares in constant time; true when no token is asked for. */
bool doors_token_is_good(const struct api *api, const char *token);

/* reply.c */
void reply_json(struct net_conn *net, int status, json_t *body); /* takes over the reference */
void reply_error(struct net_conn *net, int status, const char *text); /* {"error":text} */
void reply_status(struct net_conn *net, enum status status, const char *text);
int reply_http_status(enum status status); /* the one table: enum status → HTTP */
const char *reply_error_code(enum status status); /* → [N11] */
/* reply_body_object parses the request's body as a JSON object; NULL: it has been answered (400, 415). An empty body is {}. */
json_t *reply_body_object(struct net_conn *net);

/* encode.c: JSON of domain objects; new references */
json_t *encode_message(const struct message *message);   /* MESSAGE of wire part 3 */
json_t *encode_conversation(const char *name, const char *title, int64_t created_ms, int64_t updated_ms, bool running);

/* Handlers: one file per protocol. WebSocket handlers run in on_head and attach, or answer to refuse. */
void ws_native_handle(struct api *api, struct net_conn *net);  /* GET /ws */
void ws_chat_handle(struct api *api, struct net_conn *net);    /* GET /ws/chat/stream */
void ws_watch_handle(struct api *api, struct net_conn *net);   /* GET /ws/conversation/watch/{id} */
void ws_native_broadcast_conversation(struct api *api, const struct conversation *conversation,
                                      enum conversation_event event);
void ws_native_broadcast_model(struct api *api);

void rest_chat_handle(struct api *api, struct net_conn *net);            /* POST /api/chat [W14] */
void rest_chat_stream_handle(struct api *api, struct net_conn *net);     /* POST, GET /api/chat/stream [W15] */
void rest_chat_cancel_handle(struct api *api, struct net_conn *net);     /* [W16] */
void rest_conversations_handle(struct api *api, struct net_conn *net);   /* [W17] */
void rest_conversation_handle(struct api *api, struct net_conn *net);    /* GET, DELETE [W18] [W19] */
void rest_config_handle(struct api *api, struct net_conn *net);          /* [W20] */
void rest_model_status_handle(struct api *api, struct net_conn *net);    /* [W21] */
void rest_model_load_handle(struct api *api, struct net_conn *net);      /* [W22] */
void rest_model_unload_handle(struct api *api, struct net_conn *net);
void rest_model_info_handle(struct api *api, struct net_conn *net);      /* [W23] */
void rest_model_history_handle(struct api *api, struct net_conn *net);
void rest_browse_handle(struct api *api, struct net_conn *net);
void rest_upload_head(struct api *api, struct net_conn *net);            /* [W24]: from on_head, to take the body in pieces */
void rest_upload_handle(struct api *api, struct net_conn *net);
void rest_system_usage_handle(struct api *api, struct net_conn *net);    /* [W25] */
void rest_logs_handle(struct api *api, struct net_conn *net);
void rest_health_handle(struct api *api, struct net_conn *net);
void openai_models_handle(struct api *api, struct net_conn *net);        /* [O1] */
void openai_chat_handle(struct api *api, struct net_conn *net);          /* [O2] … */
void static_files_handle(struct api *api, struct net_conn *net);         /* the page */

#endif
