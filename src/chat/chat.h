/* chat.h - the domain: conversations, the replies being made, and who watches. What api/ talks to.
 *
 * Thread   the loop thread only.
 * Calls    a function that needs the disk returns a struct chat_call and answers by its callback, exactly once, possibly before it
 *          returns; then it returns NULL. Whoever goes away first says chat_abandon: the callback does not come.
 * Memory   arguments are copied; what a callback receives is valid during it unless it says more.
 */
#ifndef RUNNEL_CHAT_CHAT_H
#define RUNNEL_CHAT_CHAT_H

#include "base/json.h"
#include "base/loop.h"
#include "base/status.h"
#include "chat/conversation.h"
#include "chat/figures.h"
#include "chat/models.h"
#include "chat/settings.h"
#include "store/store.h"

#include <stdbool.h>

#define CHAT_TEXT_BYTES_MAX (1u << 20)
#define CHAT_TURNS_MAX      256 /* replies at a time, unless the options say otherwise */

/* Sentences that more than one place has. */
#define CHAT_NO_CONVERSATION "there is no such conversation: look at the list of conversations"
#define CHAT_NO_ANSWER       "there is no such answer: look at its conversation, which may be deleted"
#define CHAT_STOPPING        "the server is stopping: try again when it has started again"

struct chat;
struct chat_call;

enum conversation_event {
    CONVERSATION_CREATED,
    CONVERSATION_RENAMED,
    CONVERSATION_CHANGED,  /* what it has of its own */
    CONVERSATION_DELETED,  /* into the trash, or for ever */
    CONVERSATION_RESTORED, /* out of it */
    CONVERSATION_RUNNING
};

struct chat_listener {
    /* For side bars: something about a conversation changed. */
    void (*on_conversation)(void *ctx, const struct conversation *conversation,
                            enum conversation_event event);
    /* Messages of it were hidden, or are shown again; `conversation` is its name, whether it is in memory or not. */
    void (*on_reshaped)(void *ctx, const struct store_reshaped *reshaped, bool are_hidden);
    /* The model's state or load progress changed. */
    void (*on_model)(void *ctx);
    /* What is wrong with the disk changed: chat_storage. */
    void (*on_storage)(void *ctx);
    void *ctx;
};

struct chat_options {
    const struct loop *loop;
    struct store *store;                           /* the owner's; outlives the chat */
    const char *engine_program;                    /* path */
    const char *engine_name;                       /* "llama", "fake", … */
    const char *model_folders[MODELS_FOLDERS_MAX]; /* the first exists; NULL ends the list */
    const char *model_path;                        /* --model; NULL: the settings', else the first file */
    const char *log_level;
    const char *cache_dir; /* where engines keep KV states; NULL: nowhere */
    const char *
        attachments_dir; /* where files that persons send along are kept; made when it is needed; NULL: nowhere */
    bool is_sandboxed;       /* engines shut themselves in ([E51]) */
    uint32_t context_size;   /* --context; 0: the settings' */
    uint32_t n_threads;      /* 0: the engine chooses */
    uint32_t step_ms;        /* --step-ms; 0: the engine chooses */
    const char *speculation; /* --speculation; NULL: the engine chooses */
    uint32_t engine_hang_ms;
    uint32_t memory_mb;      /* for all models together, in MiB; 0: by what the machine has */
    uint32_t n_models_max;   /* loaded at a time; 0: MODELS_LOADED_MAX */
    uint32_t unload_after_s; /* of which nobody uses one; 0: never */
    bool no_titles;          /* --no-titles: whatever the setting says */
    uint32_t n_turns_max; /* replies that are made or wait; beyond it they are refused; 0: CHAT_TURNS_MAX */
};

struct chat *chat_open(const struct chat_options *options);
/* chat_start ends what the last life of the program left open, or goes on with it, as the settings say. Once, before the loop runs and
 * before any other call that needs the disk. Blocks. */
