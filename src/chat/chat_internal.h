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
    struct list_node begins; /* struct begin that the store has been given */
    size_t n_begins;
    struct list_node asks;  /* struct ask (ask.c) that have no answer */
    struct list_node loads; /* conversations that the store is reading (open.c) */
    struct models *models;
    struct list_node drafts;
    struct list_node titles; /* struct title (title.c), in the order they were wanted */
    struct loop_timer *title_timer;
    json_t *forgets; /* deleted conversations of which the disk may have something; NULL: none */
    struct engine_forgetting *forgetting; /* NULL: no process is at it */
    struct figures figures;
    struct settings settings;
    struct chat_listener listener;
    struct loop_timer *leave_timer;
    struct loop_timer *purge_timer;
    size_t n_calls;   /* store jobs whose answers are needed before chat_close */
    size_t n_backups; /* under way: no attachment is removed meanwhile */
    bool is_importing;
    bool is_stopping;
    bool is_advancing; /* inside turns_advance: a turn that ends there must not begin it again */
};

/* ---- call.c ---- One question of chat.h: the first member of each kind's own struct. */
struct chat_call {
    struct chat *chat;
    void *ctx; /* of the callback */
    bool is_abandoned;
    void (*on_abandon)(struct chat_call *call); /* NULL: it just goes on, and nobody hears of it */
};

/* call_new makes one of n_bytes, which begins with struct chat_call, zeroed. call_free takes the same. */
void *call_new(size_t n_bytes, struct chat *chat, void *ctx);
void call_free(void *call);

/* What somebody has decided about an answer: how it ends when nothing keeps it any more. */
enum turn_fate {
    TURN_FATE_OPEN,      /* nobody has: it is made */
    TURN_FATE_CANCELLED, /* it is not wanted: "cancelled" */
    TURN_FATE_UNLOADED,  /* its model is not wanted: "interrupted", and nothing goes on with it by itself */
};

/* ---- begin.c ---- A reply that the store is asked to begin: the first member of each kind's own struct. */
struct begin {
    struct chat_call call;
    chat_on_sent callback;
    struct chat_asker asker;
    void (*deinit)(struct begin *begin);      /* of what the kind has of its own; NULL: nothing */
    struct list_node node;                    /* in chat->begins, while the store has it */
    struct list_node deletes;                 /* chat_delete calls that wait for its reply's end */
    struct conversation *opened;              /* held; NULL: a new one, or none */
    char conversation[ID_CONVERSATION_BYTES]; /* empty: a new one, or none */
    char generation_id[ID_HEX_BYTES];         /* of the reply */
    char continues[ID_HEX_BYTES]; /* a generation of the answer that it goes on with; empty: none */
    char model_path[PATH_MAX];
    struct settings settings;
    enum turn_fate fate; /* other than OPEN: its reply ends before it begins */
};

void *begin_new(size_t n_bytes, struct chat *chat, const struct chat_asker *asker, chat_on_sent callback,
                void *ctx);
/* begin_check_room: may it be begun now? STATUS_UNAVAILABLE, STATUS_FULL. */
MUST_CHECK enum status begin_check_room(const struct begin *begin, struct fault *fault);
/* begin_posted: the store has it; begin_answered: and has answered. */
void begin_posted(struct begin *begin);
void begin_answered(struct begin *begin);
/* begin_reply calls back and frees it. begin_refuse: with a failure; begin_fault is a sentence for one. */
void begin_reply(struct begin *begin, const struct chat_sent *sent);
void begin_refuse(struct begin *begin, enum status status, const char *fault);
const char *begin_fault(enum status status);
/* begin_turn begins the reply: `answer` has its stream. `messages` is taken over; NULL: those of the conversation. */
void begin_turn(struct begin *begin, struct conversation *conversation, struct message *answer,
                json_t *messages);
/* begin_is_in: it is of this conversation. begin_find_in: NULL: the store is asked for none in it. */
bool begin_is_in(const struct begin *begin, const struct conversation *conversation);
struct begin *begin_find_in(const struct chat *chat, const struct conversation *conversation);
struct begin *begin_of_node(struct list_node *node);

