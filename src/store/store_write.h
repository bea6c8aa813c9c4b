/* store_write.h - what the jobs that write have in common. The results are SQLite's. */
#ifndef RUNNEL_STORE_STORE_WRITE_H
#define RUNNEL_STORE_STORE_WRITE_H

#include "base/id.h"
#include "base/status.h"
#include "store/store_db.h"

/* store_write_count_unended: how many generations of the conversation have not ended. */
int store_write_count_unended(struct store_db *db, int64_t conversation_key, int64_t *n);

/* store_write_choose_name: the first free name of a conversation, and the first free created_ms, at or after wall_ms. */
int store_write_choose_name(struct store_db *db, int64_t wall_ms, char name[ID_CONVERSATION_BYTES],
                            int64_t *created_ms);

/* store_write_touch_conversation: something of it changed. */
int store_write_touch_conversation(struct store_db *db, int64_t conversation_key, int64_t wall_ms);

/* store_write_insert_conversation takes the first free name, and the first free time, at or after wall_ms. */
struct store_new_conversation {
    const char *title;    /* NULL: "" */
    const char *made_by;  /* the client_msg_id of its first message; NULL: none */
    const char *folder;   /* NULL: none */
    const char *settings; /* JSON; NULL: none */
    bool is_temporary;
    int64_t wall_ms;
};
int store_write_insert_conversation(struct store_db *db, const struct store_new_conversation *row,
                                    char name[ID_CONVERSATION_BYTES] /* out */, int64_t *key);

/* The keys are 0 where there is none: a detached generation has no conversation and no message. */
struct store_new_generation {
    const char *id;
    int64_t conversation_key;
    int64_t message_key;
    int64_t continues_key;
    const char *model;
    const char *settings;
};

int store_write_insert_generation(struct store_db *db, const struct store_new_generation *row, int64_t *key);

#endif
