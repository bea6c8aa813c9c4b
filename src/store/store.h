/* store.h - conversations, messages and streams on disk.
 *
 * One SQLite database, one connection, one thread that owns it (the store thread); a second thread that only
 * calls fdatasync on the write-ahead log (the sync thread), a third that waits for copies (the finish thread). The loop thread posts
 * jobs and gets each answer as one callback.
 *
 * Thread   every function here is for the loop thread, except where said. Callbacks run on the loop thread,
 *          inside store_drain (or store_close). Exactly one callback per job that was accepted.
 * Memory   jobs copy what they are given. What a callback receives is valid during the callback, unless it
 *          takes it.
 * Order    jobs take effect in the order posted. All jobs that wait are one transaction (group commit).
 *          Answers come in that order too, except that one which waits for the disk (D2) is overtaken by
 *          those that do not: tokens never wait for fdatasync.
 * Durable  D1: when a callback runs, the job is committed: a kill of the process loses nothing of it. D2: for
 *          jobs marked (D2) it is also on disk (fdatasync); all others are at most STORE_SYNC_MS later.
 * Limits   STORE_JOBS_MAX jobs wait; beyond it a post is STATUS_FULL and nothing was queued.
 * Errors   jobs that write and cannot are tried again, in their order, each for STORE_RETRY_MS; then the callback gets
 *          STATUS_IO and the database holds nothing of it (after a second, when it is the only one that cannot). The append guard keeps seq dense whatever fails in
 *          between. Reading goes on meanwhile: it overtakes what cannot be written, and does not see it.
 *          When fdatasync itself fails as long, a (D2) job gets STATUS_IO too, though it is committed: a power loss
 *          may undo it. STATUS_CORRUPT: the job met damaged rows; others go on.
 */
#ifndef RUNNEL_STORE_STORE_H
#define RUNNEL_STORE_STORE_H

#include "base/histogram.h"
#include "base/id.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_JOBS_MAX 8192
#define STORE_SYNC_MS  250
#define STORE_RETRY_MS 10000
#define STORE_LIST_MAX 1000
#define STORE_LOAD_BYTES_MAX                                                                                 \
    (512ll << 20) /* of one conversation, its texts and what says where their events end */
#define STORE_EPOCH_BYTES 17
#define STORE_QUEUE_MAX   16 /* generations of one conversation that have not ended */
#define STORE_VAIN_MAX    3  /* how often in a row an answer is begun without bringing a token */
#define STORE_HASH_BYTES  65
/* Of one message: how many files, and what they have of text together. */
#define STORE_ATTACHED_MAX       20
#define STORE_ATTACHED_TEXT_MAX  (256u << 10)
#define STORE_ATTACHMENT_KEPT_MS (24ll * 3600 * 1000) /* of one that no message has had yet */
#define STORE_MARKS_MAX          32                   /* of one snippet */

enum store_role { STORE_ROLE_SYSTEM, STORE_ROLE_USER, STORE_ROLE_ASSISTANT };

/* What an event between `start` and `end` is. */
enum store_event_kind { STORE_EVENT_TOKEN, STORE_EVENT_REASONING, STORE_EVENT_TOOL };

/* One attempt at one assistant message. Texts are NULL when there is none. usage, timings, error and settings are JSON. */
struct store_generation {
    int64_t key; /* the row: how jobs name it */
    char id[ID_HEX_BYTES];
    char continues[ID_HEX_BYTES]; /* the one before it in its message; empty: it is the first */
    uint64_t last_seq;
    bool ended;
    char *reason;
    char *error;
    char *usage;
    char *timings;
    char *model;
    char *settings;
    uint32_t n_prompt_tokens;
    uint32_t context_size;
    size_t text_size;    /* of its own part of the message's content */
    uint32_t *text_ends; /* n_text_ends entries: the size of its own text after event seq = index + 1 */
    int32_t *tokens; /* as many: the token of event seq = index + 1, -1 where it is none; NULL: not known */
    size_t n_text_ends;
    /* Thoughts and calls: what event seq = index + 1 is, and the size of `other` after it. NULL: there are none. */
    uint8_t *kinds;
    uint32_t *other_ends;
    char *other;
};

