#include "kv_tree.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void kv_tree_init(struct kv_tree *tree) {
    *tree = (struct kv_tree){ 0 };
    tree->root.is_written = true;
    list_init(&tree->by_use);
}

static struct kv_entry **bucket_of(struct kv_tree *tree, const struct kv_id *key) {
    return &tree->buckets[(key->bytes[0] | key->bytes[1] << 8) % KV_TREE_BUCKETS];
}

struct kv_entry *kv_tree_add(struct kv_tree *tree, struct kv_entry *parent, const struct kv_head *head,
                             const int32_t *tokens, uint64_t file_bytes) {
    struct kv_entry *entry = mem_alloc(sizeof *entry);
    struct kv_entry **bucket = bucket_of(tree, &head->key);
    entry->head = *head;
    entry->file_bytes = file_bytes;
    entry->tokens = mem_alloc((size_t)head->n_tokens * sizeof *entry->tokens);
    memcpy(entry->tokens, tokens, (size_t)head->n_tokens * sizeof *entry->tokens);
    entry->parent = parent ? parent : &tree->root;
    entry->depth = entry->parent->depth + 1;
    entry->next_sibling = entry->parent->first_child;
    entry->parent->first_child = entry;
    entry->next_in_bucket = *bucket;
    *bucket = entry;
    list_append(&tree->by_use, &entry->node);
    tree->n_entries++;
    tree->n_bytes += file_bytes;
    return entry;
}

static void unlink_entry(struct kv_tree *tree, struct kv_entry *entry) {
    struct kv_entry **at = &entry->parent->first_child;
    while (*at != entry) {
        at = &(*at)->next_sibling;
    }
    *at = entry->next_sibling;
    at = bucket_of(tree, &entry->head.key);
    while (*at != entry) {
        at = &(*at)->next_in_bucket;
    }
    *at = entry->next_in_bucket;
    list_remove(&entry->node);
    tree->n_entries--;
    tree->n_bytes -= entry->file_bytes;
}

void kv_tree_remove(struct kv_tree *tree, struct kv_entry *entry, kv_on_remove on_remove, void *ctx) {
    while (entry->first_child) {
        kv_tree_remove(tree, entry->first_child, on_remove, ctx);
    }
    if (on_remove) {
        on_remove(ctx, entry);
    }
    unlink_entry(tree, entry);
    free(entry->tokens);
    free(entry);
}

void kv_tree_deinit(struct kv_tree *tree) {
    while (tree->root.first_child) {
        kv_tree_remove(tree, tree->root.first_child, NULL, NULL);
    }
}

void kv_tree_use(struct kv_tree *tree, struct kv_entry *entry, int64_t now_ms) {
    for (; entry && entry != &tree->root; entry = entry->parent) {
        entry->used_ms = now_ms;
        list_remove(&entry->node);
        list_append(&tree->by_use, &entry->node);
    }
}

struct kv_entry *kv_tree_oldest(const struct kv_tree *tree) {
    return tree->n_entries ? CONTAINER_OF(tree->by_use.next, struct kv_entry, node) : NULL;
}

struct kv_entry *kv_tree_find(const struct kv_tree *tree, const struct kv_id *key) {
    struct kv_entry *entry = *bucket_of((struct kv_tree *)(uintptr_t)tree, key);
    while (entry && !kv_id_equals(&entry->head.key, key)) {
        entry = entry->next_in_bucket;
    }
    return entry;
}

static int by_use(const void *a, const void *b) {
    const struct kv_entry *left = *(const struct kv_entry *const *)a;
    const struct kv_entry *right = *(const struct kv_entry *const *)b;
    return left->used_ms < right->used_ms ? -1 : left->used_ms > right->used_ms;
}

/* Brings the entries into the order of their use. */
static void order(struct kv_tree *tree) {
    struct kv_entry **entries = mem_alloc((tree->n_entries + 1) * sizeof(struct kv_entry *));
    size_t n = 0;
    LIST_EACH(node, &tree->by_use) {
        entries[n++] = CONTAINER_OF(node, struct kv_entry, node);
    }
    qsort(entries, n, sizeof *entries, by_use);
    for (size_t i = 0; i < n; i++) {
        kv_tree_use(tree, entries[i], entries[i]->used_ms);
    }
    free(entries);
}

