/* The tree of files against plain lists of tokens. */
#include "kv_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define N_ROUNDS   4000
#define N_WAYS_MAX 400
#define WAY_MAX    24

/* What one file ends at: all the tokens from the beginning. */
struct way {
    struct kv_id key;
    int32_t tokens[WAY_MAX];
    int n;
    int owner;
};

struct plain {
    struct way ways[N_WAYS_MAX];
    size_t n;
};

static struct kv_id owner_of(int number) {
    return kv_id_of(&number, sizeof number);
}

static int common(const int32_t *a, int n_a, const int32_t *b, int n_b) {
    int n = 0;
    while (n < n_a && n < n_b && a[n] == b[n]) {
        n++;
    }
    return n;
}

static int random_tokens(int32_t *out) {
    int n = 1 + rand() % WAY_MAX;
    for (int i = 0; i < n; i++) {
        out[i] = rand() % 2;
    }
    return n;
}

static void on_remove(void *ctx, const struct kv_entry *entry) {
    struct plain *plain = ctx;
    for (size_t i = 0; i < plain->n; i++) {
        if (kv_id_equals(&plain->ways[i].key, &entry->head.key)) {
            plain->ways[i] = plain->ways[--plain->n];
            return;
        }
    }
    fail();
}

static void on_owner(void *ctx, const struct kv_entry *entry) {
    struct plain *plain = ctx;
    for (size_t i = 0; i < plain->n; i++) {
        for (int owner = 0; kv_id_equals(&plain->ways[i].key, &entry->head.key) && owner < 4; owner++) {
            struct kv_id id = owner_of(owner);
            plain->ways[i].owner = kv_id_equals(&id, &entry->head.owner) ? owner : plain->ways[i].owner;
        }
    }
}

/* How many of the tokens whole files hold; with `parts` the beginning of one counts. */
static int plain_reach(const struct plain *plain, const int32_t *tokens, int n, bool parts) {
    int best = 0;
    for (size_t i = 0; i < plain->n; i++) {
        const struct way *way = &plain->ways[i];
        int n_common = common(way->tokens, way->n, tokens, n);
        best = (parts || n_common == way->n) && n_common > best ? n_common : best;
    }
    return best;
}

/* As the engine does: behind what is there. */
static void add(struct kv_tree *tree, struct plain *plain, int64_t now) {
    int32_t tokens[WAY_MAX];
    int n_before;
    int n = random_tokens(tokens);
    struct kv_entry *parent = kv_tree_walk(tree, tokens, n, false, &n_before);
    assert_int_equal(n_before, plain_reach(plain, tokens, n, false));
    if (n_before == n || plain->n == N_WAYS_MAX) {
        return;
    }
    int owner = rand() % 4;
    struct kv_head head = { .owner = owner_of(owner), .n_before = n_before, .n_tokens = n - n_before };
    if (parent) {
        head.parent = parent->head.key;
    }
    head.key = kv_file_key(&head.kind, &head.parent, n_before, tokens + n_before, n - n_before);
    struct kv_entry *entry = kv_tree_add(tree, parent, &head, tokens + n_before, 10);
    entry->is_written = true;
    kv_tree_use(tree, entry, now);
    struct way *way = &plain->ways[plain->n++];
    *way = (struct way){ .key = head.key, .n = n, .owner = owner };
    memcpy(way->tokens, tokens, sizeof tokens);
}

static void check(const struct kv_tree *tree, const struct plain *plain) {
    int32_t tokens[WAY_MAX];
    int n = random_tokens(tokens);
    int n_found;
    struct kv_entry *end = kv_tree_reach(tree, tokens, n, &n_found);
    assert_int_equal(n_found, plain_reach(plain, tokens, n, true));
    assert_true((end == NULL) == (n_found == 0));
    assert_int_equal(tree->n_entries, plain->n);
    assert_int_equal(tree->n_bytes, 10 * plain->n);
    /* An entry comes behind all that stand on it. */
    LIST_EACH(node, &tree->by_use) {
        const struct kv_entry *entry = CONTAINER_OF(node, struct kv_entry, node);
        for (const struct kv_entry *child = entry->first_child; child; child = child->next_sibling) {
            assert_true(child->used_ms <= entry->used_ms);
        }
    }
    if (tree->n_entries > 0) {
        assert_null(kv_tree_oldest(tree)->first_child);
    }
}

