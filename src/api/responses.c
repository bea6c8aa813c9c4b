/* responses.c - [W76] [W77] POST /v1/responses: an attached call, kept in a conversation unless `store` is false. */
#include "api/fields.h"
#include "api/request.h"
#include "api/responses_call.h"

#include <stdlib.h>
#include <string.h>

static struct responses_call *call_of(struct attached *attached) {
    return (struct responses_call *)attached;
}

static struct responses_view view_of(const struct attached *attached) {
    const struct responses_call *self = (const struct responses_call *)attached;
    return (struct responses_view){ .conversation = attached->events.watcher.conversation,
                                    .message = attached->events.message,
                                    .model = self->call.model,
                                    .record = self->record,
                                    .has_logprobs = self->has_logprobs };
}

/* ---- A stream [W77] ---- */

static void add_begin(struct attached *attached, struct bytes *frame) {
    struct responses_call *self = call_of(attached);
    struct responses_writer *writer = &self->writer;
    struct responses_view view = view_of(attached);
    responses_writer_init(writer, view.message->id, self->has_logprobs);
    writer->starting_after = self->starting_after;
    responses_writer_event(writer, frame, "response.created", responses_object_begun(&view, "in_progress"));
    responses_writer_event(writer, frame, "response.in_progress",
                           responses_object_begun(&view, "in_progress"));
}

static void add_token(struct attached *attached, struct bytes *frame, const struct watch_item *item) {
    responses_writer_add(&call_of(attached)->writer, frame, item->message, item->stream, item->seq);
}

static void add_end(struct attached *attached, struct bytes *frame) {
    struct responses_writer *writer = &call_of(attached)->writer;
    struct responses_view view = view_of(attached);
    const char *type = responses_end_type(view.message->stream);
    responses_writer_close(writer, frame, strcmp(type, "response.completed") == 0);
    responses_writer_event(writer, frame, type, responses_object(&view, json_incref(writer->output)));
}

static void add_failure(struct attached *attached, struct bytes *frame,
                        const struct attached_failure *failure) {
    (void)failure; /* the object says it */
    add_end(attached, frame);
}

/* ---- One piece ---- */

static void reply_whole(struct attached *attached) {
    struct responses_view view = view_of(attached);
    reply_json(attached->events.call.conn.net, 200, responses_object_now(&view));
}

static void reply_begun(struct attached *attached) {
    struct responses_view view = view_of(attached);
    reply_json(attached->events.call.conn.net, 200, responses_object_begun(&view, "queued"));
}

static void deinit(struct attached *attached) {
    struct responses_call *self = call_of(attached);
    responses_writer_deinit(&self->writer);
    json_decref(self->record);
    responses_request_deinit(&self->asked);
    openai_call_deinit(attached);
}

const struct attached_encoder responses_encoder = {
    .reply_whole = reply_whole,
    .reply_failure = openai_call_reply_failure,
    .reply_begun = reply_begun,
    .add_begin = add_begin,
    .add_token = add_token,
    .add_end = add_end,
    .add_failure = add_failure,
    .deinit = deinit,
};

/* ---- Asking ---- */

static void refuse(struct responses_call *self, int status, const char *code, const char *text) {
    struct openai_error error;
    self->call.attached.events.is_complete = true;
    openai_error_set(&error, status, code, "previous_response_id", "%s", text);
    openai_error_reply(self->call.attached.events.call.conn.net, &error);
}

static void ask_kept(struct responses_call *self, const char *conversation, const char *parent) {
    const struct responses_request *asked = &self->asked;
    attached_ask(&self->call.attached,
                 &(struct attached_request){
                     .messages = asked->request.messages,
                     .model_path = self->model_path,
                     .settings = &asked->request.settings,
                     .is_stream = asked->request.stream,
                     .keep = &(struct attached_keep){ .conversation = conversation,
                                                      .parent = parent,
                                                      .instructions = asked->instructions,
                                                      .record = asked->record,
                                                      .in_background = asked->background },
                 });
}

