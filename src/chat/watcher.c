/* watcher.c - the walk of a watcher through a conversation: the one way in which text reaches a client (P2, P7). */
#include "chat/conversation.h"
#include "chat/hub.h"

#include <assert.h>
#include <string.h>

void watcher_init(struct watcher *watcher, struct conversation *conversation, void (*on_change)(void *ctx),
                  void *ctx) {
    *watcher = (struct watcher){ .conversation = conversation_ref(conversation),
                                 .on_change = on_change,
                                 .ctx = ctx };
    size_t n_shown = conversation_shown(conversation);
    const struct message *last = n_shown ? conversation->messages[n_shown - 1] : NULL;
    if (last && last->stream) {
        watcher->index = n_shown - 1;
        watcher->stream = last->stream;
        watcher->seq = last->stream->last_seq;
    } else {
        watcher->index = n_shown;
    }
    list_append(&conversation->watchers, &watcher->node);
    const struct hub *hub = conversation->hub;
    if (hub && hub->on_watched) {
        hub->on_watched(hub->ctx, conversation);
    }
}

void watcher_deinit(struct watcher *watcher) {
    struct conversation *conversation = watcher->conversation;
    if (conversation == NULL) {
        return;
    }
    list_remove(&watcher->node);
    watcher->conversation = NULL;
    const struct hub *hub = conversation->hub;
    if (hub && hub->on_unwatched && list_is_empty(&conversation->watchers)) {
        hub->on_unwatched(hub->ctx, conversation);
    }
    conversation_unref(conversation);
}

const char *watcher_seek(struct watcher *watcher, const struct cursor *cursor, const char *epoch) {
    if (strcmp(cursor->epoch, epoch) != 0) {
        return "epoch";
    }
    size_t index;
    const struct message *message =
        conversation_find_generation(watcher->conversation, cursor->generation, &index);
    if (message == NULL) {
        return "generation";
    }
    const struct stream *stream = message_find_generation(message, cursor->generation);
    /* What waits behind an answer was not shown to anybody. */
    if (cursor->after_seq > stream->last_seq || index >= conversation_shown(watcher->conversation)) {
        return "ahead";
    }
    watcher->index = index;
    watcher->stream = stream;
    watcher->seq = cursor->after_seq;
    watcher->phase_version = 0;
    return NULL;
}

void watcher_seek_message(struct watcher *watcher, size_t index) {
    assert(index <= watcher->conversation->n_messages);
    watcher->index = index;
    watcher->stream = NULL;
    watcher->seq = 0;
    watcher->phase_version = 0;
}

/* From a stream that was read to its end to what goes on with it, else to the next message: the watcher stays at the end of the last
 * one, since a generation may still be added there. False: there is nothing behind it yet. */
static bool step_on(struct watcher *watcher) {
    const struct conversation *conversation = watcher->conversation;
    if (watcher->index >= conversation->n_messages) {
        return false;
    }
    const struct stream *stream = watcher->stream;
    if (stream == NULL || !stream->is_ended || watcher->seq < stream->last_seq) {
        return true;
    }
    if (stream->next) {
        watcher->stream = stream->next;
    } else if (watcher->index + 1 < conversation->n_messages) {
        watcher->index++;
        watcher->stream = NULL;
    } else {
        return false;
    }
    watcher->seq = 0;
    return true;
}

/* Events of one kind go together; pieces of calls do not. */
static uint64_t last_of_kind(const struct stream *stream, uint64_t first, uint64_t last) {
    enum store_event_kind kind = stream_kind(stream, first);
    uint64_t at = first;
    while (at < last && kind != STORE_EVENT_TOOL && stream_kind(stream, at + 1) == kind) {
        at++;
    }
    return at;
}

/* The last event of an item that begins at `first`: within both limits, and at least one event. */
static uint64_t last_of_item(const struct stream *stream, uint64_t first, uint32_t n_tokens_max,
                             size_t bytes_max) {
    uint64_t last = stream_last_token_seq(stream);
    if (last - first >= n_tokens_max) {
        last = first + n_tokens_max - 1;
    }
    if (stream->kinds) {
        last = last_of_kind(stream, first, last);
    }
    const uint32_t *ends =
        stream_kind(stream, first) == STORE_EVENT_TOKEN ? stream->ends : stream->other_ends;
    size_t from = ends[first - 2];
    if (ends[last - 1] - from <= bytes_max) {
        return last;
    }
    /* ends[] rises: halve towards the last event that still fits. */
    uint64_t low = first;
    while (low < last) {
        uint64_t middle = low + (last - low + 1) / 2;
        if (ends[middle - 1] - from <= bytes_max) {
            low = middle;
        } else {
            last = middle - 1;
        }
    }
    return low;
}

