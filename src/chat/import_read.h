/* import_read.h - one conversation of another program, or of this one, as the store takes it; or a file that stands before ours.
 *
 * Known are: what [W62] exports, a conversation of ChatGPT's conversations.json, one of an export of Open WebUI, and the plain text of [W18].
 *
 * Thread  any. Memory: *out is the caller's; `title` is what a person is told when it fails, and always set.
 */
#ifndef RUNNEL_CHAT_IMPORT_READ_H
#define RUNNEL_CHAT_IMPORT_READ_H

#include "base/bytes.h"
#include "base/json.h"
#include "base/status.h"
#include "store/store.h"

#define IMPORT_TITLE_BYTES    256
#define IMPORT_MESSAGES_MAX   100000
#define IMPORT_EXPORT_FORMAT  "runnel-conversation"
#define IMPORT_EXPORT_VERSION 1
#define IMPORT_FILE_FORMAT    "runnel-attachment"

/* The bytes of an attachment. */
struct import_file {
    char id[STORE_HASH_BYTES];
    char *name; /* NULL: there is none */
    struct bytes data;
};

void import_file_deinit(struct import_file *file); /* zeroed memory is fine */

/* The text of one piece (import_split.h): a conversation, or a file, and then *out is NULL. STATUS_INVALID: the fault says what is wrong with it;
 * there is neither. */
MUST_CHECK enum status import_read_json(const char *text, size_t n_bytes, struct store_import **out,
                                        struct import_file *file, char title[IMPORT_TITLE_BYTES],
                                        struct fault *fault);
MUST_CHECK enum status import_read_text(const char *text, size_t n_bytes, struct store_import **out,
                                        char title[IMPORT_TITLE_BYTES], struct fault *fault);

/* ---- For the files of import_*.c ---- */
/* import_add_message adds one; NULL: IMPORT_MESSAGES_MAX. Valid until the next is added. */
struct store_import_message *import_add_message(struct store_import *import, enum store_role role,
                                                size_t parent, int64_t created_ms);
/* import_add_answer gives a message its generation. */
void import_add_answer(struct store_import_message *message, const char *text, const char *model);
bool import_parse_role(const char *name, enum store_role *role);
/* import_time: seconds or milliseconds since 1970, as other programs write them; 0: none. */
int64_t import_time(const json_t *number);

/* import_new is an empty one. */
struct store_import *import_new(void);

/* import_own.c, import_tree.c */
MUST_CHECK enum status import_read_own_file(const json_t *object, struct import_file *out,
                                            struct fault *fault);
MUST_CHECK enum status import_read_own(const json_t *object, struct store_import *out, struct fault *fault);
MUST_CHECK enum status import_read_chatgpt(const json_t *object, struct store_import *out,
                                           struct fault *fault);
MUST_CHECK enum status import_read_webui(const json_t *object, struct store_import *out, struct fault *fault);

#endif
