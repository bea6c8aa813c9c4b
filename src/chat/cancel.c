/* cancel.c - answers that somebody does not want: those that are made, and those that the store is asked to begin. */
#include "chat/chat_internal.h"

#include <string.h>

bool chat_cancel(struct chat *chat, struct conversation *conversation) {
    bool is_running = conversation->turn != NULL;
    turns_cancel(conversation);
    LIST_EACH(node, &chat->begins) {
        struct begin *begin = begin_of_node(node);
        if (begin_is_in(begin, conversation)) {
            begin->fate = TURN_FATE_CANCELLED;
            is_running = true;
        }
    }
    return is_running;
}

/* By its own generation, or by one of the answer that it goes on with. */
static bool is_of(const struct begin *begin, const char *generation_id) {
    size_t index;
    const struct message *answer =
        begin->continues[0] ? conversation_find_generation(begin->opened, begin->continues, &index) : NULL;
    return strcmp(begin->generation_id, generation_id) == 0 ||
           (answer && message_find_generation(answer, generation_id));
}

bool chat_cancel_generation(struct chat *chat, const char *generation_id) {
    struct turn *turn = turn_find_answer(chat, generation_id);
    if (turn) {
        turn_cancel(turn);
        return true;
    }
    LIST_EACH(node, &chat->begins) {
        struct begin *begin = begin_of_node(node);
        if (is_of(begin, generation_id)) {
            begin->fate = TURN_FATE_CANCELLED;
            return true;
        }
    }
    return false;
}

void cancel_model(struct chat *chat, const char *path) {
    turns_unload(chat, path);
    LIST_EACH(node, &chat->begins) {
        struct begin *begin = begin_of_node(node);
        if (begin->fate == TURN_FATE_OPEN && strcmp(begin->model_path, path) == 0) {
            begin->fate = TURN_FATE_UNLOADED;
        }
    }
}
