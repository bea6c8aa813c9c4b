/* api_internal.h - shared by the files of api/ only.
 *
 * A request is routed by method and path (router.c) to one handler. A handler answers at once, or attaches a
 * struct api_conn to the connection, whose ops then get the upcalls until on_close.
 */
#ifndef RUNNEL_API_API_INTERNAL_H
#define RUNNEL_API_API_INTERNAL_H

#include "api/api.h"
#include "api/llama_streams.h"
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

/* One outstanding question to the chat: the first member of connections that wait for an answer. Callbacks
 * set `call` to NULL. */
struct api_call {
    struct api_conn conn;
    struct chat_call *call;
};

/* Somebody who waits for a change, of the state of the models or of the downloads. on_change may remove its own node, and no other. */
struct api_watcher {
    struct list_node node;
    void (*on_change)(void *ctx);
    void *ctx;
};

/* What went out of the frames of tokens of GET /ws. */
struct api_counts {
    uint64_t n_frames;
    uint64_t n_events; /* in them */
    uint64_t n_repeats;
    uint64_t n_holes;
};

struct api {
    struct api_options options;
    struct chat *chat;
    struct access *access;
    struct net *net;
    struct loop_timer *tick;  /* gate_refresh */
    struct list_node natives; /* the /ws connections that said hello */
    struct list_node model_watchers;
    struct list_node download_watchers;
    struct bytes frame; /* scratch for one frame: cleared before each use, never kept across upcalls */
    struct rest_system *system; /* what [W25] remembers between calls */
    struct metrics *metrics;
    struct llama_streams streams;
    struct api_counts counts;
    int64_t started_ms; /* wall clock */
};

/* On every answer that is not a file of the page. */
#define API_HEADERS                                                                                          \
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: "           \
    "same-origin\r\n"
/* api.c */
void api_conn_attach(struct api_conn *conn, const struct api_conn_ops *ops, struct api *api,
                     struct net_conn *net);

/* api_call_begin makes one of n_bytes, which begins with struct api_call. Its only upcall is its end. */
void *api_call_begin(size_t n_bytes, struct api *api, struct net_conn *net);
void api_call_on_close(struct api_conn *conn); /* abandons and frees */

/* router.c */
/* router_is_page: the path is the page's: under none of the prefixes of the interfaces. */
bool router_is_page(const char *path);
void router_on_head(void *ctx, struct net_conn *net);
void router_on_request(void *ctx, struct net_conn *net);
/* router_kind_name: what net_conn_kind is a number of: a path of the router's table, "/" for the page, "none". */
size_t router_n_kinds(void);
const char *router_kind_name(size_t kind);

/* doors_names.c: [W3] [W4] */
bool doors_host_is_good(const struct api *api, const struct net_conn *net);
bool doors_origin_is_good(const struct api *api, const struct net_conn *net);

/* doors.c: true: it may come in, to what needs such a right. False: it has been answered. */
bool doors_check(struct api *api, struct net_conn *net, enum scope needed);
bool doors_is_content_type(const char *header, const char *wanted); /* parameters and case aside */

/* gate.c: who is it, and may he? */
/* gate_check: true: he may; he is noted on the connection. False: it has been answered (401, 403). */
bool gate_check(struct api *api, struct net_conn *net, enum scope needed);
/* gate_may: whoever came in may do that too. */
bool gate_may(const struct api *api, const struct net_conn *net, enum scope needed);
/* gate_hello: the first frame of /ws brought this key (NULL: none). */
bool gate_hello(struct api *api, struct net_conn *net, const char *key);
/* gate_begin_answer: he begins one [W47]. STATUS_FULL: he has begun as many as he may; there is one more in *wait_s. */
MUST_CHECK enum status gate_begin_answer(struct api *api, const struct net_conn *net, uint32_t *wait_s,
                                         struct fault *fault);
/* gate_message: the same for one message of a WebSocket. STATUS_DENIED: he may not. */
enum gate_need { GATE_READS, GATE_CHANGES, GATE_BEGINS_ANSWER };
MUST_CHECK enum status gate_message(struct api *api, const struct net_conn *net, enum gate_need need,
                                    struct fault *fault);
/* gate_asker: for whom an answer is begun by this connection, and how many he may have under way. */
struct chat_asker gate_asker(struct api *api, const struct net_conn *net);
/* gate_find: ACCESS_NOBODY: nobody that is known; *wait_s as in access_by_key. */
uint64_t gate_find(struct api *api, const struct net_conn *net, uint32_t *wait_s);
#define GATE_GUESSES_TEXT "too many wrong keys came from this address: try again in a moment"
/* gate_sweep closes the connections of those who are known no more; gate_refresh does, if somebody may be gone. */
void gate_sweep(struct api *api);
void gate_refresh(struct api *api);

/* cookie.c: false: none came. cookie_header is the line that sets it, new memory. */
bool cookie_take(const struct net_conn *net, char *out, size_t out_bytes);
char *cookie_header(const struct net_conn *net, const char *value, int64_t max_age_s);