MUST_CHECK enum status chat_start(struct chat *chat, struct fault *fault);
void chat_close(struct chat *chat); /* after its store; NULL is fine */
void chat_listen(struct chat *chat, const struct chat_listener *listener);

/* chat_drain takes the answers of the store: after each turn of the loop. */
void chat_drain(struct chat *chat);

/* chat_stop ends every reply as "interrupted". Those that go on by themselves have their next generation then, as the newest stream of
 * their message: it begins with the next start. What waits behind them stays as it is until then. chat_is_idle says when that is on disk. */
void chat_stop(struct chat *chat);
bool chat_is_idle(const struct chat *chat);
/* chat_is_quiet: no engine that was let go is at its end, no process of ours at work. */
bool chat_is_quiet(const struct chat *chat);
bool chat_is_stopping(const struct chat *chat);
/* chat_is_left: the server stops, and no turn makes this generation: unless it has ended, the next start begins it. Its watchers are told. */
bool chat_is_left(const struct chat *chat, const char *generation_id);

const char *chat_epoch(const struct chat *chat);
enum store_trouble chat_storage(const struct chat *chat);
struct models *chat_models(struct chat *chat);
const struct figures *chat_figures(const struct chat *chat);
/* chat_disk: how long the store has taken, and how many of its jobs have no answer. */
struct chat_disk {
    const struct histogram *commits; /* transactions (D1) */
    const struct histogram *syncs;   /* fdatasync (D2) */
    size_t n_pending;
};
struct chat_disk chat_disk(const struct chat *chat);
/* chat_count_answers: how many are being made, and how many wait: for their conversation, for the model, or for a slot. */
void chat_count_answers(const struct chat *chat, size_t *n_running, size_t *n_waiting);
void chat_abandon(struct chat_call *call); /* NULL is fine */

/* ---- Settings ---- */
const struct settings *chat_settings(const struct chat *chat);
/* chat_change_settings checks, applies and stores; durable soon after it returns. On failure nothing is changed. */
MUST_CHECK enum status chat_change_settings(struct chat *chat, const json_t *object, struct fault *fault);

/* chat_load_model loads a file that models_resolve gave; once it is loaded it is the configured model from then on. Others that must make room
 * are unloaded as by chat_unload_model, those with nothing to do first. STATUS_NOMEM: it cannot be had beside what is pinned, or at all. */
MUST_CHECK enum status chat_load_model(struct chat *chat, const char *path, struct fault *fault);
/* chat_unload_model lets a model go; NULL: all of them. What it makes, and what was asked of it and waits, ends as "interrupted": else that would
 * load it again at once. What is asked afterwards does. False: there was none. */
bool chat_unload_model(struct chat *chat, const char *path);
/* chat_delete_model deletes a file that models_resolve gave; what was configured is not then. STATUS_BUSY: it is loaded. */
MUST_CHECK enum status chat_delete_model(struct chat *chat, const char *path, struct fault *fault);

/* ---- Conversations ---- */
/* The callback may keep the conversation with conversation_ref. NULL unless STATUS_OK. */
typedef void (*chat_on_opened)(void *ctx, enum status status, struct conversation *conversation);
struct chat_call *chat_open_conversation(struct chat *chat, const char *name, chat_on_opened callback,
                                         void *ctx);

/* By generation id, for cursors that name nothing else. */
struct chat_call *chat_open_generation(struct chat *chat, const char *generation_id, chat_on_opened callback,
                                       void *ctx);

typedef void (*chat_on_listed)(void *ctx, enum status status, const struct store_listed *rows, size_t n_rows);
struct chat_call *chat_list(struct chat *chat, const struct store_list *list, chat_on_listed callback,
                            void *ctx);
bool chat_is_running(const struct chat *chat, const char *conversation);

/* chat_change changes what it has of its own (D2); `current` is any message of the branch, down to whose newest leaf it is shown then. The conversation
 * of the callback has nothing but that, unless it is in memory; NULL unless STATUS_OK. As store_change_conversation; to take one out of the trash is
 * a change too, to put it there is chat_delete. */
