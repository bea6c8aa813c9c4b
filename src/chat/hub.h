/* hub.h - the conversations that are in memory, by name.
 *
 * A conversation is here while anyone holds a reference: a watcher, a turn, a call under way. The store has them all.
 *
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_CHAT_HUB_H
#define RUNNEL_CHAT_HUB_H

#include "base/list.h"

struct conversation;

struct hub {
    struct list_node conversations;
    /* Somebody begins to watch one of them. NULL: nobody asks. */
    void (*on_watched)(void *ctx, struct conversation *conversation);
    /* The last watcher of one of them left. It must not end anything from inside. NULL: nobody asks. */
    void (*on_unwatched)(void *ctx, struct conversation *conversation);
    void *ctx;
};

void hub_init(struct hub *hub);

/* hub_find: NULL: it is not in memory. Borrowed. */
struct conversation *hub_find(const struct hub *hub, const char *name);

#endif
