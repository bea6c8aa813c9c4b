/* chat_internal.h - shared by the files of chat/ only. */
#ifndef RUNNEL_CHAT_CHAT_INTERNAL_H
#define RUNNEL_CHAT_CHAT_INTERNAL_H

#include "base/list.h"
#include "chat/chat.h"
#include "chat/hub.h"

struct chat {
    struct chat_options options;
    struct store *store;
    struct hub hub;
    struct list_node turns; /* in the order they were asked for */
    size_t n_turns;
    struct list_node sends; /* chat_send and chat_continue calls that the store has been given */
    struct list_node loads; /* chat_open_conversation calls that the store has been asked */
    struct models *models;
    struct settings settings;
    struct chat_listener listener;
    struct loop_timer *leave_timer;
    size_t n_begins;      /* replies that the store has been asked to begin */
    size_t n_store_calls; /* store jobs whose answers are needed before chat_close */
    bool is_stopping;
    bool is_advancing; /* inside turns_advance: a turn that ends there must not begin it again */
};

/* call.c: one asynchronous question. `on_answer` is what to do unless it was abandoned. */
struct chat_call {
    struct chat *chat;
    bool is_abandoned;
    union {
        chat_on_opened opened;
        chat_on_listed listed;
        chat_on_done done;
        chat_on_sent sent;
        store_on_backed_up backed_up;
    } callback;
    void *ctx;
    /* What is asked, until it is done. */
    char conversation[ID_CONVERSATION_BYTES];
    struct conversation *opened; /* held */
    char *text;
    char *client_msg_id;
    char *title;
    char parent[ID_HEX_BYTES];
    char user_message_id[ID_HEX_BYTES];
    char assistant_message_id[ID_HEX_BYTES];
    char system_message_id[ID_HEX_BYTES];
    char generation_id[ID_HEX_BYTES];
    char model_path[PATH_MAX];
    struct settings settings;
    json_t *messages; /* of a detached reply */
    int64_t wall_ms;
    bool is_cancelled;          /* a send: its reply ends as soon as it has begun */
    struct list_node deletes;   /* a send: chat_delete calls that wait for its reply's end */
    struct list_node followers; /* an opening: others of the same conversation, answered with it */
    struct list_node
        node; /* a delete: in turn->deletes, or the send's; a send: in chat->sends; an opening: in chat->loads, or a follower */
};

struct chat_call *call_new(struct chat *chat, void *ctx);
void call_free(struct chat_call *call);
/* call_answer_sent is the end of a send, a call of a compatible API, or a wish to go on. */
void call_answer_sent(struct chat_call *call, const struct chat_sent *sent);

/* chat.c: chat_delete calls whose turn, or send, is over. */
void chat_delete_waiting(struct list_node *deletes);

/* models.c */
/* models_find finds a model by the name of its file. False: it is not there any more. */
bool models_find(const struct models *models, const char *file_name, char out[PATH_MAX]);
struct models *models_open(struct chat *chat, const struct chat_options *options);
void models_close(struct models *models);
/* models_forget frees an engine that was let go, once its process is gone. */
void models_forget(struct models *models, struct engine *engine);

/* turn.c: a reply being made (turn_internal.h) */
/* turn_begin takes a reference to the conversation and goes on by itself; behind others of the conversation it waits for their end.
 * The answer's newest stream is what is to be made. `messages` is taken over; NULL: those of the conversation, when its turn has come. */
struct turn *turn_begin(struct chat *chat, struct conversation *conversation, struct message *answer,
                        const char *model_path, const struct settings *settings, json_t *messages);
/* turn_begin_failed: it cannot be begun; it ends as "error". */
void turn_begin_failed(struct chat *chat, struct conversation *conversation, struct message *answer,
                       const char *code, const char *text);
void turn_cancel(struct turn *turn);
/* turns_cancel cancels all of a conversation. */
void turns_cancel(struct conversation *conversation);
/* turn_stop ends it now: a server that stops does not wait for an engine that may hang. One that waits behind another and goes on with
 * the next start is just left. */
void turn_stop(struct turn *turn);
/* turn_drop frees one whose end the store did not take before it was closed. */
void turn_drop(struct turn *turn);
void turn_add_delete(struct turn *turn, struct chat_call *call);
/* turn_find: NULL: no turn makes this generation. turn_find_answer: nor one that goes on with it. */
struct turn *turn_find(const struct chat *chat, const char *generation_id);
struct turn *turn_find_answer(const struct chat *chat, const char *generation_id);
const char *turn_generation_id(const struct turn *turn);
struct conversation *turn_conversation(const struct turn *turn);
bool turn_is_open(const struct turn *turn); /* nothing has ended it */
/* turn_miss_nobody: so much longer nobody has to watch it (leave.c). */
void turn_miss_nobody(struct turn *turn, uint64_t for_ms);
uint64_t turn_unwatched_min_ms(const struct turn *turn);
struct turn *turn_of_node(struct list_node *node);
/* turns_advance gives waiting turns to the engine, or looks at why it cannot. */
void turns_advance(struct chat *chat);
/* turns_end_waiting ends those that wait for this model: it is being unloaded. */
void turns_end_waiting(struct chat *chat, const char *model_path);
/* turns_hold_back stops reading the engine while the store is behind, and goes on when it is not (P8). */
void turns_hold_back(struct chat *chat);
extern const struct engine_handlers turn_engine_handlers;

/* leave.c: replies that nobody watches. leave_check: something changed about who watches, what runs, or the settings. */
void leave_open(struct chat *chat);
void leave_close(struct chat *chat);
void leave_check(struct chat *chat);

/* resume.c: what the last life of the program left in the conversation, which was just loaded, is begun. */
void resume_conversation(struct chat *chat, struct conversation *conversation);

/* chat.c: a model is loaded; if a person asked for it, it is the configured one from now on. */
void chat_on_model_ready(struct chat *chat, const char *path);

/* chat.c: what a side bar shows of it changed. */
void chat_tell(struct chat *chat, const struct conversation *conversation, enum conversation_event event);

/* send.c: may another reply be begun? STATUS_UNAVAILABLE, STATUS_FULL. */
MUST_CHECK enum status chat_check_room(const struct chat *chat, struct fault *fault);

/* chat.c: a turn ended: do what waited for it. */
void chat_on_turn_ended(struct chat *chat, struct conversation *conversation, struct list_node *deletes);

/* prompt.c: what the model is given: the path from the root to `last`, a new reference. */
json_t *prompt_messages(const struct conversation *conversation, const struct message *last);
/* prompt_title makes a title of the first line. New memory. */
char *prompt_title(const char *text);

#endif
