/* request.h - what handlers take from a request: each failure is a sentence that names what is wrong and says what it must be.
 *
 * Thread  the loop thread only.
 * Memory  strings are borrowed from the object; ids are copied.
 */
#ifndef RUNNEL_API_REQUEST_H
#define RUNNEL_API_REQUEST_H

#include "base/id.h"
#include "base/json.h"
#include "base/status.h"
#include "chat/chat.h"
#include "net/net.h"

/* How an id looks, behind the name of what holds one. */
#define REQUEST_CONVERSATION_FORM "must be an id of a conversation, as chat_2026-11-22-21-05-10-123.txt"
#define REQUEST_MESSAGE_FORM      "must be an id of a message: 32 hexadecimal digits"
#define REQUEST_GENERATION_FORM   "must be an id of a generation: 32 hexadecimal digits"

/* A name of a folder. */
#define REQUEST_FOLDER_BYTES (STORE_FOLDER_BYTES_MAX + 1)
#define REQUEST_FOLDER_FORM  "must be a name of 1 to 200 bytes"

/* request_body parses the body as a JSON object; NULL: it has been answered (400, 415). An empty body is {}. A new reference. */
json_t *request_body(struct net_conn *net);

/* The take functions read an optional field, as json_take_string; "" or NULL: it is absent. The need functions want it. */
MUST_CHECK enum status request_need_string(const json_t *object, const char *key, const char **out,
                                           struct fault *fault);
MUST_CHECK enum status request_take_conversation(const json_t *object, const char *key,
                                                 char out[ID_CONVERSATION_BYTES], struct fault *fault);
MUST_CHECK enum status request_take_generation(const json_t *object, const char *key, char out[ID_HEX_BYTES],
                                               struct fault *fault);
MUST_CHECK enum status request_need_message(const json_t *object, const char *key, const char **out,
                                            struct fault *fault);
/* request_need_folder: a name; request_take_folder: null and "" are none, NULL. */
MUST_CHECK enum status request_need_folder(const json_t *object, const char *key, const char **out,
                                           struct fault *fault);
MUST_CHECK enum status request_take_folder(const json_t *object, const char *key, const char **out,
                                           struct fault *fault);
/* request_take_own reads {"model","settings","detach_seconds"}, of those that are there: *out is what a conversation has of them, new; NULL: none of them
 * is there. null stays null. */
MUST_CHECK enum status request_take_own(struct chat *chat, const json_t *object, json_t **out,
                                        struct fault *fault);
MUST_CHECK enum status request_missing(const char *key, struct fault *fault);

/* request_take_number reads an argument of the query, which leaves *out alone when it is absent. */
MUST_CHECK enum status request_take_number(const struct net_conn *net, const char *name, uint64_t min,
                                           uint64_t max, uint64_t *out, struct fault *fault);

/* request_take_attachments reads [{"id","name"?}…]; the names are borrowed. */
MUST_CHECK enum status request_take_attachments(const json_t *object, struct store_attached *out, size_t *n,
                                                struct fault *fault);

/* request_take_message reads {"message","conversation_id"?} [W12] [W14] [W15]. `send` borrows from both. */
MUST_CHECK enum status request_take_message(const json_t *object, char conversation[ID_CONVERSATION_BYTES],
                                            struct chat_send *send /* out */, struct fault *fault);

#endif
