/* ws_native_watch.c - the conversations that one socket of GET /ws watches.
 *
 * Each is a place in a conversation, read when the socket can take a frame (P7).
 *
 *   opening (the conversation is being loaded) → snapshot due → live     opening → live with a good cursor
 */
#include "api/request.h"
#include "api/ws_frame.h"
#include "api/ws_native_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NATIVE_WATCHES_MAX 64
/* A reader learns that a message waits no more from the frames of its own turn: `queue` may come so many frames after them. */
#define NATIVE_QUEUE_LAG_MAX 4

struct native_watch {
    struct list_node node;
    struct native *native;
    struct chat_call *opening; /* NULL: it is open */
    struct watcher watcher;
    struct cursor cursor;
    char conversation[ID_CONVERSATION_BYTES];
    bool has_cursor;
    bool snapshot_due;
    bool current_is_known;         /* the reader knows which message is the current one: */
    const struct message *current; /* this one */
    uint64_t queue_version;        /* of the queue that was told last */
    unsigned n_queue_lag;          /* frames written since the queue changed */
    const struct stream *counted;  /* of the tokens that were written last: only compared; NULL: none yet */
    uint64_t counted_seq;          /* the last of them */
};

static void on_change(void *ctx) {
    struct native *native = ctx;
    net_conn_want_write(native->conn.net);
}

static struct native_watch *find_watch(struct native *native, const char *conversation) {
    LIST_EACH(node, &native->watches) {
        struct native_watch *watch = CONTAINER_OF(node, struct native_watch, node);
        if (strcmp(watch->conversation, conversation) == 0) {
            return watch;
        }
    }
    return NULL;
}

static struct native_watch *add_watch(struct native *native, const char *conversation) {
    struct native_watch *watch = mem_alloc(sizeof *watch);
    watch->native = native;
    snprintf(watch->conversation, sizeof watch->conversation, "%s", conversation);
    list_append(&native->watches, &watch->node);
    native->n_watches++;
    return watch;
}

static void remove_watch(struct native_watch *watch) {
    if (watch == NULL) {
        return;
    }
    chat_abandon(watch->opening);
    watcher_deinit(&watch->watcher);
    list_remove(&watch->node);
    watch->native->n_watches--;
    free(watch);
}

/* What waits is told when there is something; afterwards at each change (N14). */
static void begin_queue(struct native_watch *watch) {
    const struct conversation *conversation = watch->watcher.conversation;
    bool waits = conversation_shown(conversation) < conversation->n_messages;
    watch->queue_version = conversation->queue_version - waits;
    watch->n_queue_lag = waits ? NATIVE_QUEUE_LAG_MAX : 0;
}

static bool is_queue_due(const struct native_watch *watch) {
    const struct conversation *conversation = watch->watcher.conversation;
    return conversation && !conversation->is_gone && conversation->queue_version != watch->queue_version;
}

/* Of a conversation without branches everybody knows. */
static bool has_branches(const struct conversation *conversation, const struct message *current) {
    size_t n_path = 0;
    for (const struct message *at = current; at; at = at->above) {
        n_path++;
    }
    return n_path != conversation_shown(conversation);
}

static void begin_current(struct native_watch *watch) {
    const struct conversation *conversation = watch->watcher.conversation;
    watch->current = conversation_current_of(conversation, conversation_shown(conversation));
    watch->current_is_known = !has_branches(conversation, watch->current);
}

/* The message that the reader would be told is the current one: not before it was given that. What waits for its turn says so by its `start`. */
static const struct message *current_of(const struct native_watch *watch) {
    return conversation_current_of(watch->watcher.conversation, watcher_n_given(&watch->watcher));
}

static bool is_current_due(const struct native_watch *watch) {
    const struct conversation *conversation = watch->watcher.conversation;
    if (conversation == NULL || conversation->is_gone || watch->snapshot_due) {
        return false;
    }
    const struct message *current = current_of(watch);
    return !watch->current_is_known || (current == conversation->current && current != watch->current);
}

/* Where a watch begins: after its cursor, or with everything there is (N4). */
static void begin_watch(struct native_watch *watch, struct conversation *conversation) {
    struct native *native = watch->native;
    watcher_init(&watch->watcher, conversation, on_change, native);
    const char *reset = NULL;
    if (watch->has_cursor) {
        reset = watcher_seek(&watch->watcher, &watch->cursor, chat_epoch(native->conn.api->chat));
        /* What its reader has may be deleted, and what it had not may be there again. */
        reset = reset == NULL && conversation->is_reshaped ? "removed" : reset;
        ws_frame_send(&native->conn, reset ? native_frame_reset(watch->conversation, reset)
                                           : native_frame_resumed(watch->conversation));
    }
    watch->snapshot_due = !watch->has_cursor || reset;
    begin_current(watch);
    begin_queue(watch);
    net_conn_want_write(native->conn.net);
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct native_watch *watch = ctx;
    watch->opening = NULL;
    if (status == STATUS_OK) {
        begin_watch(watch, conversation);
        return;
    }
    const char *text = status == STATUS_NOT_FOUND ? CHAT_NO_CONVERSATION
                                                  : "the conversation could not be read: look at the log";
    native_fail(watch->native, status, text,
                &(struct native_about){ .type = "watch", .conversation = watch->conversation });
    remove_watch(watch);
}

