/* conversation.h - a conversation in memory, and the watchers that read it.
 *
 * It is a tree: a message stands below the one that it follows, its siblings are other branches. What is shown, read by the model and
 * put into a transcript is the path from a root down to `current`.
 *
 * Messages are only ever added, in the order they were made, whatever branch they are of; an assistant's message has the streams of its generations, a chain
 * that only grows at its end. So a watcher is a place in that order: a message, a stream of it, and the seq inside. It pulls
 * (watcher_next) and can be as slow as it likes: nothing is queued for it (P7). Replay and live are the same walk (P2).
 *
 * Behind an answer that is being made there may be messages that wait for its end. They are not shown yet: a watcher comes to them
 * when it has read that end.
 *
 * Owner   the hub (hub.h) while anyone holds a reference. A detached conversation, of a compatible API's call, is in no hub.
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_CHAT_CONVERSATION_H
#define RUNNEL_CHAT_CONVERSATION_H

#include "base/id.h"
#include "base/list.h"
#include "chat/stream.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct turn;
struct hub;

struct message {
    char id[ID_HEX_BYTES];
    char parent[ID_HEX_BYTES]; /* empty: a root */
    struct message *above;     /* the parent; NULL: a root */
    size_t index;              /* in the order they were made */
    int64_t hidden_ms;         /* deleted since, with all below it; 0: it is not */
    enum store_role role;
    char *content; /* NULL for an assistant: its text is the streams': message_add_text */
    size_t content_size;
    int64_t created_ms;
    struct store_attachment *attachments; /* of a person's */
    size_t n_attachments;
    struct stream *first;  /* first → next → … of an assistant's, NULL of others */
    struct stream *stream; /* the newest of them */
};

enum phase_kind { PHASE_NONE, PHASE_QUEUED, PHASE_LOADING, PHASE_PREFILL };

/* What a generation waits for; for the eye only (N5). */
struct phase {
    enum phase_kind kind;
    uint32_t position;            /* QUEUED: 0 = unknown, 1 = next */
    double progress;              /* LOADING: 0 to 1 */
    char stage[32];               /* LOADING */
    uint32_t done, total, cached; /* PREFILL, in tokens */
    uint32_t dropped;             /* PREFILL: messages that are left out of the prompt */
};

struct conversation {
    struct list_node node;
    struct hub *hub; /* NULL: detached */
    size_t n_refs;
    char name[ID_CONVERSATION_BYTES]; /* empty: detached */
    char *title;
    struct store_own own;
    json_t *settings; /* own.settings, an object; NULL: none */
    int64_t created_ms;
    int64_t updated_ms;
    struct message *current; /* down to which it is shown: never a hidden one; NULL: there is none */
    bool is_reshaped;        /* a message was hidden or shown again, in this life of the program or before */
    uint64_t shape_version;  /* rises when one is */
    struct message **messages;
    size_t n_messages;
    size_t capacity;
    struct turn *turn; /* the reply being made, others may wait behind it; NULL: none */
    struct phase phase;
    uint64_t phase_version;
    bool has_detach; /* of its own; else the setting */
    int64_t detach_seconds;
    uint64_t unwatched_ms;  /* clock_now_ms when the last watcher left; 0: there was none yet */
    uint64_t queue_version; /* rises when what waits behind the answer changes */
    bool is_gone;           /* deleted: watchers are told and let go */
    struct list_node watchers;
};

#define CONVERSATION_MESSAGES_MAX 1000000

struct conversation *conversation_new(struct hub *hub, const char *name, const char *title,
                                      int64_t created_ms);
struct conversation *conversation_restore(struct hub *hub, const struct store_conversation *stored);
struct conversation *conversation_ref(struct conversation *conversation);

/* conversation_unref frees it with the last reference. NULL is fine. */
void conversation_unref(struct conversation *conversation);

/* conversation_set_own takes a copy of what the conversation has of its own, conversation_set_title one of its title. */
void conversation_set_own(struct conversation *conversation, const struct store_own *own);
void conversation_set_title(struct conversation *conversation, const char *title);

/* conversation_select makes it the current one, and tells the watchers. */
void conversation_select(struct conversation *conversation, struct message *message);

/* conversation_current_of: down to which message a reader sees it that has been given the first n. NULL: none. */
const struct message *conversation_current_of(const struct conversation *conversation, size_t n);

/* conversation_newest_below: of those at or below it that are shown and not hidden, the one that was made last: a leaf. */
struct message *conversation_newest_below(const struct conversation *conversation, struct message *message);

/* conversation_add_text and conversation_add_answer add a message, which is the current one then, and tell the watchers. The stream becomes the message's. */
struct message *conversation_add_text(struct conversation *conversation, const char *id, const char *parent,
                                      enum store_role role, const char *text, int64_t created_ms);
struct message *conversation_add_answer(struct conversation *conversation, const char *id, const char *parent,
                                        struct stream *stream, int64_t created_ms);

/* message_role_name is system, user or assistant. */
const char *message_role_name(const struct message *message);

/* message_continue adds a generation that goes on with the newest, which has ended. It becomes the message's. */
void message_continue(struct message *message, struct stream *stream);

