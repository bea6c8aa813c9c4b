#include "api/ws_world.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct net_conn {
    void *ctx;
};

struct chat_call {
    bool is_abandoned;
    char name[ID_CONVERSATION_BYTES]; /* empty: a send */
    chat_on_opened opened;
    chat_on_sent sent;
    void *ctx;
};

struct loop_timer {
    int unused;
};

struct ws_world *world;

/* ---- The net ---- */

static struct api_conn *conn(void) {
    return world->net->ctx;
}

bool net_conn_is_websocket(const struct net_conn *net) {
    (void)net;
    return true;
}

uint64_t net_conn_number(const struct net_conn *net) {
    (void)net;
    return 1;
}

const char *net_conn_path(const struct net_conn *net) {
    (void)net;
    return world->path;
}

void net_conn_set_ctx(struct net_conn *net, void *ctx) {
    net->ctx = ctx;
}

enum net_query net_conn_query(const struct net_conn *net, const char *name, char *out, size_t out_bytes) {
    (void)net;
    char key[64];
    snprintf(key, sizeof key, "%s=", name);
    const char *at = world->query ? strstr(world->query, key) : NULL;
    out[0] = '\0';
    if (at == NULL) {
        return NET_QUERY_ABSENT;
    }
    at += strlen(key);
    size_t length = strcspn(at, "&");
    if (length >= out_bytes) {
        return NET_QUERY_TOO_LONG;
    }
    memcpy(out, at, length);
    out[length] = '\0';
    return NET_QUERY_FOUND;
}

static json_t *parse(const char *bytes, size_t n_bytes) {
    json_t *frame;
    struct fault fault;
    if (json_parse_object(bytes, n_bytes, &frame, &fault) != STATUS_OK) {
        fail_msg("a frame is no JSON object: %s", fault.text);
    }
    return frame;
}

void net_conn_send(struct net_conn *net, const char *bytes, size_t n_bytes) {
    (void)net;
    if (world->close_code == 0) {
        json_array_append_new(world->outbox, parse(bytes, n_bytes));
    }
}

void net_conn_write(struct net_conn *net, const char *bytes, size_t n_bytes) {
    (void)net;
    assert_true(world->may_write);
    world->may_write = false;
    json_array_append_new(world->frames, parse(bytes, n_bytes));
}

void net_conn_want_write(struct net_conn *net) {
    (void)net;
    world->write_wanted = true;
}

void net_conn_close(struct net_conn *net, enum net_close code, const char *reason) {
    (void)net;
    assert_true(reason[0] != '\0');
    if (world->close_code == 0) {
        world->close_code = (int)code;
    }
}

void net_reply(struct net_conn *net, const struct net_reply *reply) {
    (void)net;
    assert_true(reply->n_bytes > 0);
    world->reply_status = reply->status;
}

bool net_conn_is_answered(const struct net_conn *net) {
    (void)net;
    return world->reply_status != 0;
}

int net_conn_tag(const struct net_conn *conn) {
    (void)conn;
    return 0;
}

const char *net_conn_header(const struct net_conn *net, enum net_header header) {
    (void)net;
    (void)header;
    return "";
}

const char *net_conn_body(const struct net_conn *net, size_t *n_bytes) {
    (void)net;
    *n_bytes = 0;
    return "";
}

static struct loop_timer *timer_new(void *self, void (*on_time)(void *ctx), void *ctx) {
    (void)self;
    world->on_time = on_time;
    world->timer_ctx = ctx;
    return mem_alloc(sizeof(struct loop_timer));
}

static void timer_set(struct loop_timer *timer, int64_t delay_ms) {
    (void)timer;
    world->timer_ms = delay_ms;
}

static void timer_free(struct loop_timer *timer) {
    free(timer);
}

const struct loop *net_loop(struct net *net) {
    static const struct loop loop = { .timer_new = timer_new,
                                      .timer_set = timer_set,
                                      .timer_free = timer_free };
    (void)net;
    return &loop;
}