/* reply.c: each does nothing when the connection was answered or is being closed. */
void reply_json(struct net_conn *net, int status, json_t *body); /* takes over the reference */
void reply_json_with(struct net_conn *net, int status, const char *headers,
                     json_t *body); /* more headers, or NULL */
void reply_text(struct net_conn *net, int status, const char *content_type, const char *text, size_t n_bytes);
/* {"error":text}, or under /v1 the object of [O3]. Some statuses bring a header of their own. */
void reply_error(struct net_conn *net, int status, const char *text);
void reply_not_allowed(struct net_conn *net, const char *allow);              /* 405 */
void reply_too_many(struct net_conn *net, uint32_t wait_s, const char *text); /* 429 */
void reply_status(struct net_conn *net, enum status status, const char *text);
int reply_http_status(enum status status);        /* the one table: enum status → HTTP */
const char *reply_error_code(enum status status); /* → [N11] */
/* reply_goes_on: the end of this one is not the end of the answer (N12): what comes next is the beginning of another. */
bool reply_goes_on(const struct api *api, const struct stream *stream);
/* reply_is_failure: it ended as "error" or "interrupted". */
bool reply_is_failure(const struct stream *stream);
#define REPLY_DELETED_TEXT   "the conversation was deleted: choose another"
#define REPLY_LONG_PATH_TEXT "the path must be shorter than 4096 bytes"
#define REPLY_NOT_FOUND_TEXT "there is nothing at this address: look at the list in docs/protocol.md"
/* Of one that is left (chat_is_left). */
#define REPLY_LEFT_TEXT "the server is stopping: this answer is made after its next start"
/* Of a generation that reply_is_failure: what a waiting caller is told. */
int reply_end_http_status(const struct stream *stream);
const char *reply_end_text(const struct stream *stream);
/* encode.c: JSON of domain objects; new references */
json_t *encode_text(const char *text);                  /* null for NULL and "" */
json_t *encode_generation(const struct stream *stream); /* `generation` of it */
json_t *encode_message(const struct message *message);  /* MESSAGE of wire part 3 */
/* encode_phase and encode_end add the fields of [N5], and of the event `end`, to an object. */
void encode_phase(json_t *out, const struct phase *phase);
void encode_end(json_t *out, const struct stream *stream);
/* encode_messages: those that are told to readers, without hidden ones. encode_current: the id of the one down to which they are shown, or null. */
json_t *encode_messages(const struct conversation *conversation);
json_t *encode_current(const struct conversation *conversation);
/* encode_row_own adds what a list shows of what a conversation has of its own [W50], encode_own all of it. */
void encode_row_own(json_t *out, const struct store_own *own);
void encode_own(json_t *out, const struct conversation *conversation);
json_t *encode_row(const struct store_listed *row, bool running); /* of [W17] */
json_t *encode_attachment(const struct store_attachment *attachment, bool has_text);
/* encode_disposition is the line that makes an answer a file of this name; new memory. */
char *encode_disposition(const char *name);

/* Handlers: one file per protocol. WebSocket handlers run in on_head and attach, or answer to refuse. */
void ws_native_handle(struct api *api, struct net_conn *net); /* GET /ws */
void ws_chat_handle(struct api *api, struct net_conn *net);   /* GET /ws/chat/stream */
void ws_watch_handle(struct api *api, struct net_conn *net);  /* GET /ws/conversation/watch/{id} */
void ws_echo_handle(struct api *api, struct net_conn *net);   /* GET /__echo, with RUNNEL_FAULTS */
void ws_native_broadcast_conversation(struct api *api, const struct conversation *conversation,
                                      enum conversation_event event);
void ws_native_broadcast_reshaped(struct api *api, const struct store_reshaped *reshaped, bool are_hidden);
void ws_native_broadcast_model(struct api *api);
void ws_native_broadcast_storage(struct api *api);
void ws_native_broadcast_downloads(struct api *api);

void rest_chat_handle(struct api *api, struct net_conn *net);          /* POST /api/chat [W14] */
void rest_chat_stream_handle(struct api *api, struct net_conn *net);   /* POST, GET /api/chat/stream [W15] */
void rest_chat_cancel_handle(struct api *api, struct net_conn *net);   /* [W16] */
void rest_chat_continue_handle(struct api *api, struct net_conn *net); /* [W28] */
void rest_generations_handle(struct api *api, struct net_conn *net);   /* [W26] [W27] */
void rest_conversations_handle(struct api *api, struct net_conn *net); /* [W17] */
void rest_conversation_handle(struct api *api, struct net_conn *net);  /* [W18] [W19], and what is below */
/* What follows the id of a conversation in the address was read: a change of it [W50], its way out of the trash [W51], a fork [W52]. */
void rest_change_handle(struct api *api, struct net_conn *net, const char *name);
void rest_restore_handle(struct api *api, struct net_conn *net, const char *name);
void rest_fork_handle(struct api *api, struct net_conn *net, const char *name);
void rest_bulk_handle(struct api *api, struct net_conn *net);     /* [W53] */
void rest_messages_handle(struct api *api, struct net_conn *net); /* [W54] */
void rest_folders_handle(struct api *api, struct net_conn *net);  /* [W55] */
void rest_folders_rename_handle(struct api *api, struct net_conn *net);
void rest_config_handle(struct api *api, struct net_conn *net);       /* [W20] */
void rest_model_status_handle(struct api *api, struct net_conn *net); /* [W21] */
void rest_model_load_handle(struct api *api, struct net_conn *net);   /* [W22] */
void rest_model_unload_handle(struct api *api, struct net_conn *net);
void rest_model_pin_handle(struct api *api, struct net_conn *net);
void rest_model_default_handle(struct api *api, struct net_conn *net); /* [W66] */
void rest_models_handle(struct api *api, struct net_conn *net);
void rest_model_info_handle(struct api *api, struct net_conn *net); /* [W23] */
void rest_model_history_handle(struct api *api, struct net_conn *net);
void rest_browse_handle(struct api *api, struct net_conn *net);
void rest_upload_head(struct api *api,
                      struct net_conn *net); /* [W24]: from on_head, to take the body in pieces */