/* ---- ask.c ---- asks_advance gives those that wait to their engine, or looks at why it cannot. asks_stop answers all: there is no time. */
void asks_advance(struct chat *chat);
void asks_stop(struct chat *chat);
/* ask_answer: an engine has answered; ask_fail: it has ended without. Unknown ids are ignored. */
void ask_answer(struct chat *chat, const char *id, const json_t *answer);
void ask_fail(struct chat *chat, const char *id, const char *code, const char *text);

/* ---- open.c ---- open_deletes: what waits for a conversation to be read; NULL: it is not being read. */
struct list_node *open_deletes(const struct chat *chat, const char *name);

/* ---- change.c ---- change_take_row is the conversation of a row of the store, with what it has of its own: the one in memory, or one that is nowhere
 * else and has no messages. A new reference. */
struct conversation *change_take_row(struct chat *chat, const struct store_listed *row);

/* ---- delete.c ---- deletes_go_on: what they waited for is over. */
void deletes_go_on(struct list_node *deletes);

/* ---- cancel.c ---- cancel_model: what was asked of a model before it is taken away is not made by it any more. */
void cancel_model(struct chat *chat, const char *path);

/* models.c */
/* models_find finds a model by the name of its file. False: it is not there any more. */
bool models_find(const struct models *models, const char *file_name, char out[PATH_MAX]);
struct models *models_open(struct chat *chat, const struct chat_options *options);
void models_close(struct models *models);
/* models_sweep frees the engines that were let go and whose processes are gone. Outside their upcalls. */
void models_sweep(struct models *models);

/* turn.c: a reply being made (turn_internal.h) */
/* turn_begin takes a reference to the conversation and goes on by itself; behind others of the conversation it waits for their end. */
struct turn_order {
    struct conversation *conversation;
    struct message *answer; /* its newest stream is what is to be made */
    uint64_t asker;         /* struct chat_asker's number */
    const char *model_path;
    const struct settings *settings;
    json_t *messages;    /* taken over; NULL: those of the conversation, when its turn has come */
    enum turn_fate fate; /* other than OPEN: it ends before it begins, and no model is loaded for it */
};

struct turn *turn_begin(struct chat *chat, const struct turn_order *order);
/* turn_begin_failed: it cannot be begun; it ends as "error". */
void turn_begin_failed(struct chat *chat, struct conversation *conversation, struct message *answer,
                       const char *code, const char *text);
void turn_cancel(struct turn *turn);
/* turns_cancel cancels all of a conversation. turns_unload ends all that this model makes, or that are to be made by it: it is about to be
 * unloaded. */
void turns_cancel(struct conversation *conversation);
void turns_unload(struct chat *chat, const char *model_path);
/* turn_stop ends it now: a server that stops does not wait for an engine that may hang. One that waits behind another and goes on with
 * the next start is just left. */
void turn_stop(struct turn *turn);
/* turn_drop frees one whose end the store did not take before it was closed. */
void turn_drop(struct turn *turn);
struct list_node *turn_deletes(struct turn *turn); /* chat_delete calls that wait for its end */
/* turn_find: NULL: no turn makes this generation. turn_find_answer: nor one that goes on with it. */
struct turn *turn_find(const struct chat *chat, const char *generation_id);
struct turn *turn_find_answer(const struct chat *chat, const char *generation_id);
const char *turn_generation_id(const struct turn *turn);
struct conversation *turn_conversation(const struct turn *turn);
bool turn_is_open(const struct turn *turn); /* nothing has ended it */
bool turn_is_kept(const struct turn *turn); /* it goes on whoever watches */
/* turn_miss_nobody: so much longer nobody has to watch it (leave.c). */
void turn_miss_nobody(struct turn *turn, uint64_t for_ms);
uint64_t turn_unwatched_min_ms(const struct turn *turn);
struct turn *turn_of_node(struct list_node *node);
/* turns_advance gives waiting turns to the engine, or looks at why it cannot. */
void turns_advance(struct chat *chat);
/* turns_count_running: those that the engine works at. turns_count_of: those of one struct chat_asker. */
size_t turns_count_running(const struct chat *chat);
size_t turns_count_of(const struct chat *chat, uint64_t asker);
/* turns_hold_back stops reading the engine while the store is behind, and goes on when it is not (P8). */
void turns_hold_back(struct chat *chat);
extern const struct engine_handlers turn_engine_handlers;

