/* store_write.h - what the jobs that write have in common. The results are SQLite's. */
#ifndef RUNNEL_STORE_STORE_WRITE_H
#define RUNNEL_STORE_STORE_WRITE_H

#include "base/status.h"
#include "store/store_db.h"

/* store_write_find_unended: *status is STATUS_BUSY when a generation of the conversation has not ended. */
int store_write_find_unended(struct store_db *db, int64_t conversation_key, enum status *status);

/* store_write_insert_generation: conversation_key and message_key are 0 for a detached one. */
int store_write_insert_generation(struct store_db *db, const char *id, int64_t conversation_key,
                                  int64_t message_key, const char *model, const char *settings, int64_t *key);

#endif