void rest_upload_handle(struct api *api, struct net_conn *net);
void rest_search_handle(struct api *api, struct net_conn *net);                /* [W60] */
void rest_export_one(struct api *api, struct net_conn *net, const char *name); /* [W61] */
void rest_export_handle(struct api *api, struct net_conn *net);                /* [W62] */
void rest_import_head(struct api *api, struct net_conn *net); /* [W63], as rest_upload_head */
void rest_import_handle(struct api *api, struct net_conn *net);
void rest_attachments_head(struct api *api, struct net_conn *net); /* [W64] */
void rest_attachments_handle(struct api *api, struct net_conn *net);
void rest_attachment_handle(struct api *api, struct net_conn *net);   /* [W65] */
void rest_backup_handle(struct api *api, struct net_conn *net);       /* [W29] */
void rest_system_usage_handle(struct api *api, struct net_conn *net); /* [W25] */
void rest_downloads_handle(struct api *api, struct net_conn *net);    /* [W71] */
void rest_download_handle(struct api *api, struct net_conn *net);
void rest_stats_handle(struct api *api, struct net_conn *net);     /* [W69] */
void rest_log_lines_handle(struct api *api, struct net_conn *net); /* [W70] */
void rest_logs_handle(struct api *api, struct net_conn *net);
void rest_health_handle(struct api *api, struct net_conn *net);
void rest_metrics_handle(struct api *api, struct net_conn *net); /* [W48] */
void rest_login_handle(struct api *api, struct net_conn *net);   /* [W46] */
void rest_logout_handle(struct api *api, struct net_conn *net);
struct rest_system *rest_system_new(void);
void rest_system_free(struct rest_system *system);
void openai_models_handle(struct api *api, struct net_conn *net);  /* [O1] */
void openai_chat_handle(struct api *api, struct net_conn *net);    /* [O2] … */
void llama_tokenize_handle(struct api *api, struct net_conn *net); /* [W90] */
void llama_detokenize_handle(struct api *api, struct net_conn *net);
void llama_template_handle(struct api *api, struct net_conn *net);
void llama_completion_handle(struct api *api, struct net_conn *net); /* [W105] */
void llama_infill_handle(struct api *api, struct net_conn *net);     /* [W106] */
void llama_props_handle(struct api *api, struct net_conn *net);      /* [W91] */
void llama_adapters_handle(struct api *api, struct net_conn *net);
void llama_stream_handle(struct api *api, struct net_conn *net); /* [W109] */
void llama_lookup_handle(struct api *api, struct net_conn *net);
void llama_slots_handle(struct api *api, struct net_conn *net);
void ollama_chat_handle(struct api *api,
                        struct net_conn *net); /* [W85]: of rest_chat_handle, on its own port */
void ollama_generate_handle(struct api *api, struct net_conn *net); /* [W86] */
void ollama_tags_handle(struct api *api, struct net_conn *net);     /* [W87] */
void ollama_ps_handle(struct api *api, struct net_conn *net);
void ollama_show_handle(struct api *api, struct net_conn *net);
void ollama_version_handle(struct api *api, struct net_conn *net);
void ollama_pull_handle(struct api *api, struct net_conn *net);        /* [W102] */
void ollama_copy_handle(struct api *api, struct net_conn *net);        /* [W103] */
void ollama_delete_handle(struct api *api, struct net_conn *net);      /* [W103] */
void openai_embeddings_handle(struct api *api, struct net_conn *net);  /* [W100] */
void ollama_embed_handle(struct api *api, struct net_conn *net);       /* [W101] */
void anthropic_handle(struct api *api, struct net_conn *net);          /* [W81] */
void anthropic_count_handle(struct api *api, struct net_conn *net);    /* [W83] */
void responses_handle(struct api *api, struct net_conn *net);          /* [W76] */
void responses_read_handle(struct api *api, struct net_conn *net);     /* [W78] [W79] */
void openai_completions_handle(struct api *api, struct net_conn *net); /* [W73] */
void static_files_handle(struct api *api, struct net_conn *net);       /* the page */

#endif