typedef void (*chat_on_changed)(void *ctx, enum status status, const struct conversation *conversation);
struct chat_call *chat_change(struct chat *chat, const struct store_change *change, chat_on_changed callback,
                              void *ctx);

/* chat_see: somebody has seen what was unread of it, as whoever watches it has. As chat_change. */
struct chat_call *chat_see(struct chat *chat, const char *name, chat_on_changed callback, void *ctx);

/* chat_delete cancels what runs, waits or is about to begin, then puts it into the trash, where it is kept for CHAT_TRASH_DAYS, or deletes it for
 * ever. */
#define CHAT_TRASH_DAYS 30
typedef void (*chat_on_done)(void *ctx, enum status status);
struct chat_call *chat_delete(struct chat *chat, const char *name, bool is_for_ever, chat_on_done callback,
                              void *ctx);

/* chat_fork makes a conversation of the path down to a message of another one: as store_fork. */
struct chat_call *chat_fork(struct chat *chat, const char *name, const char *message,
                            chat_on_changed callback, void *ctx);

/* chat_hide deletes a message and all below it, for CHAT_TRASH_DAYS so that chat_show brings them back: as store_hide and store_show. */
struct chat_call *chat_hide(struct chat *chat, const char *message, store_on_reshaped callback, void *ctx);
struct chat_call *chat_show(struct chat *chat, const char *message, store_on_reshaped callback, void *ctx);

/* As store_list_folders and store_rename_folder. */
struct chat_call *chat_list_folders(struct chat *chat, store_on_folders callback, void *ctx);
struct chat_call *chat_rename_folder(struct chat *chat, const char *from, const char *to,
                                     chat_on_done callback, void *ctx);

struct chat_call *chat_search(struct chat *chat, const struct store_search *search,
                              store_on_searched callback, void *ctx);

/* ---- Attachments ---- (attachment_file.h has the files) */
const char *chat_attachments_dir(const struct chat *chat); /* NULL: there is no place for them */

/* chat_attach keeps a file that attachment_file_create made; it is gone from there when the callback runs. The callback has no text of it, only
 * the size: STATUS_INVALID, STATUS_TOO_LARGE: `fault` says what is wrong with it; STATUS_FULL, STATUS_IO. (D2) */
typedef void (*chat_on_attached)(void *ctx, enum status status, const char *fault,
                                 const struct store_attachment *attachment);
struct chat_call *chat_attach(struct chat *chat, const char *path, const char *name,
                              chat_on_attached callback, void *ctx);
/* chat_set_attachment_text gives the text of one that has none (a PDF). STATUS_NOT_FOUND. (D2) */
struct chat_call *chat_set_attachment_text(struct chat *chat, const char *id, const char *text,
                                           chat_on_done callback, void *ctx);
typedef void (*chat_on_attachment)(void *ctx, enum status status, const struct store_attachment *found);
struct chat_call *chat_find_attachment(struct chat *chat, const char *id, chat_on_attachment callback,
                                       void *ctx);
/* chat_sweep_attachments removes those that no message has any more. */
void chat_sweep_attachments(struct chat *chat);

/* chat_aside runs work(ctx) on another thread, and then the callback, always (store_aside). What it reads and writes must live until then. */
void chat_aside(struct chat *chat, void (*work)(void *ctx), chat_on_done callback, void *ctx);

/* ---- Import ---- (import.c) */
#define CHAT_IMPORT_BYTES_MAX  (256u << 20)
#define CHAT_IMPORT_FAILED_MAX 100 /* that are told one by one */
struct chat_imported {
    enum status
        status; /* STATUS_INVALID: nothing of the file was imported, `fault` says why; STATUS_BUSY: another import runs */
    const char *fault;
    uint64_t n_imported;
    uint64_t n_skipped; /* they were there */
    uint64_t n_failed;
    json_t *failed; /* [{"title","error"}…], borrowed; NULL: none */
};
typedef void (*chat_on_imported)(void *ctx, const struct chat_imported *imported);
/* chat_import takes over a file that was opened for reading. One that was abandoned is imported all the same. (D2) */
struct chat_call *chat_import(struct chat *chat, int fd, chat_on_imported callback, void *ctx);

