/* store_salvage_mend.h - makes the rows that were saved fit together again (store_salvage.h says how). */
#ifndef RUNNEL_STORE_STORE_SALVAGE_MEND_H
#define RUNNEL_STORE_STORE_SALVAGE_MEND_H

#include "store/store_db.h"

#include <stddef.h>

struct store_salvage_mended {
    size_t n_conversations; /* made for messages that lost theirs */
    size_t n_texts;         /* with U+FFFD in the place of bytes that are no UTF-8 */
    size_t n_answers;       /* kept as text, without their events */
};

/* In the running transaction. The result is SQLite's. */
int store_salvage_mend(struct store_db *db, struct store_salvage_mended *mended);

#endif