/* models_is_leaving: an engine that was let go is not gone yet. models_leave lets all go. */
bool models_is_leaving(const struct models *models);
void models_leave(struct models *models);
/* models_forget: as engine_forget, of all engines; false: none takes it. models_cancel_draft: whichever has it. */
bool models_forget(struct models *models, const char *cache_key);
void models_cancel_draft(struct models *models, const char *id);

/* draft.c: an answer of this conversation has ended: what is typed there meanwhile can be given to the engine. */
void drafts_on_turn_ended(struct chat *chat, const struct conversation *conversation);

/* ---- title.c ---- titles_on_answer: an answer has ended, and its conversation may want a title. titles_give_way: something is asked that
 * comes first. titles_on_piece, titles_on_end: of an engine; other ids are ignored. titles_count_asked: what engine_running counts and
 * nobody is to see. */
void titles_open(struct chat *chat);
void titles_stop(struct chat *chat);
void titles_close(struct chat *chat);
void titles_on_answer(struct chat *chat, struct conversation *conversation, const struct message *answer);
void titles_give_way(struct chat *chat);
void titles_on_piece(struct chat *chat, const struct engine_piece *piece);
void titles_on_end(struct chat *chat, const char *id, const struct engine_end *end);
size_t titles_count_asked(const struct chat *chat, const struct engine *engine);

/* ---- seen.c ---- seen_is_missed: nobody sees this end; seen_on_missed: it is stored. */
void seen_open(struct chat *chat);
bool seen_is_missed(const struct conversation *conversation, const char *reason);
void seen_on_missed(struct chat *chat, struct conversation *conversation);

/* forget.c: what engines keep of a deleted conversation, in memory and on the disk. forget_advance: an engine is gone. */
void forget_conversation(struct chat *chat, const char *name);
void forget_advance(struct chat *chat);
void forget_close(struct chat *chat);

/* leave.c: replies that nobody watches. leave_check: something changed about who watches, what runs, or the settings. */
void leave_open(struct chat *chat);
void leave_close(struct chat *chat);
void leave_check(struct chat *chat);

/* resume.c: what the last life of the program left in the conversation, which was just loaded, is begun. */
void resume_conversation(struct chat *chat, struct conversation *conversation);

/* chat.c: a model is loaded; if a person asked for it, it is the configured one from now on. */
void chat_on_model_ready(struct chat *chat, const char *path);

/* chat.c: the model of a conversation: its own, as `settings` says (what it has of its own), else the configured one. STATUS_NOT_FOUND. */
MUST_CHECK enum status chat_choose_model(const struct chat *chat, const json_t *settings, char out[PATH_MAX],
                                         struct fault *fault);

/* purge.c: what is kept no longer: now and then. */
void purge_open(struct chat *chat);
void purge_start(struct chat *chat);
void purge_close(struct chat *chat);

/* chat.c: what a side bar shows of it changed. */
void chat_tell(struct chat *chat, const struct conversation *conversation, enum conversation_event event);

/* chat.c: a turn ended: do what waited for it. */
void chat_on_turn_ended(struct chat *chat, struct conversation *conversation, struct list_node *deletes);

/* prompt.c: what the model is given: the path from the root to `last`, a new reference. prompt_for: what comes before this answer. */
json_t *prompt_messages(const struct conversation *conversation, const struct message *last);
json_t *prompt_for(const struct conversation *conversation, const struct message *answer);
/* prompt_is_kept: this answer was asked for by a program (chat_keep). */
bool prompt_is_kept(const struct message *answer);
/* prompt_title makes a title of the first line. New memory. */
char *prompt_title(const char *text);

#endif