/* message_add_text appends the whole text of a message: the one way to it. STATUS_FULL: `out` is too small for it. */
enum status message_add_text(const struct message *message, struct bytes *out);
size_t message_text_size(const struct message *message);
/* message_reasoning is the text of what was thought, message_tool_calls is [{id, name, arguments}…] of what was called: new references; NULL:
 * nothing. */
json_t *message_reasoning(const struct message *message);
json_t *message_tool_calls(const struct message *message);
/* message_said_size is the size of all that was said, thought or called. */
size_t message_said_size(const struct message *message);
/* Sampled tokens of all its generations. */
uint64_t message_token_count(const struct message *message);

/* The generation of a message by its id; NULL: it has none such. */
struct stream *message_find_generation(const struct message *message, const char *generation_id);

/* How many messages are told to readers: all up to the first answer that has not ended. What comes after it waits: a person's message and
 * its answer, in turn, the answers without an event but `start`, or cancelled. */
size_t conversation_shown(const struct conversation *conversation);

/* NULL: there is none. */
struct message *conversation_find_message(const struct conversation *conversation, const char *id);
struct message *conversation_find_generation(const struct conversation *conversation,
                                             const char *generation_id, size_t *index /* out */);
struct message *conversation_last(const struct conversation *conversation);

void conversation_set_phase(struct conversation *conversation, const struct phase *phase);

/* conversation_notify tells every watcher that there is something to read. */
void conversation_notify(struct conversation *conversation);

/* Prompt and answer tokens after the newest answer above the current message, and the context they fill; 0 while unknown. */
void conversation_usage(const struct conversation *conversation, uint32_t *tokens_used,
                        uint32_t *context_size);

/* ---- Watchers ---- */
enum watch_kind {
    WATCH_NONE,    /* nothing new */
    WATCH_MESSAGE, /* a message of a person or a system prompt */
    WATCH_START,   /* a generation began: event 1 */
    WATCH_PHASE,   /* the phase changed */
    WATCH_TOKENS,  /* the events seq … seq + n − 1, all of one kind; of a piece of a call: one */
    WATCH_END,  /* the event `end`; the next is WATCH_START of the same message, if stream->next is there */
    WATCH_GONE, /* the conversation was deleted */
};

struct watch_item {
    enum watch_kind kind;
    const struct message *message; /* what it is about */
    const struct stream *stream;   /* the generation of it; NULL for MESSAGE and GONE */
    uint64_t seq;
    uint32_t n;
    const char *text; /* of the message's content: empty unless the kind is STORE_EVENT_TOKEN */
    size_t text_size;
    enum store_event_kind event_kind;
    const char *other; /* of another kind: the thought, or the JSON of the piece */
    size_t other_size;
    uint32_t tokens_used; /* after the last event of the item */
    uint32_t context_size;
};

struct watcher {
    struct list_node node;
    struct conversation *conversation;
    size_t index;                /* of the message to go on with */
    const struct stream *stream; /* of that message; NULL: its first */
    uint64_t seq;                /* last event of it that was given out; 0: not even `start` */
    uint64_t phase_version;      /* last one given out */
    bool gone_told;
    void (*on_change)(void *ctx);
    void *ctx;
};

struct cursor {
    char generation[ID_HEX_BYTES];
    char epoch[STORE_EPOCH_BYTES];
    uint64_t after_seq;
};

/* watcher_init attaches it behind everything there is: at the end of what a snapshot made now contains. Takes a reference. */
void watcher_init(struct watcher *watcher, struct conversation *conversation, void (*on_change)(void *ctx),
                  void *ctx);
void watcher_deinit(struct watcher *watcher); /* zeroed memory is fine */

/* watcher_seek goes to a cursor of any generation that is shown. NULL: done. Else the reason of the reset (N4), and the watcher stands where it stood. */
const char *watcher_seek(struct watcher *watcher, const struct cursor *cursor, const char *epoch);

/* watcher_seek_message goes to the beginning of the message `index`. */
void watcher_seek_message(struct watcher *watcher, size_t index);

/* watcher_next gives the next thing and moves on, past hidden messages that it has not begun; at most n_tokens_max tokens and about bytes_max bytes of text in one item. */
enum watch_kind watcher_next(struct watcher *watcher, uint32_t n_tokens_max, size_t bytes_max,
                             struct watch_item *item /* out */);

/* watcher_n_given: how many messages its reader has been given, one of which only the beginning counts too. */
size_t watcher_n_given(const struct watcher *watcher);

/* watcher_has_more: watcher_next would give something. */
bool watcher_has_more(const struct watcher *watcher);

/* watcher_place is where its reader is: what a cursor would name, and how full the context was there. */
struct watch_place {
    const char *generation; /* NULL: there was no answer yet */
    uint64_t seq;
    uint32_t tokens_used; /* 0 while unknown, like context_size */
    uint32_t context_size;
};
struct watch_place watcher_place(const struct watcher *watcher);

/* ---- The plain text of wire [W18] ---- (transcript.c) */
/* conversation_transcript appends the path to the current message, watcher_transcript what the watcher's reader has been given of it. */
enum status conversation_transcript(const struct conversation *conversation, struct bytes *out);
enum status watcher_transcript(const struct watcher *watcher, struct bytes *out);
/* conversation_markdown appends the same for readers: the title, and each message below the name of its role; files by their names. */
enum status conversation_markdown(const struct conversation *conversation, struct bytes *out);

#endif