/* `before`: what the model reads before the new messages; taken over. */
static void ask_detached(struct responses_call *self, json_t *before) {
    const struct responses_request *asked = &self->asked;
    json_array_extend(before, asked->request.messages);
    if (asked->instructions) {
        json_array_insert_new(before, 0,
                              json_pack("{s:s, s:s}", "role", "system", "content", asked->instructions));
    }
    attached_ask(&self->call.attached, &(struct attached_request){ .messages = before,
                                                                   .model_path = self->model_path,
                                                                   .settings = &asked->request.settings,
                                                                   .is_stream = asked->request.stream });
    json_decref(before);
}

static void ask_behind(struct responses_call *self, const struct conversation *conversation,
                       const struct message *message) {
    if (self->asked.store && conversation->name[0]) {
        ask_kept(self, conversation->name, message->id);
    } else if (message->stream && !message->stream->is_ended) {
        refuse(self, 400, NULL, "the previous response is still being made: wait for its end");
    } else if (self->asked.store) {
        refuse(self, 400, "previous_response_not_found", "the previous response was not stored");
    } else {
        ask_detached(self, chat_prompt_behind(conversation, message));
    }
}

static void on_opened(void *ctx, enum status status, struct conversation *conversation) {
    struct responses_call *self = ctx;
    size_t index;
    self->call.attached.events.call.call = NULL;
    const struct message *message =
        status                    ? NULL
        : self->asked.previous[0] ? conversation_find_generation(conversation, self->asked.previous, &index)
                                  : conversation->current;
    if (message) {
        ask_behind(self, conversation, message);
    } else if (status && status != STATUS_NOT_FOUND) {
        refuse(self, reply_http_status(status), NULL, "the conversation could not be read: look at the log");
    } else {
        refuse(self, 400, "previous_response_not_found",
               "there is no such response or conversation: send one that is stored");
    }
}

static void ask(struct responses_call *self) {
    struct chat *chat = self->call.attached.events.call.conn.api->chat;
    struct api_call *call = &self->call.attached.events.call;
    const struct responses_request *asked = &self->asked;
    if (asked->previous[0]) {
        call->call = chat_open_generation(chat, asked->previous, on_opened, self);
    } else if (asked->conversation[0] && asked->store) {
        ask_kept(self, asked->conversation, NULL);
    } else if (asked->conversation[0]) {
        call->call = chat_open_conversation(chat, asked->conversation, on_opened, self);
    } else if (asked->store) {
        ask_kept(self, NULL, NULL);
    } else {
        ask_detached(self, json_array());
    }
}

/* The strings of the request live as long as the body: the call keeps what it still needs. */
static void begin(struct api *api, struct net_conn *net, struct responses_request *request,
                  const char *path) {
    struct responses_call *self =
        openai_call_begin(sizeof *self, &responses_encoder, api, net, &request->request, path);
    self->call.messages_param = "input";
    self->call.constrained_by = request->request.has_tools ? "tools" : "text.format";
    self->starting_after = -1;
    self->has_logprobs = request->request.logprobs;
    self->record = json_incref(request->record);
    self->asked = *request;
    self->asked.instructions = json_get_text(self->record, "instructions", NULL);
    self->asked.request.model = NULL;
    id_copy(self->model_path, sizeof self->model_path, path);
    ask(self);
}

void responses_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    struct responses_request request;
    struct openai_error error;
    char path[PATH_MAX];
    if (body == NULL) {
        return;
    }
    if (!fields_check(&fields_responses, net, body, &error) ||
        !responses_request_parse(&request, body, chat_settings(api->chat), &error)) {
        openai_error_reply(net, &error);
    } else if (!openai_call_resolve(api, request.request.model, path, &error)) {
        openai_error_reply(net, &error);
        responses_request_deinit(&request);
    } else {
        begin(api, net, &request, path);
    }
    json_decref(body);
}