/* A file that a person sent along; its bytes are elsewhere (chat/attachment_file.h). */
struct store_attachment {
    char id[STORE_HASH_BYTES]; /* SHA-256 of its bytes, in hex */
    char *name;
    char *type; /* as text/plain */
    int64_t size_bytes;
    char *text; /* what the model reads of it; NULL: nothing yet */
    size_t text_size;
};

struct store_message {
    char id[ID_HEX_BYTES];
    char parent[ID_HEX_BYTES]; /* empty: a root */
    enum store_role role;
    char *content; /* of an answer: the texts of its generations, one behind the other */
    size_t content_size;
    int64_t created_ms;
    int64_t deleted_ms; /* since when it is hidden; 0: it is not */
    struct store_attachment *attachments;
    size_t n_attachments;
    struct store_generation *generations; /* each continues the one before; all but the last have ended */
    size_t n_generations;                 /* 0: no answer */
};

enum store_title_by { STORE_TITLE_TEXT, STORE_TITLE_MODEL, STORE_TITLE_PERSON };

/* What a conversation has of its own, beside its title. */
struct store_own {
    enum store_title_by title_by;
    bool is_pinned;
    bool is_archived;
    bool is_temporary;  /* in no list */
    bool is_unread;     /* an answer has ended, and nobody has watched it since */
    int64_t deleted_ms; /* since when it is in the trash; 0: it is not */
    char *folder;       /* NULL: in none */
    char *settings;     /* JSON; NULL: none */
};

/* store_own_deinit frees what it holds, store_own_copy makes copies of it. Any thread. */
void store_own_deinit(struct store_own *own);
void store_own_copy(struct store_own *to, const struct store_own *from);

struct store_conversation {
    char name[ID_CONVERSATION_BYTES];
    char *title;
    struct store_own own;
    char
        current[ID_HEX_BYTES]; /* the message down to which it is shown; empty: not known, or there is none */
    bool is_reshaped;          /* a message of it was hidden, or shown again */
    int64_t created_ms;
    int64_t updated_ms;
    struct store_message *messages; /* in the order they were made */
    size_t n_messages;
};

/* store_conversation_free frees it with all it holds. NULL is fine. Any thread. */
void store_conversation_free(struct store_conversation *conversation);

/* store_attachments_free frees an array of them. store_attachments_copy is new memory. NULL is fine. Any thread. */
void store_attachments_free(struct store_attachment *attachments, size_t n);
struct store_attachment *store_attachments_copy(const struct store_attachment *attachments, size_t n);

struct store;

struct store_options {
    const char *directory;   /* exists; the database is runnel.db in it, the lock of P13 is lock in it */
    void (*wake)(void *ctx); /* called from another thread when store_drain has something to do */
    void *ctx;
    int64_t retry_ms;       /* 0: STORE_RETRY_MS */
    int64_t load_bytes_max; /* 0: STORE_LOAD_BYTES_MAX */
};

/* store_use_mem gives SQLite memory of mem.h for all that is small: of that it never runs out by an error in the middle of something.
 * What is larger has its size from what is stored, and then the job fails. Once, before the first store_open of the process. */
void store_use_mem(void);

/* store_open takes the lock (STATUS_BUSY names the owner's pid and the directory), migrates (the database from before is
 * kept beside it, as runnel.db.before-NNN-<UTC>; STATUS_CONFLICT: written by a newer Runnel; STATUS_CORRUPT: damaged, or no database of ours; the file stays as it was).
 * Blocks. Until store_recover only the settings, the epoch and store_close are of use. */
MUST_CHECK enum status store_open(const struct store_options *options, struct store **out,
                                  struct fault *fault);

/* store_recover ends what the last life of the program left open, in one transaction, and starts the threads; once,
 * before the first job. Blocks.
 * A generation that has a token gets end{interrupted}; with goes_on, its continuation (store_end) too. One that has
 * only `start` was written by no engine: with goes_on it stays as it is, STORE_VAIN_MAX times at most (one that waits
 * behind another of its conversation: always), else it gets its end. Of a detached one nothing is left. */
MUST_CHECK enum status store_recover(struct store *store, bool goes_on, struct fault *fault);

/* store_waiting is what store_recover left unended, all of them with only `start`: the oldest message first. Valid until
 * store_close. */
struct store_waiting {
    char conversation[ID_CONVERSATION_BYTES];
    char generation_id[ID_HEX_BYTES];
};
const struct store_waiting *store_waiting(const struct store *store, size_t *n);