void kv_tree_add_found(struct kv_tree *tree, const struct kv_found *found, size_t n_found,
                       kv_on_remove on_orphan, void *ctx) {
    for (size_t i = 0; i < n_found; i++) {
        const struct kv_head *head = &found[i].head;
        struct kv_entry *parent = head->n_before > 0 ? kv_tree_find(tree, &head->parent) : &tree->root;
        bool has_place = parent && parent->depth < KV_TREE_DEPTH_MAX &&
                         parent->head.n_before + parent->head.n_tokens == head->n_before;
        if (has_place && tree->n_entries < KV_TREE_ENTRIES_MAX) {
            struct kv_entry *entry = kv_tree_add(tree, parent, head, found[i].tokens, found[i].file_bytes);
            entry->used_ms = entry->touched_ms = found[i].used_ms;
            entry->is_written = true;
        } else {
            on_orphan(ctx, &(struct kv_entry){ .head = *head });
        }
    }
    order(tree);
}

static int count_common(const struct kv_entry *entry, const int32_t *tokens, int n_tokens) {
    int n_max = entry->head.n_tokens < n_tokens ? entry->head.n_tokens : n_tokens;
    int n = 0;
    while (n < n_max && entry->tokens[n] == tokens[n]) {
        n++;
    }
    return n;
}

struct walk {
    const int32_t *tokens;
    int n_tokens;
    bool only_written;
    bool parts; /* the beginning of an entry counts too */
    const struct kv_entry *best;
    int n_best;
};

/* Looks at all children: one may be the beginning of another. */
static void walk_from(struct walk *walk, const struct kv_entry *entry, int n_before) {
    for (const struct kv_entry *child = entry->first_child; child; child = child->next_sibling) {
        int n = count_common(child, walk->tokens + n_before, walk->n_tokens - n_before);
        bool is_whole = n == child->head.n_tokens;
        if (n == 0 || (walk->only_written && !child->is_written) || !(is_whole || walk->parts)) {
            continue;
        }
        if (n_before + n > walk->n_best) {
            walk->best = child;
            walk->n_best = n_before + n;
        }
        if (is_whole) {
            walk_from(walk, child, n_before + n);
        }
    }
}

static struct kv_entry *run_walk(const struct kv_tree *tree, struct walk *walk, int *n) {
    walk_from(walk, &tree->root, 0);
    *n = walk->n_best;
    return (struct kv_entry *)(uintptr_t)walk->best;
}

struct kv_entry *kv_tree_walk(const struct kv_tree *tree, const int32_t *tokens, int n_tokens,
                              bool only_written, int *n_covered) {
    struct walk walk = { .tokens = tokens, .n_tokens = n_tokens, .only_written = only_written };
    return run_walk(tree, &walk, n_covered);
}

struct kv_entry *kv_tree_reach(const struct kv_tree *tree, const int32_t *tokens, int n_tokens,
                               int *n_reached) {
    struct walk walk = { .tokens = tokens, .n_tokens = n_tokens, .only_written = true, .parts = true };
    return run_walk(tree, &walk, n_reached);
}

struct forgetting {
    struct kv_tree *tree;
    const struct kv_id *owner;
    kv_on_remove on_remove;
    kv_on_remove on_owner;
    void *ctx;
};

static void forget_below(const struct forgetting *forgetting, struct kv_entry *entry) {
    for (struct kv_entry *child = entry->first_child, *next; child; child = next) {
        next = child->next_sibling;
        forget_below(forgetting, child);
        if (!kv_id_equals(&child->head.owner, forgetting->owner)) {
            continue;
        }
        if (child->first_child) { /* somebody else's: its own would be gone */
            child->head.owner = child->first_child->head.owner;
            forgetting->on_owner(forgetting->ctx, child);
        } else {
            kv_tree_remove(forgetting->tree, child, forgetting->on_remove, forgetting->ctx);
        }
    }
}

void kv_tree_forget(struct kv_tree *tree, const struct kv_id *owner, kv_on_remove on_remove,
                    kv_on_remove on_owner, void *ctx) {
    struct forgetting forgetting = {
        .tree = tree, .owner = owner, .on_remove = on_remove, .on_owner = on_owner, .ctx = ctx
    };
    forget_below(&forgetting, &tree->root);
}
