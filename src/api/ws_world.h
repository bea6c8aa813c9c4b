/* ws_world.h - a net and a chat made by hand, for the unit tests of the WebSocket protocols.
 *
 * One socket is open at a time. What the code under test sends is parsed and kept in order; nothing is written unless the test
 * pumps, and pumping keeps the rules of net.h: the outbox first, then one frame per on_writable.
 *
 * Owner   the test: ws_world_set_up and ws_world_tear_down are its cmocka functions.
 * Thread  one.
 */
#ifndef RUNNEL_API_WS_WORLD_H
#define RUNNEL_API_WS_WORLD_H

#include "api/api_internal.h"
#include "base/json.h"
#include "chat/conversation.h"
#include "chat/hub.h"

#define WORLD_NAME        "chat_2026-11-23-00-00-00-000.txt"
#define WORLD_OTHER       "chat_2026-11-23-00-00-00-001.txt"
#define WORLD_UNKNOWN     "chat_1999-01-01-00-00-00-000.txt"
#define WORLD_GENERATION  "0123456789abcdef0123456789abcdef"
#define WORLD_NEXT        "fedcba9876543210fedcba9876543210"
#define WORLD_EPOCH       "00000000000000aa"
#define WORLD_MODEL_STATE "ready"
#define WORLD_ASKER       7

struct ws_world {
    struct api api;
    struct hub hub;
    struct conversation
        *conversation;     /* WORLD_NAME: a question, and an answer with the token "A" that goes on */
    struct stream *stream; /* the newest of that answer */
    struct net_conn *net;  /* NULL: none is open */

    json_t *frames;   /* what left the socket, in order */
    size_t n_read;    /* of them by the test */
    json_t *outbox;   /* what net_conn_send queued */
    size_t n_upcalls; /* on_writable so far */
    bool write_wanted;
    bool may_write;   /* inside on_writable, before its one frame */
    int close_code;   /* 0: open */
    int reply_status; /* 0: the upgrade was not refused */
    const char *path;
    const char *query; /* "name=value&…" */
    int64_t timer_ms;  /* −1: not set */
    void (*on_time)(void *ctx);
    void *timer_ctx;

    const char *key; /* that hello must bring; NULL: none */
    bool may_only_read;
    bool may_begin_none;

    bool defers; /* questions wait for world_answer; else they are answered at once */
    struct chat_call *waiting;
    size_t n_abandoned;
    size_t n_cancelled;
    size_t n_seen;
    bool is_unread; /* the conversation has to be opened before its answer is known to run */
    bool is_stopping;
    enum store_trouble trouble;
    struct chat_sent next_sent; /* what chat_send answers */
    char sent_text[64];
    char sent_conversation[ID_CONVERSATION_BYTES];
    double sent_temperature;
    int n_drafts;
    char draft[ID_CONVERSATION_BYTES + 48]; /* what was typed: conversation|text */
    uint64_t sent_asker;
};

extern struct ws_world *world;

int ws_world_set_up(void **state);
int ws_world_tear_down(void **state);

/* world_connect makes the socket with `handle` and opens it. */
void world_connect(void (*handle)(struct api *api, struct net_conn *net));
void world_disconnect(void);
void world_say(const char *text); /* one message of the client */
void world_pump(void);            /* until nothing wants to be written */
void world_pump_once(void);
void world_silence(void);
void world_answer(void); /* the question that waits */

void world_token(const char *text); /* the answer goes on */
void world_end(const char *reason, json_t *error);
void world_continue(const char *generation_id); /* it is cut off, and goes on */

/* world_next is the next frame that left, as text with sorted keys; it pumps. Fails the test when there is none. */
const char *world_next(void);
/* world_expect checks some fields of the next frame: `fields` is a JSON object. Returns the whole frame, borrowed. */
const json_t *world_expect(const char *fields);
void world_expect_nothing(void);

#endif
