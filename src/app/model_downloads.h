/* model_downloads.h - what downloads need of the other parts: the store keeps their list, an engine reads the head of what came.
 *
 * Owner   main. Thread  the loop thread.
 */
#ifndef RUNNEL_APP_MODEL_DOWNLOADS_H
#define RUNNEL_APP_MODEL_DOWNLOADS_H

#include "chat/chat.h"
#include "download/downloads.h"
#include "store/store.h"

struct model_downloads {
    struct store *store;
    struct chat *chat;
    struct downloads *downloads;
};

/* model_downloads_open fills `self` in; what it names outlives downloads_stop. Downloads that the last life left go on at once. */
/* hub_token: NULL: none. */
void model_downloads_open(struct model_downloads *self, const struct loop *loop, struct store *store,
                          struct chat *chat, const char *hub_token);

#endif
