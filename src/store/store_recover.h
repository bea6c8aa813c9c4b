/* store_recover.h - what the next life of the program makes of the generations that the last one left open. */
#ifndef RUNNEL_STORE_STORE_RECOVER_H
#define RUNNEL_STORE_STORE_RECOVER_H

#include "store/store.h"
#include "store/store_db.h"

/* store_recover_run does what store_recover says, in one transaction of its own: a failure leaves everything as it was. */
MUST_CHECK enum status store_recover_run(struct store_db *db, bool goes_on, int64_t wall_ms,
                                         struct fault *fault);

/* store_recover_list gives what is unended, the oldest message first. *out is the receiver's, also when it fails. */
MUST_CHECK enum status store_recover_list(struct store_db *db, struct store_waiting **out, size_t *n,
                                          struct fault *fault);

#endif
