/* store_end.h - how a stream becomes a text, and how another one goes on with it. */
#ifndef RUNNEL_STORE_STORE_END_H
#define RUNNEL_STORE_STORE_END_H

#include "store/store.h"
#include "store/store_db.h"

struct store_ended {
    enum status status;       /* STATUS_CONFLICT: it has ended or seq is not its next; nothing was written */
    bool is_detached;         /* its rows are gone */
    int64_t continuation_key; /* 0: none was made */
};

/* store_end_apply ends a generation in the running transaction, and makes the one that goes on with it. When both were made
 * before by the same end, it finds them: whoever had to be told that they are not safe on disk may ask again. The result is
 * SQLite's. */
int store_end_apply(struct store_db *db, const struct store_end *end, struct store_ended *ended);

#endif