/* ---- The rest of api/ ---- */

void api_conn_attach(struct api_conn *self, const struct api_conn_ops *ops, struct api *api,
                     struct net_conn *net) {
    *self = (struct api_conn){ .ops = ops, .api = api, .net = net };
    net_conn_set_ctx(net, self);
}

bool doors_is_content_type(const char *header, const char *wanted) {
    return strcmp(header, wanted) == 0;
}

bool gate_hello(struct api *api, struct net_conn *net, const char *key) {
    (void)api;
    (void)net;
    return world->key == NULL || (key && strcmp(world->key, key) == 0);
}

enum status gate_message(struct api *api, const struct net_conn *net, enum gate_need need,
                         struct fault *fault) {
    (void)api;
    (void)net;
    if (need != GATE_READS && world->may_only_read) {
        return fault_set(fault, STATUS_DENIED, "read only");
    }
    return need == GATE_BEGINS_ANSWER && world->may_begin_none ? fault_set(fault, STATUS_FULL, "no more")
                                                               : STATUS_OK;
}

struct chat_asker gate_asker(struct api *api, const struct net_conn *net) {
    (void)api;
    (void)net;
    return (struct chat_asker){ .number = WORLD_ASKER };
}

/* ---- The chat ---- */

static struct settings settings;

const char *chat_epoch(const struct chat *chat) {
    (void)chat;
    return WORLD_EPOCH;
}

struct chat_call *chat_change(struct chat *chat, const struct store_change *change, chat_on_changed callback,
                              void *ctx) {
    (void)chat;
    struct message *message = conversation_find_message(world->conversation, change->current);
    if (message) {
        conversation_select(world->conversation, message);
    }
    callback(ctx, message ? STATUS_OK : STATUS_NOT_FOUND, message ? world->conversation : NULL);
    return NULL;
}

struct chat_call *chat_see(struct chat *chat, const char *name, chat_on_changed callback, void *ctx) {
    (void)chat;
    bool is_there = strcmp(name, world->conversation->name) == 0;
    world->n_seen += is_there;
    callback(ctx, is_there ? STATUS_OK : STATUS_NOT_FOUND, is_there ? world->conversation : NULL);
    return NULL;
}

enum status models_resolve(const struct models *models, const char *id_or_path, char out[PATH_MAX],
                           struct fault *fault) {
    (void)models;
    (void)fault;
    snprintf(out, PATH_MAX, "%s", id_or_path);
    return STATUS_OK;
}

const char *models_file_name(const char *path) {
    return path;
}

struct models *chat_models(struct chat *chat) {
    (void)chat;
    return NULL;
}

json_t *models_status(const struct models *models) {
    (void)models;
    return json_pack("{s:s}", "state", WORLD_MODEL_STATE);
}

const struct settings *chat_settings(const struct chat *chat) {
    (void)chat;
    return &settings;
}

bool chat_cancel(struct chat *chat, struct conversation *conversation) {
    (void)chat;
    assert_non_null(conversation);
    world->n_cancelled++;
    return true;
}

struct draft *draft_new(struct chat *chat) {
    (void)chat;
    world->n_drafts++;
    return (struct draft *)(void *)world;
}

void draft_free(struct draft *draft) {
    world->n_drafts -= draft != NULL;
    world->draft[0] = '\0';
}

void draft_set(struct draft *draft, const char *conversation, const char *text) {
    assert_ptr_equal(draft, world);
    snprintf(world->draft, sizeof world->draft, "%s|%.40s", conversation ? conversation : "", text);
}

bool chat_cancel_generation(struct chat *chat, const char *generation_id) {
    (void)chat;
    bool runs = !world->is_unread && !world->stream->is_ended &&
                message_find_generation(conversation_last(world->conversation), generation_id) != NULL;
    world->n_cancelled += runs;
    return runs;
}

enum store_trouble chat_storage(const struct chat *chat) {
    (void)chat;
    return world->trouble;
}