/* store_close finishes the waiting jobs (callbacks run), syncs, checkpoints and frees. NULL is fine. Blocks, wait_ms at most; −1: as
 * long as it takes. False: the disk does not answer, and the threads still wait for it. Callbacks may be missing, nothing is freed, and
 * what can be done is to call it again or to end the process: what is not safe is then as after a crash. */
MUST_CHECK bool store_close(struct store *store, int64_t wait_ms);

/* store_drain runs the callbacks of the jobs that are done. */
void store_drain(struct store *store);

/* store_publish_url writes into the lock file where this process serves, for the sub-commands. */
void store_publish_url(struct store *store, const char *url);

/* store_epoch is 16 hex digits, for the life of this database (P3). */
const char *store_epoch(const struct store *store);

/* What is wrong with the disk. It changes inside store_drain, and heals by itself: whether it has is found out at least every
 * second. */
enum store_trouble {
    STORE_FINE,
    STORE_FULL,     /* no space is left */
    STORE_FAILING,  /* reads or writes fail */
    STORE_READ_ONLY /* it cannot be written */
};
enum store_trouble store_trouble(const struct store *store);

/* How long transactions and fdatasync have taken so far. */
const struct histogram *store_commit_times(const struct store *store);
const struct histogram *store_sync_times(const struct store *store);

/* store_trouble_name is fine, full, failing or read_only. Any thread. */
const char *store_trouble_name(enum store_trouble trouble);

/* The number of jobs that are posted and not answered: what back-pressure looks at (P8). */
size_t store_pending(const struct store *store);

/* ---- A message and its answer: (D2) ---- One transaction: the conversation if it is new, the user's
 * message, the assistant's message, its generation with last_seq 1 (the event `start`). */
/* What was said before it, by whoever asked a compatible API: an answer among them is a text like the others. */
struct store_said {
    const char *id;
    enum store_role role;
    const char *text;
};

struct store_attached {
    char id[STORE_HASH_BYTES];
    const char *name; /* what the person calls it here */
};

struct store_send {
    /* NULL: make one, named after wall_ms. The same client_msg_id, text and files again find the one that was made
     * (P10). */
    const char *conversation;
    const char *title;        /* of a new conversation */
    const char *folder;       /* of a new conversation; NULL: none */
    const char *own_settings; /* likewise, JSON; NULL: none */
    bool is_temporary;        /* likewise */
    const char *system_text;  /* of a new conversation: its first message; NULL: none */
    const char *system_message_id;
    const char *parent;              /* NULL: the message down to which it is shown; "": a new root */
    const char *client_msg_id;       /* NULL: not idempotent */
    const struct store_said *before; /* messages that are stored with it, between the parent and it */
    size_t n_before;
    const char *text; /* NULL: no message of a person: another answer, below `parent` */
    const char *user_message_id;
    const char *assistant_message_id;
    const char *generation_id;
    const char *model;
    const char *settings; /* JSON: what going on with it needs */
    bool queues;          /* unended generations of it are no reason to refuse, up to STORE_QUEUE_MAX */
    int64_t wall_ms;
    const struct store_attached *attached;
    size_t n_attached; /* STORE_ATTACHED_MAX at most */
};

struct store_sent {
    /* STATUS_OK; STATUS_NOT_FOUND: no such conversation or parent, or it is deleted; STATUS_BUSY: a generation of it has not
     * ended; STATUS_FULL: STORE_QUEUE_MAX of them have not (`queues`); STATUS_CONFLICT: client_msg_id with another text or other files, or an id that exists; STATUS_IO: with
     * generation_key != 0 it is committed, only not safe on disk: the generation exists and, unless `duplicate` is set,
     * must be ended. Of what is attached: STATUS_UNAVAILABLE: one is not there; STATUS_INVALID: one has no text; STATUS_TOO_LARGE:
     * STORE_ATTACHED_TEXT_MAX. */
    enum status status;
    bool duplicate; /* the ids are those of the first time; nothing was stored */
    char conversation[ID_CONVERSATION_BYTES];
    char user_message_id[ID_HEX_BYTES]; /* empty without a text */
    /* Of the user's message, the first of those before it, or without one of the answer; empty: a root. */
    char parent_id[ID_HEX_BYTES];
    char assistant_message_id[ID_HEX_BYTES];
    char generation_id[ID_HEX_BYTES];
    int64_t generation_key;
    struct store_attachment *attachments; /* of the message; the job's. None of a duplicate */
    size_t n_attachments;
};

