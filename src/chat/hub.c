#include "chat/hub.h"

#include "chat/conversation.h"

#include <string.h>

void hub_init(struct hub *hub) {
    list_init(&hub->conversations);
}

struct conversation *hub_find(const struct hub *hub, const char *name) {
    /* As many as are watched or running: tens. A table can come when a measurement asks for it. */
    LIST_EACH(node, &hub->conversations) {
        struct conversation *conversation = CONTAINER_OF(node, struct conversation, node);
        if (strcmp(conversation->name, name) == 0) {
            return conversation;
        }
    }
    return NULL;
}