const char *store_trouble_name(enum store_trouble trouble) {
    return trouble == STORE_FULL ? "full" : "fine";
}

bool chat_is_stopping(const struct chat *chat) {
    (void)chat;
    return world->is_stopping;
}

void chat_abandon(struct chat_call *call) {
    if (call) {
        world->n_abandoned++;
        call->is_abandoned = true;
    }
}

static struct chat_call *ask(struct chat_call *call) {
    assert_null(world->waiting);
    world->waiting = call;
    if (world->defers) {
        return call;
    }
    world_answer();
    return NULL;
}

struct chat_call *chat_open_conversation(struct chat *chat, const char *name, chat_on_opened callback,
                                         void *ctx) {
    (void)chat;
    struct chat_call *call = mem_alloc(sizeof *call);
    snprintf(call->name, sizeof call->name, "%s", name);
    call->opened = callback;
    call->ctx = ctx;
    return ask(call);
}

struct chat_call *chat_open_generation(struct chat *chat, const char *generation_id, chat_on_opened callback,
                                       void *ctx) {
    struct message *message = conversation_last(world->conversation);
    bool is_known = message_find_generation(message, generation_id) != NULL;
    world->is_unread = world->is_unread && !is_known;
    return chat_open_conversation(chat, is_known ? WORLD_NAME : WORLD_UNKNOWN, callback, ctx);
}

struct chat_call *chat_send(struct chat *chat, const struct chat_send *send, chat_on_sent callback,
                            void *ctx) {
    (void)chat;
    struct chat_call *call = mem_alloc(sizeof *call);
    call->sent = callback;
    call->ctx = ctx;
    snprintf(world->sent_text, sizeof world->sent_text, "%s", send->text);
    snprintf(world->sent_conversation, sizeof world->sent_conversation, "%s",
             send->conversation ? send->conversation : "");
    world->sent_asker = send->asker.number;
    const json_t *temperature = json_object_get(send->sampling, "temperature");
    world->sent_temperature = temperature ? json_number_value(temperature) : -1;
    return ask(call);
}

struct chat_call *chat_continue(struct chat *chat, const char *generation_id, const struct chat_asker *asker,
                                chat_on_sent callback, void *ctx) {
    (void)chat;
    world->sent_asker = asker->number;
    struct chat_call *call = mem_alloc(sizeof *call);
    call->sent = callback;
    call->ctx = ctx;
    snprintf(world->sent_text, sizeof world->sent_text, "%s", generation_id);
    return ask(call);
}

void world_answer(void) {
    struct chat_call *call = world->waiting;
    assert_non_null(call);
    world->waiting = NULL;
    if (call->is_abandoned) {
        free(call);
        return;
    }
    if (call->sent) {
        call->sent(call->ctx, &world->next_sent);
    } else {
        struct conversation *conversation = hub_find(&world->hub, call->name);
        call->opened(call->ctx, conversation ? STATUS_OK : STATUS_NOT_FOUND, conversation);
    }
    free(call);
}

/* ---- The test's side ---- */

int ws_world_set_up(void **state) {
    (void)state;
    world = mem_alloc(sizeof *world);
    world->frames = json_array();
    world->outbox = json_array();
    world->timer_ms = -1;
    world->path = "/ws";
    world->api.options.version = "0.1.0";
    list_init(&world->api.natives);
    bytes_init(&world->api.frame, API_FRAME_BYTES_MAX);
    settings_init(&settings);
    hub_init(&world->hub);
    world->conversation = conversation_new(&world->hub, WORLD_NAME, "Rivers", 1000);
    conversation_add_text(world->conversation, "u1", NULL, STORE_ROLE_USER, "Hi", 1000);
    world->stream = stream_new(WORLD_GENERATION, 1, "m");
    world->stream->n_prompt_tokens = 4;
    world->stream->context_size = 100;
    conversation_add_answer(world->conversation, "a1", "u1", world->stream, 1000);
    world_token("A");
    world->next_sent = (struct chat_sent){ .fault = "",
                                           .conversation = world->conversation,
                                           .message_id = "u1",
                                           .answer_index = 1,
                                           .generation_id = WORLD_GENERATION };
    return 0;
}