/* Of a duplicate, generation_id is the first of its message's generations. */
typedef void (*store_on_sent)(void *ctx, const struct store_sent *sent);
MUST_CHECK enum status store_send(struct store *store, const struct store_send *send, store_on_sent callback,
                                  void *ctx);

/* ---- A generation of a compatible API: it belongs to no conversation, and its rows go when it ends. ---- */
typedef void (*store_on_begun)(void *ctx, enum status status, int64_t generation_key);
MUST_CHECK enum status store_begin_detached(struct store *store, const char *generation_id,
                                            store_on_begun callback, void *ctx);

/* ---- Tokens: one job per decode step, for all streams of that step. ---- */
struct store_token {
    int64_t generation_key;
    uint64_t seq; /* the generation's last_seq + 1; the append guard checks it */
    int32_t token;
    enum store_event_kind kind; /* of another kind the text is no part of the message's content */
    uint32_t text_offset;       /* into the batch's text */
    uint32_t text_size;
};

struct store_tokens {
    const struct store_token *tokens;
    size_t n_tokens;
    const char *text;
    size_t text_size;
};

/* `status` is of the whole batch. STATUS_CONFLICT: the append guard refused a token (a programmer's error
 * elsewhere), and none of the batch was stored. */
typedef void (*store_on_done)(void *ctx, enum status status);
MUST_CHECK enum status store_append_tokens(struct store *store, const struct store_tokens *batch,
                                           store_on_done callback, void *ctx);

/* ---- The end: (D2), exactly once. The event rows become the end of the message's content. ---- STATUS_CONFLICT: it has
 * ended, or seq is not its next. Of a detached generation nothing is left, so nothing waits for the disk.
 * A generation that goes on with it is made in the same transaction, so that there is always one or the other: of the
 * same message, model and settings, with last_seq 1 (the event `start`). None is made when this one and those before it
 * make STORE_VAIN_MAX in a row that brought no token. */
struct store_end {
    int64_t generation_key;
    uint64_t seq; /* of the event `end` */
    const char *reason;
    const char *error;   /* JSON or NULL */
    const char *usage;   /* JSON or NULL */
    const char *timings; /* JSON or NULL */
    bool is_unread;      /* nobody sees it; of one that goes on, that of its last end counts */
    uint32_t n_prompt_tokens;
    uint32_t context_size;
    const char
        *continuation_id; /* of the generation that goes on with it; NULL: none. Also for a detached one */
    int64_t wall_ms;
};

/* continuation_key 0: none was made. With STATUS_IO and another one both are committed, only not safe on disk; the same end
 * again, with the same continuation_id, finds them. */
typedef void (*store_on_ended)(void *ctx, enum status status, int64_t continuation_key);
MUST_CHECK enum status store_end_generation(struct store *store, const struct store_end *end,
                                            store_on_ended callback, void *ctx);

/* ---- Going on with an answer that has ended: (D2) ---- One transaction: a generation of the same message with last_seq 1
 * (the event `start`). */
struct store_continue {
    const char *continues; /* the id of a generation */
    const char *generation_id;
    const char *model;
    const char *settings; /* JSON */
    int64_t wall_ms;
};

struct store_continued {
    /* STATUS_OK; STATUS_NOT_FOUND: no such generation; STATUS_BUSY: one of the conversation has not ended;
     * STATUS_CONFLICT: it ended as "stop", its message has a child, or generation_id exists; STATUS_IO: as in store_sent. */
    enum status status;
    bool
        duplicate; /* it has been gone on with: generation_id and generation_key are of that one; nothing was stored */
    char conversation[ID_CONVERSATION_BYTES];
    char message_id[ID_HEX_BYTES];
    char generation_id[ID_HEX_BYTES];
    int64_t generation_key;
};

typedef void (*store_on_continued)(void *ctx, const struct store_continued *continued);
MUST_CHECK enum status store_continue(struct store *store, const struct store_continue *wanted,
                                      store_on_continued callback, void *ctx);

/* ---- Reading ---- */
/* `conversation` is the receiver's: free it with store_conversation_free. NULL unless STATUS_OK. STATUS_TOO_LARGE: it has more than
 * STORE_LOAD_BYTES_MAX. */