/* A text that cannot be an id of ours becomes "", which is the id of nothing. */
static void copy_id(char *out, size_t out_bytes, const char *text) {
    snprintf(out, out_bytes, "%s", strlen(text) < out_bytes ? text : "");
}

enum status native_check_watches(const struct native *native, size_t n_coming, struct fault *fault) {
    return native->n_watches + n_coming < NATIVE_WATCHES_MAX
               ? STATUS_OK
               : fault_set(fault, STATUS_FULL,
                           "at most %d conversations are watched by one socket: unwatch one first",
                           NATIVE_WATCHES_MAX);
}

static enum status take_cursor(const json_t *request, struct native_watch *watch, struct fault *fault) {
    const json_t *object = json_object_get(request, "cursor");
    if (object == NULL || json_is_null(object)) {
        return STATUS_OK;
    }
    if (!json_is_object(object)) {
        return fault_set(fault, STATUS_INVALID, "\"cursor\" must be an object");
    }
    const char *generation = NULL;
    const char *epoch = NULL;
    int64_t after_seq = -1;
    enum status status = json_take_string(object, "generation", &generation, fault);
    status = status ? status : json_take_string(object, "epoch", &epoch, fault);
    status = status ? status : json_take_int(object, "after_seq", 0, INT64_MAX, &after_seq, fault);
    if (status) {
        return status;
    }
    if (generation == NULL || epoch == NULL || after_seq < 0) {
        return fault_set(fault, STATUS_INVALID,
                         "\"cursor\" needs \"generation\", \"epoch\" and \"after_seq\"");
    }
    copy_id(watch->cursor.generation, sizeof watch->cursor.generation, generation);
    copy_id(watch->cursor.epoch, sizeof watch->cursor.epoch, epoch);
    watch->cursor.after_seq = (uint64_t)after_seq;
    watch->has_cursor = true;
    return STATUS_OK;
}

static enum status need_conversation(const json_t *request, char out[ID_CONVERSATION_BYTES],
                                     struct fault *fault) {
    enum status status = request_take_conversation(request, "conversation", out, fault);
    return status == STATUS_OK && out[0] == '\0' ? request_missing("conversation", fault) : status;
}

enum status native_on_watch(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    struct native_watch asked = { 0 };
    enum status status = need_conversation(request, conversation, fault);
    status = status ? status : take_cursor(request, &asked, fault);
    if (status) {
        return status;
    }
    remove_watch(find_watch(native, conversation));
    status = native_check_watches(native, 0, fault);
    if (status) {
        return status;
    }
    struct native_watch *watch = add_watch(native, conversation);
    watch->cursor = asked.cursor;
    watch->has_cursor = asked.has_cursor;
    struct chat_call *call = chat_open_conversation(native->conn.api->chat, conversation, on_opened, watch);
    if (call) {
        watch->opening = call;
    }
    return STATUS_OK;
}

enum status native_on_unwatch(struct native *native, const json_t *request, struct fault *fault) {
    char conversation[ID_CONVERSATION_BYTES];
    enum status status = need_conversation(request, conversation, fault);
    if (status == STATUS_OK) {
        remove_watch(find_watch(native, conversation));
    }
    return status;
}

void native_watch_new(struct native *native, const struct chat_sent *sent) {
    if (find_watch(native, sent->conversation->name)) {
        return;
    }
    struct native_watch *watch = add_watch(native, sent->conversation->name);
    watcher_init(&watch->watcher, sent->conversation, on_change, native);
    watcher_seek_message(&watch->watcher, sent->answer_index - 1);
    begin_current(watch);
    begin_queue(watch);
    net_conn_want_write(native->conn.net);
}

void native_watch_reshaped(struct native *native, const struct store_reshaped *reshaped, bool are_hidden) {
    struct native_watch *watch = find_watch(native, reshaped->conversation);
    if (watch && watch->watcher.conversation) {
        ws_frame_send(&native->conn, native_frame_reshaped(reshaped, are_hidden));
        watch->snapshot_due = true;
        net_conn_want_write(native->conn.net);
    }
}

/* ---- Writing ---- */

