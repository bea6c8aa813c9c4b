/* import_tree.c - conversations of ChatGPT and of Open WebUI: both are trees, an object of nodes by their ids.
 *
 * They are walked from their roots along the lists of children, each node once, whatever the lists say; the branch that was shown last comes
 * last, so that it is the newest here. A node without anything for a person to read is left out, and its children take its place. Of two answers
 * in a row the second goes on with the first: between them was a tool.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "chat/import_read.h"
#include "chat/import_split.h"

#include <stdlib.h>
#include <string.h>

/* What a node says: new memory; NULL: nothing. */
struct said {
    enum store_role role;
    char *text;
    const char *model;
    int64_t created_ms;
};

struct tree {
    const json_t *nodes;
    const char *parent_key;
    const char *children_key;
    void (*read)(const json_t *node, struct said *out);
    json_t *shown; /* ids of the branch that was shown */
    json_t *seen;  /* ids of nodes that are or were on the stack */
    struct store_import *import;
};

struct place {
    const char *id;
    size_t parent;
};

static void note_shown(struct tree *tree, const char *id) {
    tree->shown = json_object();
    while (id && json_object_get(tree->nodes, id) && json_object_get(tree->shown, id) == NULL) {
        json_object_set_new(tree->shown, id, json_true());
        id = json_string_value(json_object_get(json_object_get(tree->nodes, id), tree->parent_key));
    }
}

/* False: there is no room for more messages. */
static bool add_said(struct store_import *import, const struct said *said, size_t *parent) {
    bool is_last = *parent != SIZE_MAX && *parent + 1 == import->n_messages;
    struct store_import_message *before = is_last ? &import->messages[*parent] : NULL;
    if (before && before->role == STORE_ROLE_ASSISTANT && said->role == STORE_ROLE_ASSISTANT) {
        struct store_import_generation *generation = before->generations;
        char *both = mem_format("%s\n\n%s", generation->text, said->text);
        free(generation->text);
        generation->text = both;
        return true;
    }
    struct store_import_message *message = import_add_message(import, said->role, *parent, said->created_ms);
    if (message == NULL) {
        return false;
    }
    *parent = import->n_messages - 1;
    if (said->role == STORE_ROLE_ASSISTANT) {
        import_add_answer(message, said->text, said->model);
    } else {
        message->text = mem_copy_string(said->text);
    }
    return true;
}

struct stack {
    struct place *places;
    size_t n;
    size_t capacity;
};

static bool push(struct tree *tree, struct stack *stack, const char *id, size_t parent) {
    if (id == NULL || json_object_get(tree->nodes, id) == NULL || json_object_get(tree->seen, id)) {
        return true;
    }
    if (stack->n == IMPORT_MESSAGES_MAX) {
        return false;
    }
    json_object_set_new(tree->seen, id, json_true());
    stack->places = mem_grow_array(stack->places, stack->n, &stack->capacity, sizeof stack->places[0],
                                   IMPORT_MESSAGES_MAX);
    stack->places[stack->n++] = (struct place){ .id = id, .parent = parent };
    return true;
}

/* What is pushed last comes first: the branch that was shown goes to the bottom. */
static bool push_children(struct tree *tree, struct stack *stack, const json_t *children, size_t parent) {
    bool fits = true;
    for (int others = 0; others < 2; others++) {
        for (size_t i = json_array_size(children); i-- > 0 && fits;) {
            const char *id = json_string_value(json_array_get(children, i));
            bool is_shown = id && json_object_get(tree->shown, id);
            fits = is_shown == (others == 1) ||
                   push(tree, stack, id, parent); /* the shown one in the first round */
        }
    }
    return fits;
}

static bool is_root(const struct tree *tree, const json_t *node) {
    const char *parent = json_string_value(json_object_get(node, tree->parent_key));
    return parent == NULL || json_object_get(tree->nodes, parent) == NULL;
}

/* The one that was shown at the bottom, the others above it, the first on top. */
static bool push_roots(struct tree *tree, struct stack *stack) {
    bool fits = true;
    const char *id;
    json_t *node;
    for (int others = 0; others < 2; others++) {
        json_object_foreach((json_t *)tree->nodes, id, node) {
            bool is_shown = json_object_get(tree->shown, id) != NULL;
            if (fits && is_shown == (others == 0) && is_root(tree, node)) {
                fits = push(tree, stack, id, SIZE_MAX);
            }
        }
    }
    size_t n_shown = stack->n > 0 && json_object_get(tree->shown, stack->places[0].id);
    for (size_t low = n_shown, high = stack->n; low + 1 < high; low++) {
        struct place other = stack->places[--high];
        stack->places[high] = stack->places[low];
        stack->places[low] = other;
    }
    return fits;
}

static enum status walk(struct tree *tree, struct fault *fault) {
    struct stack stack = { 0 };
    tree->seen = json_object();
    bool fits = push_roots(tree, &stack);
    while (fits && stack.n > 0) {
        struct place place = stack.places[--stack.n];
        const json_t *node = json_object_get(tree->nodes, place.id);
        struct said said = { 0 };
        tree->read(node, &said);
        if (said.text && said.text[0]) {
            fits = add_said(tree->import, &said, &place.parent);
        }
        free(said.text);
        fits = fits && push_children(tree, &stack, json_object_get(node, tree->children_key), place.parent);
    }
    free(stack.places);
    json_decref(tree->seen);
    json_decref(tree->shown);
    return fits ? STATUS_OK
                : fault_set(fault, STATUS_INVALID, "it has more than %d messages", IMPORT_MESSAGES_MAX);
}

