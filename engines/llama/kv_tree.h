/* kv_tree.h - the files of one kind as a tree: each holds some tokens behind those of its parent.
 *
 * A way from the root is a beginning of some prompt. Files have any length: a turn of a conversation adds one behind the others, and
 * conversations that begin alike have the same first files.
 *
 * The entries are also in the order of their last use. Using one uses all before it, so an entry comes behind its descendants in that order,
 * and giving up the first of it never cuts a way in two.
 *
 * Owner   whoever declares it.
 * Thread  one at a time.
 * Memory  kv_tree_add copies; kv_tree_deinit frees all.
 * Limits  KV_TREE_ENTRIES_MAX and KV_TREE_DEPTH_MAX, to be kept by the owner.
 */
#ifndef RUNNEL_ENGINES_LLAMA_KV_TREE_H
#define RUNNEL_ENGINES_LLAMA_KV_TREE_H

#include "kv_file.h"

#include "base/list.h"

#define KV_TREE_ENTRIES_MAX 65536
#define KV_TREE_BUCKETS     4096
#define KV_TREE_DEPTH_MAX   4096 /* files on a way: looks at them go as deep on the stack */

struct kv_entry {
    struct list_node node; /* in the order of use */
    struct kv_entry *parent;
    struct kv_entry *first_child;
    struct kv_entry *next_sibling;
    struct kv_entry *next_in_bucket;
    struct kv_head head;
    int32_t *tokens;
    uint64_t file_bytes;
    int64_t used_ms;    /* wall clock: when it was used last */
    int64_t touched_ms; /* and what the disk knows of that */
    int depth;          /* files before it, and itself */
    bool is_written;    /* it can be read; else it is on its way to the disk */
};

/* A file that was found. Of another kind only its place, size and age are known. */
struct kv_found {
    struct kv_head head;
    int32_t *tokens; /* NULL: of another kind */
    uint64_t file_bytes;
    int64_t used_ms; /* wall clock */
};

struct kv_tree {
    struct kv_entry root; /* no file: the empty beginning */
    struct list_node by_use;
    struct kv_entry *buckets[KV_TREE_BUCKETS]; /* by key */
    size_t n_entries;
    uint64_t n_bytes;
};

/* `entry` is valid during the call. */
typedef void (*kv_on_remove)(void *ctx, const struct kv_entry *entry);

void kv_tree_init(struct kv_tree *tree);
void kv_tree_deinit(struct kv_tree *tree);

/* kv_tree_add: behind `parent` (NULL: the first tokens). The newest in use. */
struct kv_entry *kv_tree_add(struct kv_tree *tree, struct kv_entry *parent, const struct kv_head *head,
                             const int32_t *tokens, uint64_t file_bytes);

/* kv_tree_add_found adds the files of one kind into an empty tree; `found` is sorted by n_before. Those whose parent is not there serve
 * nobody, nor do those that are too deep or too many: `on_orphan` is told. */
void kv_tree_add_found(struct kv_tree *tree, const struct kv_found *found, size_t n_found,
                       kv_on_remove on_orphan, void *ctx);

/* kv_tree_remove frees an entry and all behind it; `on_remove` is told of each before. */
void kv_tree_remove(struct kv_tree *tree, struct kv_entry *entry, kv_on_remove on_remove, void *ctx);

/* kv_tree_use: it and all before it were used now. */
void kv_tree_use(struct kv_tree *tree, struct kv_entry *entry, int64_t now_ms);

/* The one that was not used for the longest time; NULL: there is none. */
struct kv_entry *kv_tree_oldest(const struct kv_tree *tree);

struct kv_entry *kv_tree_find(const struct kv_tree *tree, const struct kv_id *key);

/* kv_tree_walk finds the longest beginning of the tokens that consists of whole entries: the last of them (NULL: none), and how
 * many tokens it ends at. With `only_written` those that are still being written do not count. */
struct kv_entry *kv_tree_walk(const struct kv_tree *tree, const int32_t *tokens, int n_tokens,
                              bool only_written, int *n_covered);

/* kv_tree_reach is the same where the beginning of an entry will do: how many of the tokens it and those before it give, in
 * *n_reached. */
struct kv_entry *kv_tree_reach(const struct kv_tree *tree, const int32_t *tokens, int n_tokens,
                               int *n_reached);

/* kv_tree_forget removes what only this owner has. What others have built on gets one of them as its owner, and `on_owner` is told. */
void kv_tree_forget(struct kv_tree *tree, const struct kv_id *owner, kv_on_remove on_remove,
                    kv_on_remove on_owner, void *ctx);

#endif
