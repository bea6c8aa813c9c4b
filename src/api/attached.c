#include "api/attached.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

/* A stream that waits longer than this (a model is being loaded) begins with signs of life (P11). */
#define BEGIN_MS           5000
#define ATTACHED_TAPE_PING ": ping\n\n"

/* The newest generation: how the answer ends. */
static const struct stream *newest(const struct attached *self) {
    return self->events.message->stream;
}

static struct attached_failure failure_of(const struct stream *stream) {
    return (struct attached_failure){ .status = reply_end_http_status(stream),
                                      .code = json_get_text(stream->error, "code", ""),
                                      .text = reply_end_text(stream) };
}

static bool has_failed(const struct stream *stream) {
    return stream->is_ended && reply_is_failure(stream);
}

/* ---- How far it is ---- */

/* The walk may come too late for some of this. */
static void note_pace(struct attached *self) {
    struct attached_pace *pace = &self->pace;
    const struct phase *phase = &self->events.watcher.conversation->phase;
    const struct stream *first = self->events.message->first;
    if (pace->first_ns == 0 && phase->kind == PHASE_PREFILL) {
        pace->begun_ns = pace->begun_ns ? pace->begun_ns : clock_now_ns();
        pace->n_prompt = phase->total;
        pace->n_cached = pace->is_any_told ? pace->n_cached : phase->cached;
        pace->n_done = phase->done;
    }
    if (pace->first_ns == 0 && stream_last_token_seq(first) > 1) {
        pace->first_ns = clock_now_ns();
    }
}

static void tell_progress(struct attached *self, struct bytes *frame, uint32_t n_done) {
    struct attached_pace *pace = &self->pace;
    size_t from = frame->size;
    pace->n_told = n_done;
    pace->is_any_told = true;
    self->encoder->add_progress(
        self, frame,
        &(struct attached_progress){ .total = pace->n_prompt,
                                     .cached = pace->n_cached,
                                     .processed = n_done,
                                     .time_ms = (clock_now_ns() - pace->begun_ns) / 1000000 });
    tape_wrote(&self->tape, frame, from, true);
}

/* The first that is told is where it begins, the last the whole prompt. */
static void add_progress(struct attached *self, struct bytes *frame) {
    struct attached_pace *pace = &self->pace;
    if (!self->wants_progress || pace->begun_ns == 0 || !tape_may_add(&self->tape)) {
        return;
    }
    if (!pace->is_any_told) {
        tell_progress(self, frame, pace->n_cached);
    }
    uint32_t n_done = pace->first_ns ? pace->n_prompt : pace->n_done;
    if (n_done > pace->n_told) {
        tell_progress(self, frame, n_done);
    }
}

/* ---- Streaming ---- */

static void add_end(struct attached *self, struct bytes *frame) {
    self->events.is_complete = true;
    if (has_failed(newest(self))) {
        struct attached_failure failure = failure_of(newest(self));
        self->encoder->add_failure(self, frame, &failure);
    } else {
        self->encoder->add_end(self, frame);
    }
}

/* Over a seam as if nothing had been [O7]. */
static void encode(struct attached *self, struct bytes *frame, const struct watch_item *item) {
    if (item->kind == WATCH_START && item->stream == item->message->first) {
        self->encoder->add_begin(self, frame);
    } else if (item->kind == WATCH_TOKENS) {
        self->encoder->add_token(self, frame, item);
    } else if (item->kind == WATCH_END) {
        add_end(self, frame);
    }
}

static void add_item(struct event_stream *events, struct bytes *frame, const struct watch_item *item) {
    struct attached *self = (struct attached *)events;
    tape_follow(&self->tape, frame);
    if (item->kind == WATCH_PHASE || item->kind == WATCH_TOKENS) {
        add_progress(self, frame);
    }
    size_t from = frame->size;
    encode(self, frame, item);
    tape_wrote(&self->tape, frame, from, false);
}