/* Nothing is this one's any more, and nothing of the others is gone; what they stand on is theirs. */
static void forget(struct kv_tree *tree, struct plain *plain) {
    int owner = rand() % 4;
    struct kv_id id = owner_of(owner);
    static struct plain before;
    before = *plain;
    kv_tree_forget(tree, &id, on_remove, on_owner, plain);
    for (size_t i = 0; i < plain->n; i++) {
        assert_int_not_equal(plain->ways[i].owner, owner);
    }
    for (size_t i = 0; i < before.n; i++) {
        assert_true(before.ways[i].owner == owner || kv_tree_find(tree, &before.ways[i].key));
    }
    LIST_EACH(node, &tree->by_use) {
        const struct kv_entry *entry = CONTAINER_OF(node, struct kv_entry, node);
        assert_false(kv_id_equals(&entry->head.owner, &id));
    }
}

static void test_the_tree_finds_what_plain_lists_find(void **state) {
    (void)state;
    static struct plain plain;
    struct kv_tree tree;
    const char *given = getenv("RUNNEL_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("RUNNEL_SEED=%u\n", seed);
    srand(seed);
    kv_tree_init(&tree);
    for (int round = 1; round < N_ROUNDS; round++) {
        if (rand() % 4) {
            add(&tree, &plain, round);
        } else if (tree.n_entries > 0 && rand() % 2) {
            kv_tree_remove(&tree, kv_tree_oldest(&tree), on_remove, &plain);
        } else if (plain.n > 0 && rand() % 2) {
            kv_tree_use(&tree, kv_tree_find(&tree, &plain.ways[(size_t)rand() % plain.n].key), round);
        } else if (rand() % 20 == 0) {
            forget(&tree, &plain);
        } else if (plain.n > 0 && rand() % 10 == 0) {
            kv_tree_remove(&tree, kv_tree_find(&tree, &plain.ways[(size_t)rand() % plain.n].key), on_remove,
                           &plain);
        }
        check(&tree, &plain);
    }
    kv_tree_deinit(&tree);
}

static void count_orphan(void *ctx, const struct kv_entry *entry) {
    (void)entry;
    ++*(int *)ctx;
}

static void test_files_without_a_parent_are_told(void **state) {
    (void)state;
    struct kv_tree tree;
    int32_t tokens[] = { 1, 2, 3, 4 };
    int n_orphans = 0;
    int n_covered;
    struct kv_head first = { .key = kv_id_of("1", 1), .n_tokens = 2 };
    struct kv_head second = { .key = kv_id_of("2", 1), .parent = first.key, .n_before = 2, .n_tokens = 2 };
    struct kv_head lost = {
        .key = kv_id_of("3", 1), .parent = kv_id_of("4", 1), .n_before = 2, .n_tokens = 1
    };
    struct kv_head wrong = { .key = kv_id_of("5", 1), .parent = first.key, .n_before = 3, .n_tokens = 1 };
    const struct kv_found found[] = {
        { .head = first, .tokens = tokens, .used_ms = 5 },
        { .head = second, .tokens = tokens + 2, .used_ms = 9 },
        { .head = lost, .tokens = tokens + 2 },
        { .head = wrong, .tokens = tokens + 3 },
    };
    kv_tree_init(&tree);
    kv_tree_add_found(&tree, found, 4, count_orphan, &n_orphans);
    assert_int_equal(n_orphans, 2);
    assert_non_null(kv_tree_walk(&tree, tokens, 4, true, &n_covered));
    assert_int_equal(n_covered, 4);
    /* The first was used when the second was. */
    assert_int_equal(kv_tree_find(&tree, &first.key)->used_ms, 9);
    assert_ptr_equal(kv_tree_oldest(&tree), kv_tree_find(&tree, &second.key));
    kv_tree_deinit(&tree);
}

static void test_a_way_has_a_limit(void **state) {
    (void)state;
    static struct kv_found found[KV_TREE_DEPTH_MAX + 3];
    struct kv_tree tree;
    int32_t token = 1;
    int n_orphans = 0;
    struct kv_id key = { 0 };
    for (int i = 0; i < KV_TREE_DEPTH_MAX + 3; i++) {
        struct kv_head head = { .parent = key, .n_before = i, .n_tokens = 1 };
        key = head.key = kv_id_of(&i, sizeof i);
        found[i] = (struct kv_found){ .head = head, .tokens = &token };
    }
    kv_tree_init(&tree);
    kv_tree_add_found(&tree, found, KV_TREE_DEPTH_MAX + 3, count_orphan, &n_orphans);
    assert_int_equal(n_orphans, 3);
    kv_tree_deinit(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_without_a_parent_are_told),
        cmocka_unit_test(test_a_way_has_a_limit),
        cmocka_unit_test(test_the_tree_finds_what_plain_lists_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
