/* store_attachment.h - what messages have of attachments, for the jobs that write and read messages. The results are SQLite's.
 *
 * Thread  the store thread. */
#ifndef RUNNEL_STORE_STORE_ATTACHMENT_H
#define RUNNEL_STORE_STORE_ATTACHMENT_H

#include "store/store.h"
#include "store/store_db.h"

/* store_attachment_take reads what a message is to have; *out is the caller's also when it fails. *refusal: as the status of struct
 * store_sent. keys has room for n. */
int store_attachment_take(struct store_db *db, const struct store_attached *attached, size_t n,
                          struct store_attachment *out, int64_t *keys, enum status *refusal);

/* store_attachment_insert: the message has it, in this place. */
int store_attachment_insert(struct store_db *db, int64_t message_key, size_t position, int64_t key,
                            const char *name);

/* store_attachment_put_imported makes it known unless it is. */
int store_attachment_put_imported(struct store_db *db, const struct store_attachment *attachment,
                                  int64_t wall_ms, int64_t *key);

/* store_attachment_load fills those of all messages of a conversation; each text is taken off *n_bytes_left before memory is taken for it:
 * SQLITE_TOOBIG. */
int store_attachment_load(struct store_db *db, int64_t conversation_key,
                          struct store_conversation *conversation, int64_t *n_bytes_left);

#endif