#define CHAT_BACKUP_FILES ".attachments" /* behind the name of a copy: the folder of its files */
/* chat_backup makes a copy of the whole database (store_backup), and of the files of its messages. One that was abandoned is made all the same. */
struct chat_call *chat_backup(struct chat *chat, store_on_backed_up callback, void *ctx);

/* ---- Questions to a model ---- */

/* chat_ask asks the model what is no generation (engine_ask), and loads it for that when it is not loaded. */
struct chat_answer {
    const char *code; /* the engine's (docs/engine-protocol.md [E3]), or "model"; NULL: it has answered */
    const char *text; /* a sentence; "" when it has */
    const json_t *answer;
};
typedef void (*chat_on_answer)(void *ctx, const struct chat_answer *answer);
struct chat_call *chat_ask(struct chat *chat, const char *model_path, const char *op, json_t *members,
                           chat_on_answer callback, void *ctx);
#define CHAT_ASKS_MAX 1024 /* that wait; beyond them the code is "full" */

/* ---- Drafts ---- */

/* What one client is typing: its prompt is computed before it is sent, when the engine has nothing else to do. Nobody sees it, nothing is
 * stored; it is dropped by any reply. At most one every CHAT_DRAFT_MS. */
#define CHAT_DRAFT_MS 200
struct draft;
struct draft *draft_new(struct chat *chat);
void draft_free(struct draft *draft); /* NULL is fine */

/* draft_set takes the place of what was typed before. `conversation` NULL: a new one. An empty text ends it: also when it was sent. */
void draft_set(struct draft *draft, const char *conversation, const char *text);

/* ---- Replies ---- */
/* Whose reply it is. Those of one number that are made, wait, or are about to begin are n_max at most: beyond, STATUS_FULL. What goes on
 * after a restart is nobody's. */
struct chat_asker {
    uint64_t number; /* 0: nobody's */
    uint32_t n_max;  /* 0: no limit */
};

enum chat_send_kind {
    CHAT_SEND_NEW,  /* a person's message, below `message`; NULL: below the current one; "": a new root */
    CHAT_SEND_EDIT, /* beside `message`, a person's: another text in its place */
    CHAT_SEND_AGAIN, /* no message, only another answer: beside `message`, an answer, or below it, a person's */
};

struct chat_send {
    struct chat_asker asker;
    enum chat_send_kind kind;
    const char *conversation; /* NULL: a new one */
    const char *message;
    const char *client_msg_id; /* NULL: not idempotent */
    const char *text;          /* NULL for CHAT_SEND_AGAIN */
    const char *model_path; /* as models_resolve gave it; NULL: the conversation's, else the configured one */
    const json_t *
        sampling; /* what of the settings is another for this answer, good for SETTINGS_SAMPLING; NULL: nothing */
    const struct chat_own *own; /* of a new conversation; NULL: nothing */
    const struct store_attached *attached;
    size_t n_attached; /* STORE_ATTACHED_MAX at most */
};

/* What a conversation has of its own from its first message on. */
struct chat_own {
    const char *folder;     /* NULL: none */
    const json_t *settings; /* {"model","settings"}, good ones; NULL: none */
    bool is_temporary;      /* it is in no list, and is deleted when nobody has used it for an hour */
};

struct chat_sent {
    enum status status; /* INVALID, NOT_FOUND, BUSY, CONFLICT, FULL, IO, TOO_LARGE */
    const char *fault;  /* a sentence; "" when OK */
    bool duplicate;
    struct conversation *conversation; /* keep with conversation_ref */
    const char
        *message_id; /* that was asked for: a person's, of a CHAT_SEND_AGAIN or chat_continue the answer's;
                               "": of a chat_complete */
    const char *generation_id;
    size_t answer_index; /* of the answer in the conversation */
};