typedef void (*store_on_loaded)(void *ctx, enum status status, struct store_conversation *conversation);
MUST_CHECK enum status store_load_conversation(struct store *store, const char *name,
                                               store_on_loaded callback, void *ctx);

enum store_view {
    STORE_VIEW_USUAL,    /* neither archived nor in the trash */
    STORE_VIEW_ALL,      /* archived ones too */
    STORE_VIEW_ARCHIVED, /* those alone */
    STORE_VIEW_TRASH
};

struct store_list {
    /* NULL or "": all. Else words, all of them in one message or title, the last may be a beginning if it has two letters; without
     * a word: none. Answers that have not ended are found by what is committed of them. */
    const char *query;
    int64_t before_ms; /* 0: from the newest; else those made before it */
    enum store_view view;
    const char *folder; /* NULL: any */
    uint32_t n_max;     /* 1 to STORE_LIST_MAX */
};

struct store_listed {
    char name[ID_CONVERSATION_BYTES];
    char *title;
    struct store_own own;
    char *snippet; /* of the newest message that matches, or the title, plain text; NULL without a query */
    int64_t created_ms;
    int64_t updated_ms;
};

/* They are of conversations that are neither in the trash nor temporary. Newest first; created_ms of two conversations is never the same. The rows are valid during the callback. */
typedef void (*store_on_listed)(void *ctx, enum status status, const struct store_listed *rows,
                                size_t n_rows);
MUST_CHECK enum status store_list_conversations(struct store *store, const struct store_list *list,
                                                store_on_listed callback, void *ctx);

/* ---- Search: messages and titles ---- */
struct store_search {
    const char *query; /* as in store_list; words between quotation marks stand one behind the other */
    int64_t before;    /* 0: from the newest; else the `next` of the page before */
    uint32_t n_max;    /* 1 to STORE_LIST_MAX */
};

/* Characters (code points) of a snippet that were looked for. */
struct store_mark {
    uint32_t start;
    uint32_t length;
};

struct store_search_hit {
    char conversation[ID_CONVERSATION_BYTES];
    char *title;
    char message[ID_HEX_BYTES]; /* empty: the title is what matches */
    enum store_role role;
    int64_t created_ms; /* of the message, or the conversation */
    char *snippet;
    struct store_mark marks[STORE_MARKS_MAX];
    size_t n_marks;
};

/* Titles come first, on the first page; then messages, the newest first. next 0: there are no more. Valid during the callback. */
typedef void (*store_on_searched)(void *ctx, enum status status, const struct store_search_hit *hits,
                                  size_t n_hits, int64_t next);
MUST_CHECK enum status store_search(struct store *store, const struct store_search *search,
                                    store_on_searched callback, void *ctx);

/* Which conversation a generation belongs to, for cursors that name only the generation. */
typedef void (*store_on_found)(void *ctx, enum status status, const char *conversation);
MUST_CHECK enum status store_find_generation(struct store *store, const char *generation_id,
                                             store_on_found callback, void *ctx);

/* ---- Changing ---- (D2) */
/* STATUS_NOT_FOUND; STATUS_BUSY: a generation of it has not ended. */
MUST_CHECK enum status store_delete_conversation(struct store *store, const char *name,
                                                 store_on_done callback, void *ctx);

/* `what` says which of the others counts. STATUS_NOT_FOUND: there is no such conversation or message, or it is in the trash and this does not take
 * it out; STATUS_BUSY: it cannot go there, a generation of it has not ended; STATUS_CONFLICT: a model does not change the title that a person chose. */
enum store_change_what {
    STORE_CHANGE_TITLE = 1,
    STORE_CHANGE_PINNED = 2,
    STORE_CHANGE_ARCHIVED = 4,
    STORE_CHANGE_FOLDER = 8,
    STORE_CHANGE_SETTINGS = 16,
    STORE_CHANGE_TRASH = 32,
    STORE_CHANGE_CURRENT = 64,
    STORE_CHANGE_UNREAD = 128,
};

struct store_change {
    const char *name;
    unsigned what;
    const char *title;
    enum store_title_by title_by;
    bool is_pinned;
    bool is_archived;
    const char *folder;   /* NULL: none */
    const char *settings; /* a JSON object that is merged into them (RFC 7396): null takes a member away */
    int64_t deleted_ms;   /* 0: out of the trash */
    const char *current;  /* a message */
    bool is_unread;
};

