/* list.h - a doubly linked list whose nodes live inside the objects.
 *
 * A node is in at most one list. list_remove of a node that is in none does nothing, so an object may remove
 * itself without knowing.
 */
#ifndef RUNNEL_BASE_LIST_H
#define RUNNEL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next;
    struct list_node *previous;
};

#define CONTAINER_OF(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* The loop body may remove the current node, and no other. */
#define LIST_EACH(node, list)                                                                                \
    for (struct list_node *node = (list)->next, *node##_next = node->next; node != (list);                   \
         node = node##_next, node##_next = node->next)

static inline void list_init(struct list_node *list) {
    list->next = list->previous = list;
}

static inline bool list_is_empty(const struct list_node *list) {
    return list->next == list;
}

static inline void list_append(struct list_node *list, struct list_node *node) {
    node->previous = list->previous;
    node->next = list;
    list->previous->next = node;
    list->previous = node;
}

static inline void list_remove(struct list_node *node) {
    if (node->next) {
        node->next->previous = node->previous;
        node->previous->next = node->next;
        node->next = node->previous = NULL;
    }
}

#endif
