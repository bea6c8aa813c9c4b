/* complete.c - a reply outside any conversation of the store: a call of a compatible API. */
#include "base/clock.h"
#include "chat/chat_internal.h"

struct completion {
    struct begin begin;
    json_t *messages;
};

static void deinit(struct begin *begin) {
    json_decref(((struct completion *)begin)->messages);
}

static void on_begun(void *ctx, enum status status, int64_t generation_key) {
    struct completion *completion = ctx;
    struct begin *begin = &completion->begin;
    begin_answered(begin);
    if (status) {
        begin_refuse(begin, status, begin_fault(status));
        return;
    }
    char message_id[ID_HEX_BYTES];
    id_make_hex(message_id);
    struct conversation *conversation = conversation_new(NULL, "", "", clock_wall_ms());
    struct stream *stream =
        stream_new(begin->generation_id, generation_key, models_file_name(begin->model_path));
    struct message *message =
        conversation_add_answer(conversation, message_id, NULL, stream, clock_wall_ms());
    if (begin->call.is_abandoned) {
        begin->fate = TURN_FATE_CANCELLED;
    }
    begin_turn(begin, conversation, message, json_incref(completion->messages));
    begin_reply(begin, &(struct chat_sent){ .status = STATUS_OK,
                                            .fault = "",
                                            .conversation = conversation,
                                            .message_id = "",
                                            .generation_id = stream->id });
    conversation_unref(conversation);
}

struct chat_call *chat_complete(struct chat *chat, const struct chat_complete *asked, chat_on_sent callback,
                                void *ctx) {
    struct completion *completion = begin_new(sizeof *completion, chat, &asked->asker, callback, ctx);
    struct begin *begin = &completion->begin;
    begin->deinit = deinit;
    completion->messages = json_incref(asked->messages);
    id_copy(begin->model_path, sizeof begin->model_path, asked->model_path);
    settings_copy(&begin->settings, asked->settings);
    struct fault fault;
    enum status status = begin_check_room(begin, &fault);
    if (status) {
        begin_refuse(begin, status, fault.text);
        return NULL;
    }
    status = store_begin_detached(chat->store, begin->generation_id, on_begun, completion);
    if (status) {
        begin_refuse(begin, status, begin_fault(status));
        return NULL;
    }
    begin_posted(begin);
    return &begin->call;
}