/* ---- ChatGPT ---- */

static char *join_parts(const json_t *parts) {
    struct bytes text;
    bytes_init(&text, IMPORT_PIECE_BYTES_MAX);
    size_t index;
    json_t *part;
    json_array_foreach((json_t *)parts, index, part) {
        if (json_is_string(part) && json_string_length(part) == strlen(json_string_value(part))) {
            bytes_add_format(&text, "%s%s", text.size ? "\n" : "", json_string_value(part));
        }
    }
    char *joined = mem_copy_string(text.size ? text.data : NULL);
    bytes_deinit(&text);
    return joined;
}

/* What goes to a tool, and what is hidden, is no part of what a person has read. */
static bool is_for_people(const json_t *message, const char *role) {
    const json_t *hidden =
        json_object_get(json_object_get(message, "metadata"), "is_visually_hidden_from_conversation");
    const char *recipient = json_get_text(message, "recipient", "all");
    return !json_is_true(hidden) && (strcmp(role, "assistant") != 0 || strcmp(recipient, "all") == 0);
}

static void read_chatgpt_node(const json_t *node, struct said *out) {
    const json_t *message = json_object_get(node, "message");
    const json_t *content = json_object_get(message, "content");
    const char *role = json_get_text(json_object_get(message, "author"), "role", "");
    const char *kind = json_get_text(content, "content_type", "");
    bool is_text = strcmp(kind, "text") == 0 || strcmp(kind, "multimodal_text") == 0;
    if (is_text && import_parse_role(role, &out->role) && is_for_people(message, role)) {
        out->text = join_parts(json_object_get(content, "parts"));
        out->model = json_string_value(json_object_get(json_object_get(message, "metadata"), "model_slug"));
        out->created_ms = import_time(json_object_get(message, "create_time"));
    }
}

enum status import_read_chatgpt(const json_t *object, struct store_import *out, struct fault *fault) {
    struct tree tree = { .nodes = json_object_get(object, "mapping"),
                         .parent_key = "parent",
                         .children_key = "children",
                         .read = read_chatgpt_node,
                         .import = out };
    const char *id = json_get_text(object, "conversation_id", json_get_text(object, "id", ""));
    out->title = mem_copy_string(json_get_text(object, "title", ""));
    out->origin = id[0] ? mem_format("chatgpt:%.200s", id) : NULL;
    out->created_ms = import_time(json_object_get(object, "create_time"));
    out->updated_ms = import_time(json_object_get(object, "update_time"));
    note_shown(&tree, json_string_value(json_object_get(object, "current_node")));
    return walk(&tree, fault);
}

/* ---- Open WebUI ---- */

static void read_webui_node(const json_t *node, struct said *out) {
    if (import_parse_role(json_get_text(node, "role", ""), &out->role)) {
        const json_t *content = json_object_get(node, "content");
        out->text = json_is_array(content) ? join_parts(content)
                                           : mem_copy_string(json_get_text(node, "content", ""));
        out->model = json_string_value(json_object_get(node, "model"));
        out->created_ms = import_time(json_object_get(node, "timestamp"));
    }
}

/* Old ones have a list alone. */
static enum status read_list(const json_t *list, struct store_import *out, struct fault *fault) {
    size_t parent = SIZE_MAX, index;
    json_t *node;
    bool fits = true;
    json_array_foreach((json_t *)list, index, node) {
        struct said said = { 0 };
        read_webui_node(node, &said);
        if (said.text && said.text[0] && fits) {
            fits = add_said(out, &said, &parent);
        }
        free(said.text);
    }
    return fits ? STATUS_OK
                : fault_set(fault, STATUS_INVALID, "it has more than %d messages", IMPORT_MESSAGES_MAX);
}

enum status import_read_webui(const json_t *object, struct store_import *out, struct fault *fault) {
    const json_t *chat = json_object_get(object, "chat");
    const json_t *history = json_object_get(chat, "history");
    struct tree tree = { .nodes = json_object_get(history, "messages"),
                         .parent_key = "parentId",
                         .children_key = "childrenIds",
                         .read = read_webui_node,
                         .import = out };
    const char *id = json_get_text(object, "id", json_get_text(chat, "id", ""));
    out->title = mem_copy_string(json_get_text(object, "title", json_get_text(chat, "title", "")));
    out->origin = id[0] ? mem_format("open-webui:%.200s", id) : NULL;
    out->created_ms = import_time(json_object_get(object, "created_at"));
    out->updated_ms = import_time(json_object_get(object, "updated_at"));
    if (!json_is_object(tree.nodes)) {
        return read_list(json_object_get(chat, "messages"), out, fault);
    }
    note_shown(&tree, json_string_value(json_object_get(history, "currentId")));
    return walk(&tree, fault);
}