/* chat_send stores a person's message and begins the reply. The callback comes when the message is safe on disk (P4 D2, P10). While
 * another reply of the conversation is made: STATUS_BUSY, or, with the setting when_busy = queue, it waits for its end; STATUS_FULL
 * when STORE_QUEUE_MAX do. */
typedef void (*chat_on_sent)(void *ctx, const struct chat_sent *sent);
struct chat_call *chat_send(struct chat *chat, const struct chat_send *send, chat_on_sent callback,
                            void *ctx);

/* chat_continue goes on with an answer that has ended (the newest generation of the last message), with the model that is configured now.
 * NOT_FOUND, BUSY, CONFLICT: it is whole, or not the last. Again: duplicate, with the id of the first time. */
struct chat_call *chat_continue(struct chat *chat, const char *generation_id, const struct chat_asker *asker,
                                chat_on_sent callback, void *ctx);

/* chat_complete begins a reply to given messages, outside any conversation of the store: `conversation` of the callback is detached and holds just
 * the answer. One that is abandoned ends before it begins. */
struct chat_complete {
    struct chat_asker asker;
    json_t *messages;       /* shared */
    const char *model_path; /* as models_resolve gave it */
    const struct settings *settings;
};
struct chat_call *chat_complete(struct chat *chat, const struct chat_complete *complete,
                                chat_on_sent callback, void *ctx);

/* chat_keep is chat_complete in a conversation of the store: the new messages are added to it, and a reply that goes on whoever leaves. What
 * the model reads are the messages as they came, of the calls before this one too (tools, which the texts of the conversation do not have).
 * While another reply of the conversation is made it waits. */
struct chat_keep {
    struct chat_asker asker;
    const char *conversation; /* NULL: a new one */
    const char *parent;       /* a message of it; NULL: the newest */
    json_t *messages;         /* the new ones, in OpenAI's form, at least one; shared */
    bool
        is_whole; /* they are all that the model reads: the last one alone is new, unless the conversation is */
    const char *instructions; /* a system prompt of this call alone; NULL: none */
    json_t *record;           /* what the API wants to find again: keep_record. Shared; NULL: nothing */
    const char *model_path;   /* as models_resolve gave it */
    const struct settings *settings;
};
struct chat_call *chat_keep(struct chat *chat, const struct chat_keep *keep, chat_on_sent callback,
                            void *ctx);
/* chat_kept_record is the record of a kept answer, a new reference; NULL: it has none. */
json_t *chat_kept_record(const struct message *answer);
/* chat_calls_json is what an answer calls, in OpenAI's form: a new array; NULL: nothing. */
json_t *chat_calls_json(const struct message *message);

/* chat_prompt_behind is what a model reads before a message that comes behind `last`, in OpenAI's form: a new array. */
json_t *chat_prompt_behind(const struct conversation *conversation, const struct message *last);

/* chat_cancel stops the reply that runs in it, those that wait behind it, and those that begin once their message is stored; the ends
 * come through the watchers (P9). False: there is none. */
bool chat_cancel(struct chat *chat, struct conversation *conversation);
/* chat_cancel_generation stops the answer that this generation is of, also while it waits behind another of its conversation, when
 * another one goes on with it, and while the store is asked to begin it. False: nothing makes it. */
bool chat_cancel_generation(struct chat *chat, const char *generation_id);

/* chat_find_running: the conversation whose reply, running or waiting, has this generation id or goes on with it. Borrowed. */
struct conversation *chat_find_running(const struct chat *chat, const char *generation_id);

/* chat_find_only_running: the one conversation in which a reply runs; NULL: there is none, or more than one. Detached ones do not
 * count. Borrowed. */
struct conversation *chat_find_only_running(const struct chat *chat);

#endif