/* A sign of life stands in the stream too, where the client may come back with an offset into it. */
static void on_silence(struct api_conn *conn) {
    struct attached *self = (struct attached *)conn;
    struct bytes *frame = &conn->api->frame;
    if (self->tape.tape == NULL) {
        event_stream_on_silence(conn);
        return;
    }
    if (watcher_has_more(&self->events.watcher)) {
        return;
    }
    bytes_clear(frame);
    if (!tape_follow(&self->tape, frame) && tape_may_add(&self->tape)) {
        bytes_add_text(frame, ATTACHED_TAPE_PING);
        tape_wrote(&self->tape, frame, 0, true);
    }
    if (frame->size) {
        net_conn_send(conn->net, frame->data, frame->size);
    }
}

static void begin_stream(struct attached *self) {
    self->is_streaming = true;
    event_stream_begin(&self->events);
}

/* ---- Before the first byte ---- */

static void reply_now(struct attached *self) {
    self->events.is_complete = true;
    if (has_failed(newest(self))) {
        struct attached_failure failure = failure_of(newest(self));
        self->encoder->reply_failure(self, &failure);
    } else {
        self->encoder->reply_whole(self);
    }
}

/* Looks, without reading, at whether the answer can be begun. */
static void decide(struct attached *self) {
    const struct message *message = self->events.message;
    const struct stream *stream = message->stream;
    const struct phase *phase = &self->events.watcher.conversation->phase;
    bool has_text = stream != message->first || stream->last_seq > 1;
    bool has_progress = phase->done > 0 || self->wants_progress;
    bool is_silent_failure = has_failed(stream) && message_said_size(message) == 0;
    if (!self->is_stream || is_silent_failure) {
        if (stream->is_ended) {
            reply_now(self);
        }
    } else if (has_text || (phase->kind == PHASE_PREFILL && has_progress)) {
        begin_stream(self);
    }
}

static void on_time(void *ctx) {
    struct attached *self = ctx;
    if (!self->is_streaming && !self->events.is_complete) {
        begin_stream(self);
    }
}

static void on_change(void *ctx) {
    struct attached *self = ctx;
    note_pace(self);
    if (self->is_streaming) {
        event_stream_on_change(&self->events);
    } else if (!self->events.is_complete) {
        decide(self);
    }
}

/* ---- From the request to the generation ---- */

/* The entry may be gone, or be another one's by now. */
static void note_name(struct attached *self, const struct chat_sent *sent) {
    const struct api_conn *conn = &self->events.call.conn;
    LIST_EACH(node, &conn->api->streams.all) {
        struct llama_stream *stream = CONTAINER_OF(node, struct llama_stream, node);
        if (self->tape.tape && stream->tape == self->tape.tape) {
            id_copy(stream->conversation, sizeof stream->conversation, sent->conversation->name);
            id_copy(stream->generation, sizeof stream->generation, sent->generation_id);
        }
    }
}

static void on_sent(void *ctx, const struct chat_sent *sent) {
    struct attached *self = ctx;
    struct api_call *call = &self->events.call;
    call->call = NULL;
    if (sent->status) {
        self->events.is_complete = true;
        self->encoder->reply_failure(
            self, &(struct attached_failure){
                      .status = reply_http_status(sent->status), .code = "", .text = sent->fault });
        return;
    }
    event_stream_read(&self->events, sent->conversation, sent->answer_index, on_change);
    note_name(self, sent);
    if (self->is_in_background && !self->is_stream) {
        self->encoder->reply_begun(self);
        self->events.is_complete = true;
        return;
    }
    note_pace(self);
    if (self->is_stream) {
        const struct loop *loop = net_loop(call->conn.api->net);
        self->timer = loop->timer_new(loop->self, on_time, self);
        loop->timer_set(self->timer, BEGIN_MS);
    }
    decide(self);
}

static struct chat_call *ask_kept(struct attached *self, const struct attached_request *request) {
    const struct api_conn *conn = &self->events.call.conn;
    const struct attached_keep *keep = request->keep;
    struct chat_keep asked = {
        .asker = gate_asker(conn->api, conn->net),
        .conversation = keep->conversation,
        .parent = keep->parent,
        .messages = request->messages,
        .is_whole = keep->is_whole,
        .instructions = keep->instructions,
        .record = keep->record,
        .model_path = request->model_path,
        .settings = request->settings,
    };
    self->is_kept = true;
    self->is_in_background = keep->in_background;
    return chat_keep(conn->api->chat, &asked, on_sent, self);
}