/* `row` is what it is now, valid during the callback; NULL unless STATUS_OK. */
typedef void (*store_on_changed)(void *ctx, enum status status, const struct store_listed *row);
MUST_CHECK enum status store_change_conversation(struct store *store, const struct store_change *change,
                                                 store_on_changed callback, void *ctx);

/* store_fork makes a conversation of the path down to a message of another one: its messages and its answers, with ids of their own. STATUS_NOT_FOUND;
 * STATUS_BUSY: an answer on it has not ended. */
MUST_CHECK enum status store_fork(struct store *store, const char *name, const char *message, int64_t wall_ms,
                                  store_on_changed callback, void *ctx);

/* store_hide hides a message and all below it, store_show shows again what was hidden with it. One that is hidden, or shown, already: OK, of no
 * message. The current message is one that is shown. STATUS_NOT_FOUND; STATUS_BUSY: a generation of the conversation has not ended; STATUS_CONFLICT:
 * the message above is hidden. */
struct store_reshaped {
    enum status status;
    char conversation[ID_CONVERSATION_BYTES];
    char (*messages)[ID_HEX_BYTES]; /* hidden, or shown again; valid during the callback */
    size_t n_messages;
    int64_t deleted_ms; /* of them, from now on */
    char current[ID_HEX_BYTES];
};
typedef void (*store_on_reshaped)(void *ctx, const struct store_reshaped *reshaped);
MUST_CHECK enum status store_hide(struct store *store, const char *message, int64_t wall_ms,
                                  store_on_reshaped callback, void *ctx);
MUST_CHECK enum status store_show(struct store *store, const char *message, store_on_reshaped callback,
                                  void *ctx);

/* ---- Folders ---- They are where a conversation is in them. The rows are valid during the callback. */
struct store_folder {
    char *name;
    int64_t n_conversations; /* without those in the trash */
};
#define STORE_FOLDERS_MAX      1000
#define STORE_FOLDER_BYTES_MAX 200 /* of its name */
typedef void (*store_on_folders)(void *ctx, enum status status, const struct store_folder *rows,
                                 size_t n_rows);
MUST_CHECK enum status store_list_folders(struct store *store, store_on_folders callback, void *ctx);
/* (D2) STATUS_NOT_FOUND: nothing is in it. */
MUST_CHECK enum status store_rename_folder(struct store *store, const char *from, const char *to,
                                           store_on_done callback, void *ctx);

/* ---- What is kept no longer ---- store_list_due names conversations that came into the trash before trash_ms, and temporary ones of which nothing
 * changed since temporary_ms, STORE_LIST_MAX at most. store_purge_messages removes what was hidden before, and says by its status whether there was
 * any: STATUS_NOT_FOUND. */
typedef void (*store_on_due)(void *ctx, enum status status, char (*names)[ID_CONVERSATION_BYTES], size_t n);
MUST_CHECK enum status store_list_due(struct store *store, int64_t trash_ms, int64_t temporary_ms,
                                      store_on_due callback, void *ctx);
MUST_CHECK enum status store_purge_messages(struct store *store, int64_t before_ms, store_on_done callback,
                                            void *ctx);

/* ---- Attachments: (D2) ---- */
/* store_put_attachment makes it known, or known again, with this text. */
MUST_CHECK enum status store_put_attachment(struct store *store, const struct store_attachment *attachment,
                                            int64_t wall_ms, store_on_done callback, void *ctx);
/* store_set_attachment_text: of one that has none, or another. STATUS_NOT_FOUND. */
MUST_CHECK enum status store_set_attachment_text(struct store *store, const char *id, const char *text,
                                                 store_on_done callback, void *ctx);
/* NULL unless STATUS_OK; without its text. Valid during the callback. */
typedef void (*store_on_attachment)(void *ctx, enum status status, const struct store_attachment *found);
MUST_CHECK enum status store_find_attachment(struct store *store, const char *id,
                                             store_on_attachment callback, void *ctx);

/* Those that no message has any more, or has had for STORE_ATTACHMENT_KEPT_MS, leave in two steps, so that a crash leaves no file that nobody
 * knows: store_sweep_attachments gives the ids of some (STORE_SWEEP_MAX), which nobody can send from then on; when their files are gone
 * store_forget_attachments removes what it gave, but for those that were put again meanwhile. */