/* The watcher is put behind what the snapshot holds in the same step, so nothing lies between the two (P2). */
static void write_snapshot(struct native_watch *watch) {
    struct native *native = watch->native;
    struct conversation *conversation = conversation_ref(watch->watcher.conversation);
    watcher_deinit(&watch->watcher);
    watcher_init(&watch->watcher, conversation, on_change, native);
    conversation_unref(conversation);
    watch->snapshot_due = false;
    watch->current = conversation_current_of(conversation, conversation_shown(conversation));
    watch->current_is_known = true;
    watch->counted = NULL;
    begin_queue(watch);
    enum status status = ws_frame_write(&native->conn, native_frame_snapshot(native->conn.api, conversation));
    if (status) {
        native_fail(native, status,
                    "this conversation is larger than one frame can hold: read it with GET /api/conversation",
                    &(struct native_about){ .type = "watch", .conversation = watch->conversation });
        remove_watch(watch);
    }
}

/* The walk makes neither holes nor repeats; that it did not is counted here, where it goes out [W69]. */
static void count_tokens(struct native_watch *watch, const struct watch_item *item) {
    struct api_counts *counts = &watch->native->conn.api->counts;
    uint64_t next = watch->counted_seq + 1;
    bool is_same = watch->counted == item->stream;
    counts->n_frames++;
    counts->n_events += item->n;
    counts->n_repeats += is_same && item->seq < next ? next - item->seq : 0;
    counts->n_holes += is_same && item->seq > next ? item->seq - next : 0;
    watch->counted = item->stream;
    watch->counted_seq = item->seq + item->n - 1;
}

static void write_tokens(struct native_watch *watch, const struct conversation *conversation,
                         const struct watch_item *item) {
    struct native *native = watch->native;
    count_tokens(watch, item);
    struct bytes *frame = &native->conn.api->frame;
    bytes_clear(frame);
    native_frame_add_tokens(frame, conversation, item, native->inspects);
    ws_frame_write_bytes(&native->conn, frame);
    LOG_DEBUG("[WS]", "token #%llu sent watcher=%llu seq=%llu n=%u t_ns=%llu",
              (unsigned long long)item->seq - 1, (unsigned long long)net_conn_number(native->conn.net),
              (unsigned long long)item->seq, item->n, (unsigned long long)clock_now_ns());
}

/* A large queue is told by its reader's own turn: what does not fit into a frame is not told. */
static bool write_queue(struct native_watch *watch) {
    const struct conversation *conversation = watch->watcher.conversation;
    watch->queue_version = conversation->queue_version;
    watch->n_queue_lag = 0;
    return ws_frame_write(&watch->native->conn, native_frame_queue(conversation)) == STATUS_OK;
}

static bool write_current(struct native_watch *watch) {
    watch->current = current_of(watch);
    watch->current_is_known = true;
    return ws_frame_write(&watch->native->conn,
                          native_frame_current(watch->watcher.conversation, watch->current)) == STATUS_OK;
}

/* True: a frame was written. The watch may be gone after it. */
static bool write_watch(struct native_watch *watch) {
    struct native *native = watch->native;
    const struct conversation *conversation = watch->watcher.conversation;
    if (conversation == NULL) {
        return false;
    }
    if (watch->snapshot_due && !conversation->is_gone) {
        write_snapshot(watch);
        return true;
    }
    if (is_current_due(watch)) {
        return write_current(watch);
    }
    if (is_queue_due(watch) && watch->n_queue_lag >= NATIVE_QUEUE_LAG_MAX) {
        return write_queue(watch);
    }
    watch->n_queue_lag = is_queue_due(watch) ? watch->n_queue_lag + 1 : 0;
    struct watch_item item;
    switch (watcher_next(&watch->watcher, UINT32_MAX, API_FRAME_TEXT_BYTES, &item)) {
    case WATCH_NONE:
        return is_queue_due(watch) && write_queue(watch);
    case WATCH_GONE:
        /* `conversation` with the event `deleted` told it. */
        remove_watch(watch);
        return false;
    case WATCH_TOKENS:
        write_tokens(watch, conversation, &item);
        return true;
    default:
        if (item.kind == WATCH_START && item.stream == item.message->first) {
            watch->current = item.message; /* a `start` says so [N20] */
        }
        if (ws_frame_write(&native->conn, native_frame_item(conversation, &item)) != STATUS_OK) {
            ws_frame_close_too_large(&native->conn);
        }
        return true;
    }
}

bool native_watches_have_more(const struct native *native) {
    bool more = false;
    LIST_EACH(node, &native->watches) {
        const struct native_watch *watch = CONTAINER_OF(node, struct native_watch, node);
        more = more || watch->snapshot_due || is_current_due(watch) || is_queue_due(watch) ||
               (watch->watcher.conversation && watcher_has_more(&watch->watcher));
    }
    return more;
}

bool native_watches_write(struct native *native) {
    bool wrote = false;
    for (size_t i = native->n_watches; i > 0 && !wrote; i--) {
        struct native_watch *watch = CONTAINER_OF(native->watches.next, struct native_watch, node);
        list_remove(&watch->node);
        list_append(&native->watches, &watch->node);
        wrote = write_watch(watch);
    }
    return wrote;
}

void native_watches_free(struct native *native) {
    LIST_EACH(watch, &native->watches) {
        remove_watch(CONTAINER_OF(watch, struct native_watch, node));
    }
}