void attached_read(struct attached *self, struct conversation *conversation, size_t index) {
    self->is_stream = true;
    self->is_kept = true;
    event_stream_read(&self->events, conversation, index, on_change);
    begin_stream(self);
}

void attached_ask(struct attached *self, const struct attached_request *request) {
    struct api_call *call = &self->events.call;
    self->is_stream = request->is_stream;
    if (request->keep) {
        call->call = ask_kept(self, request);
        return;
    }
    struct chat_complete complete = {
        .asker = gate_asker(call->conn.api, call->conn.net),
        .messages = request->messages,
        .model_path = request->model_path,
        .settings = request->settings,
    };
    call->call = chat_complete(call->conn.api->chat, &complete, on_sent, self);
}

/* ---- Life ---- */

/* One that was only asked for is given up by chat_abandon. */
static void on_close(struct api_conn *conn) {
    struct attached *self = (struct attached *)conn;
    struct conversation *conversation = self->events.watcher.conversation;
    if (conversation) {
        conversation_ref(conversation);
        watcher_deinit(&self->events.watcher);
        if (!self->events.is_complete && !self->is_kept) {
            chat_cancel(conn->api->chat, conversation);
        }
        conversation_unref(conversation);
    }
    if (self->timer) {
        net_loop(conn->api->net)->timer_free(self->timer);
    }
    self->encoder->deinit(self);
    tape_unref(self->tape.tape);
    event_stream_on_close(conn);
}

void *attached_begin(size_t n_bytes, const struct attached_encoder *encoder, struct api *api,
                     struct net_conn *net) {
    static const struct api_conn_ops ops = { .on_writable = event_stream_on_writable,
                                             .on_silence = on_silence,
                                             .on_close = on_close };
    static const struct event_encoder events = { .add_item = add_item };
    struct attached *self = api_call_begin(n_bytes, api, net);
    api_conn_attach(&self->events.call.conn, &ops, api, net);
    self->events.encoder = &events;
    self->encoder = encoder;
    self->events.content_type = encoder->content_type;
    self->events.ping = encoder->ping;
    return self;
}

/* ---- For encoders ---- */

const char *attached_id(const struct attached *self) {
    return self->events.message->first->id;
}

/* The prompt of a generation that goes on has what was said before it [E21]: to the caller that is answer, not prompt. */
struct attached_usage attached_usage_of(const struct message *answer) {
    const struct stream *stream = answer->stream;
    const json_t *usage = stream->usage;
    const json_t *prompt = json_object_get(usage, "prompt_tokens");
    const json_t *completion = json_object_get(usage, "completion_tokens");
    int64_t n_before = (int64_t)message_token_count(answer) - (int64_t)stream->n_tokens;
    int64_t n_prompt = (prompt ? json_integer_value(prompt) : stream->n_prompt_tokens) - n_before;
    return (struct attached_usage){
        .n_prompt = n_prompt > 0 ? n_prompt : 0,
        .n_cached = json_integer_value(json_object_get(usage, "cached_tokens")),
        .n_completion = n_before + (completion ? json_integer_value(completion) : (int64_t)stream->n_tokens),
    };
}

struct attached_usage attached_usage(const struct attached *self) {
    return attached_usage_of(self->events.message);
}

uint64_t attached_count_reasoning(const struct message *answer) {
    uint64_t n = 0;
    for (const struct stream *stream = answer->first; stream; stream = stream->next) {
        for (uint64_t seq = 2; stream->kinds && seq <= stream_last_token_seq(stream); seq++) {
            n += stream_kind(stream, seq) == STORE_EVENT_REASONING;
        }
    }
    return n;
}

bool attached_was_cut(const struct attached *self) {
    return strcmp(newest(self)->reason, "length") == 0;
}