static void fill(struct watch_item *item, const struct stream *stream, enum watch_kind kind, uint64_t seq) {
    item->kind = kind;
    item->seq = seq;
    item->n = 1;
    item->tokens_used = stream_tokens_used(stream, seq);
    item->context_size = stream->context_size;
}

static enum watch_kind next_of_stream(struct watcher *watcher, uint32_t n_tokens_max, size_t bytes_max,
                                      struct watch_item *item) {
    const struct stream *stream = watcher->stream ? watcher->stream : item->message->first;
    const struct conversation *conversation = watcher->conversation;
    watcher->stream = item->stream = stream;
    if (watcher->seq == 0) {
        watcher->seq = 1;
        fill(item, stream, WATCH_START, 1);
    } else if (watcher->seq < stream_last_token_seq(stream)) {
        uint64_t first = watcher->seq + 1;
        watcher->seq = last_of_item(stream, first, n_tokens_max, bytes_max);
        fill(item, stream, WATCH_TOKENS, first);
        item->n = (uint32_t)(watcher->seq - first + 1);
        item->tokens_used = stream_tokens_used(stream, watcher->seq);
        item->text = stream_read(stream, first, watcher->seq, &item->text_size);
        item->event_kind = stream_kind(stream, first);
        item->other = stream_read_other(stream, first, watcher->seq, &item->other_size);
    } else if (stream->is_ended) {
        fill(item, stream, WATCH_END, stream->last_seq);
        watcher->seq = stream->last_seq;
    } else if (watcher->seq == 1 && watcher->phase_version != conversation->phase_version) {
        watcher->phase_version = conversation->phase_version;
        item->kind = conversation->phase.kind == PHASE_NONE ? WATCH_NONE : WATCH_PHASE;
    }
    return item->kind;
}

enum watch_kind watcher_next(struct watcher *watcher, uint32_t n_tokens_max, size_t bytes_max,
                             struct watch_item *item) {
    const struct conversation *conversation = watcher->conversation;
    *item = (struct watch_item){ .kind = WATCH_NONE };
    if (conversation->is_gone) {
        item->kind = watcher->gone_told ? WATCH_NONE : WATCH_GONE;
        watcher->gone_told = true;
        return item->kind;
    }
    bool is_there = step_on(watcher);
    while (is_there && watcher->seq == 0 && conversation->messages[watcher->index]->hidden_ms) {
        watcher->index++;
        watcher->stream = NULL;
        is_there = watcher->index < conversation->n_messages;
    }
    if (!is_there) {
        return WATCH_NONE;
    }
    item->message = conversation->messages[watcher->index];
    if (item->message->first) {
        return next_of_stream(watcher, n_tokens_max, bytes_max, item);
    }
    watcher->index++;
    watcher->stream = NULL;
    watcher->seq = 0;
    return item->kind = WATCH_MESSAGE;
}

size_t watcher_n_given(const struct watcher *watcher) {
    return watcher->index + (watcher->stream && watcher->seq > 0);
}

bool watcher_has_more(const struct watcher *watcher) {
    struct watcher probe = *watcher;
    struct watch_item item;
    return watcher_next(&probe, 1, 1, &item) != WATCH_NONE;
}

static void take_place(struct watch_place *place, const struct stream *stream, uint64_t seq) {
    if (place->generation == NULL) {
        place->generation = stream->id;
        place->seq = seq;
    }
    if (place->context_size == 0 && stream->context_size) {
        place->tokens_used = stream_tokens_used(stream, seq);
        place->context_size = stream->context_size;
    }
}

struct watch_place watcher_place(const struct watcher *watcher) {
    struct watch_place place = { 0 };
    if (watcher->stream && watcher->seq > 0) {
        take_place(&place, watcher->stream, watcher->seq);
    }
    for (size_t i = watcher->index; i-- > 0 && place.context_size == 0;) {
        const struct stream *stream = watcher->conversation->messages[i]->stream;
        if (stream) {
            take_place(&place, stream, stream->last_seq);
        }
    }
    return place;
}