#define STORE_SWEEP_MAX 100
struct store_swept {
    char ids[STORE_SWEEP_MAX][STORE_HASH_BYTES];
    size_t n;
};
typedef void (*store_on_swept)(void *ctx, enum status status, const struct store_swept *swept);
MUST_CHECK enum status store_sweep_attachments(struct store *store, int64_t wall_ms, store_on_swept callback,
                                               void *ctx);
MUST_CHECK enum status store_forget_attachments(struct store *store, const struct store_swept *swept,
                                                store_on_done callback, void *ctx);

/* ---- Import: a conversation as it was elsewhere, in one transaction ---- */
/* Texts are NULL when there is none; those of the fields of a generation are JSON as in store_generation. */
struct store_import_generation {
    char id[ID_HEX_BYTES]; /* empty: make one */
    char *text;
    char *reason; /* not NULL */
    char *error;
    char *usage;
    char *timings;
    char *model;
    char *settings;
    uint32_t n_prompt_tokens;
    uint32_t context_size;
    char **others; /* events before its text: thoughts, and pieces of calls as JSON */
    enum store_event_kind *other_kinds;
    size_t n_others;
};

struct store_import_message {
    char id[ID_HEX_BYTES]; /* empty: make one */
    size_t parent;         /* the index of one before it; SIZE_MAX: a root */
    enum store_role role;
    char *text; /* of an answer NULL */
    int64_t created_ms;
    struct store_import_generation *generations; /* of an answer; each continues the one before */
    size_t n_generations;
    struct store_attachment *attachments; /* without their files */
    size_t n_attachments;
};

struct store_import {
    char *title;
    char *origin;         /* what tells it from others elsewhere; NULL: its first message's id does */
    struct store_own own; /* of it counts what is no time and no reader's */
    size_t current;       /* the index of the message down to which it is shown; SIZE_MAX: the newest */
    int64_t created_ms;
    int64_t updated_ms;
    struct store_import_message *messages;
    size_t n_messages;
    size_t capacity;
};

void store_import_free(struct store_import *import); /* NULL is fine. Any thread */

/* `import` becomes the job's. name: what it is called here; "" when is_known: it is there, and nothing was stored. STATUS_CONFLICT: an id in it
 * is another conversation's. (D1); with import NULL nothing is stored, and all before it is safe on disk (D2). */
struct store_imported {
    enum status status;
    bool is_known;
    char name[ID_CONVERSATION_BYTES];
    const char *title;
    int64_t created_ms;
    int64_t updated_ms;
};
typedef void (*store_on_imported)(void *ctx, const struct store_imported *imported);
MUST_CHECK enum status store_import(struct store *store, struct store_import *import,
                                    store_on_imported callback, void *ctx);

/* ---- Work of others, aside ---- store_aside runs work(ctx) on the finish thread, behind what was given to it before, and then the callback:
 * for what takes long or waits for the disk, and needs no database. STATUS_FULL, STATUS_CLOSED: neither runs. */
MUST_CHECK enum status store_aside(struct store *store, void (*work)(void *ctx), store_on_done callback,
                                   void *ctx);

/* A setting is a JSON text by name. The value at open is read with store_setting, which returns NULL or new
 * memory; it does not see later writes. */
char *store_setting(const struct store *store, const char *name);
MUST_CHECK enum status store_put_setting(struct store *store, const char *name, const char *json,
                                         store_on_done callback, void *ctx);

/* ---- A copy of the whole database, while work goes on ---- It is made under <directory>/backups, in steps between the batches, holds all
 * that was committed before its last step, and is on disk when the callback runs. Whoever opens it as a database gets a new epoch (P3).
 * One is made at a time; others wait. STATUS_IO: it could not be written. STATUS_CORRUPT: the database met damaged pages. STATUS_CLOSED:
 * the store was closed before. Then nothing is left of it. */
struct store_backed_up {
    enum status status;
    const char *path; /* "" unless STATUS_OK */
    uint64_t size_bytes;
};
typedef void (*store_on_backed_up)(void *ctx, const struct store_backed_up *backup);
MUST_CHECK enum status store_backup(struct store *store, store_on_backed_up callback, void *ctx);

#endif
