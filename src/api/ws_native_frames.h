/* ws_native_frames.h - the frames of docs/protocol.md part 3, from domain objects to JSON.
 *
 * Thread  the loop thread only.
 * Memory  json_t results are new references; what is given is only read.
 */
#ifndef RUNNEL_API_WS_NATIVE_FRAMES_H
#define RUNNEL_API_WS_NATIVE_FRAMES_H

#include "api/api_internal.h"
#include "base/json.h"

/* What an error answers; NULL fields are left out. */
struct native_about {
    const char *type;
    const char *client_msg_id;
    const char *conversation;
    const char *generation;
};

json_t *native_frame_error(const char *code, const char *text, const struct native_about *about);
json_t *native_frame_hello(const struct api *api);
json_t *native_frame_model(const struct api *api);
json_t *native_frame_storage(const struct api *api);
json_t *native_frame_downloads(const struct api *api);
json_t *native_frame_ack(const struct chat_sent *sent, const char *client_msg_id);
json_t *native_frame_resumed(const char *conversation);
json_t *native_frame_reset(const char *conversation, const char *reason);
json_t *native_frame_snapshot(const struct api *api, const struct conversation *conversation);
json_t *native_frame_current(const struct conversation *conversation, const struct message *current);
json_t *native_frame_reshaped(const struct store_reshaped *reshaped, bool are_hidden);
/* native_frame_queue tells what waits behind the answer that is being made (N14). */
json_t *native_frame_queue(const struct conversation *conversation);
json_t *native_frame_conversation(const struct conversation *conversation, enum conversation_event event);

/* native_frame_item is the frame for what a watcher gave: a message, start, phase or end. */
json_t *native_frame_item(const struct conversation *conversation, const struct watch_item *item);

/* native_frame_add_tokens writes a `tokens` frame: the one that is written per token and reader, so it is put together by hand. */
void native_frame_add_tokens(struct bytes *out, const struct conversation *conversation,
                             const struct watch_item *item, bool with_stations);

/* native_frame_clock tells the time by which stations are told [N34]. */
json_t *native_frame_clock(void);

#endif