int ws_world_tear_down(void **state) {
    (void)state;
    world_disconnect();
    if (world->waiting) {
        world_answer();
    }
    assert_true(list_is_empty(&world->conversation->watchers));
    conversation_unref(world->conversation);
    assert_true(list_is_empty(&world->hub.conversations));
    assert_true(list_is_empty(&world->api.natives));
    settings_deinit(&settings);
    bytes_deinit(&world->api.frame);
    json_decref(world->frames);
    json_decref(world->outbox);
    free(world);
    return 0;
}

void world_connect(void (*handle)(struct api *api, struct net_conn *net)) {
    assert_null(world->net);
    world->net = mem_alloc(sizeof *world->net);
    world->close_code = 0;
    world->write_wanted = false;
    handle(&world->api, world->net);
    if (world->net->ctx && conn()->ops->on_open) {
        conn()->ops->on_open(conn());
    }
}

void world_disconnect(void) {
    if (world->net == NULL) {
        return;
    }
    if (world->net->ctx) {
        conn()->ops->on_close(conn());
    }
    free(world->net);
    world->net = NULL;
}

void world_say(const char *text) {
    conn()->ops->on_message(conn(), text, strlen(text));
}

void world_pump_once(void) {
    if (json_array_size(world->outbox) > 0) {
        json_array_extend(world->frames, world->outbox);
        json_array_clear(world->outbox);
        return;
    }
    if (world->close_code || !world->write_wanted) {
        return;
    }
    world->write_wanted = false;
    world->may_write = true;
    world->n_upcalls++;
    conn()->ops->on_writable(conn());
    world->may_write = false;
}

void world_pump(void) {
    while (json_array_size(world->outbox) > 0 || (world->write_wanted && !world->close_code)) {
        world_pump_once();
    }
}

void world_silence(void) {
    conn()->ops->on_silence(conn());
}

void world_token(const char *text) {
    uint64_t seq = world->stream->last_seq + 1;
    assert_int_equal(stream_append(world->stream, seq, 5, text, strlen(text)), STATUS_OK);
    conversation_notify(world->conversation);
}

void world_end(const char *reason, json_t *error) {
    stream_end(world->stream, reason, error, NULL, NULL);
    conversation_notify(world->conversation);
}

void world_continue(const char *generation_id) {
    struct message *message = conversation_last(world->conversation);
    world->stream = stream_new(generation_id, 2, "m");
    world->stream->n_prompt_tokens = 4 + (uint32_t)message->stream->n_tokens;
    world->stream->context_size = 100;
    stream_end(message->stream, "interrupted", NULL, NULL, NULL);
    message_continue(message, world->stream);
    conversation_notify(world->conversation);
}

static const json_t *next_frame(void) {
    world_pump();
    if (world->n_read >= json_array_size(world->frames)) {
        fail_msg("there is no further frame");
    }
    return json_array_get(world->frames, world->n_read++);
}

const char *world_next(void) {
    static char *text;
    free(text);
    text = json_dumps(next_frame(), JSON_COMPACT | JSON_SORT_KEYS);
    return text;
}

const json_t *world_expect(const char *fields) {
    const json_t *frame = next_frame();
    json_t *wanted = json_loads(fields, 0, NULL);
    assert_non_null(wanted);
    const char *key;
    json_t *value;
    json_object_foreach(wanted, key, value) {
        if (!json_equal(json_object_get(frame, key), value)) {
            char *seen = json_dumps(frame, JSON_COMPACT);
            print_error("\"%s\" of %s\n", key, seen);
            free(seen);
            fail_msg("expected %s", fields);
        }
    }
    json_decref(wanted);
    return frame;
}

void world_expect_nothing(void) {
    world_pump();
    if (world->n_read < json_array_size(world->frames)) {
        fail_msg("a frame that was not expected: %s", world_next());
    }
}
