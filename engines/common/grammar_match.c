/* grammar_match.c - a stack of levels, one for each byte that is tried behind the text; a level is the ways to read it up to there.
 *
 * A way is a state of the grammar and the call that it is in: a node. A node's links say where to go on when its rule is over. Nodes and
 * links are only added for the level under way, so a level is dropped by forgetting what came with it. */
#include "common/grammar_match.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS_MAX     (GRAMMAR_WORD_BYTES_MAX + 1)
#define WAYS_MAX       (GRAMMAR_MATCH_STATES_MAX * 8) /* of all levels together */
#define TABLE_SIZE     (GRAMMAR_MATCH_STATES_MAX * 4) /* a power of two */
#define TABLE_FILL_MAX (TABLE_SIZE / 2)
#define WORK_BYTE_MAX  (1u << 18)
#define WORK_MAX       (1u << 26) /* of one filter: about a second */
#define NO_LINK        UINT32_MAX
#define ROOT           0u /* the node of the root rule's call, which nothing follows */
#define NODES_TIDY_MIN 1024

/* Keys of what a level has: a way (a state in a call), the call of a rule, a link. */
#define STATE_BITS 18
#define OPEN_BITS  20
#define NODE_BITS  14
#define KEY_CALL   ((uint64_t)1 << 63)
#define KEY_LINK   ((uint64_t)1 << 62)

static_assert(GRAMMAR_STATES_MAX == 1u << STATE_BITS && GRAMMAR_MATCH_OPEN_MAX == 1u << OPEN_BITS,
              "a state and a node fit into a key");

struct way {
    uint32_t state;
    uint32_t node;
};

struct node {
    uint32_t first_link;
    bool is_over; /* its rule could be over where it began: links that come later are followed at once */
};

struct link {
    uint32_t state;
    uint32_t node;
    uint32_t next;
};

struct level {
    size_t first_way;
    size_t n_ways;
    size_t n_nodes; /* before it */
    size_t n_links;
    bool may_end;
};

/* A set of what the level under way has: forgotten by a new stamp. */
struct entry {
    uint64_t key;
    uint32_t stamp;
    uint32_t value;
};

struct grammar_match {
    const struct grammar *grammar;
    struct way *ways;
    size_t n_ways;
    struct node *nodes;
    size_t n_nodes;
    size_t nodes_capacity;
    struct link *links;
    size_t n_links;
    size_t links_capacity;
    struct level levels[LEVELS_MAX + 1];
    size_t n_levels; /* the last one is the one under way; levels[0] is where the text is */
    struct entry *table;
    uint32_t stamp;
    size_t n_entries;
    size_t n_work;
    size_t n_nodes_tidy; /* beyond it what is dead is dropped */
    bool has_failed;
};

static struct level *top(struct grammar_match *match) {
    return &match->levels[match->n_levels - 1];
}

/* Counts a piece of work; false: there was too much. */
static bool work(struct grammar_match *match, size_t n) {
    match->n_work += n;
    return !match->has_failed;
}

static bool fail(struct grammar_match *match) {
    match->has_failed = true;
    return false;
}

/* ---- The set of the level under way ---- */

/* The entry of a key; *is_new: it was not there. NULL: the table is full. */
static struct entry *find(struct grammar_match *match, uint64_t key, bool *is_new) {
    uint64_t hash = (key ^ (key >> 29)) * 0x9E3779B97F4A7C15u;
    for (size_t at = (size_t)(hash >> 40);; at++) {
        struct entry *entry = &match->table[at & (TABLE_SIZE - 1)];
        match->n_work++;
        if (entry->stamp == match->stamp && entry->key == key) {
            *is_new = false;
            return entry;
        }
        if (entry->stamp != match->stamp) {
            if (++match->n_entries > TABLE_FILL_MAX) {
                fail(match);
                return NULL;
            }
            *entry = (struct entry){ .key = key, .stamp = match->stamp };
            *is_new = true;
            return entry;
        }
    }
}

static void forget_set(struct grammar_match *match) {
    match->n_entries = 0;
    if (++match->stamp == 0) {
        memset(match->table, 0, TABLE_SIZE * sizeof *match->table);
        match->stamp = 1;
    }
}

/* ---- One level ---- */

static void add_way(struct grammar_match *match, uint32_t state, uint32_t node) {
    bool is_new;
    const struct entry *entry = find(match, (uint64_t)state << OPEN_BITS | node, &is_new);
    if (entry == NULL || !is_new) {
        return;
    }
    if (match->n_ways == WAYS_MAX || top(match)->n_ways == GRAMMAR_MATCH_STATES_MAX) {
        fail(match);
        return;
    }
    match->ways[match->n_ways++] = (struct way){ .state = state, .node = node };
    top(match)->n_ways++;
}

static uint32_t new_node(struct grammar_match *match) {
    if (match->n_nodes == GRAMMAR_MATCH_OPEN_MAX) {
        fail(match);
        return ROOT;
    }
    match->nodes = mem_grow_array(match->nodes, match->n_nodes, &match->nodes_capacity, sizeof *match->nodes,
                                  GRAMMAR_MATCH_OPEN_MAX);
    match->nodes[match->n_nodes] = (struct node){ .first_link = NO_LINK };
    return (uint32_t)match->n_nodes++;
}

/* `to` is a node of the level under way: its number there takes NODE_BITS of the key. */
static void add_link(struct grammar_match *match, uint32_t to, uint32_t state, uint32_t node) {
    bool is_new;
    uint64_t number = to - top(match)->n_nodes;
    if (number >> NODE_BITS) {
        fail(match);
        return;
    }
    uint64_t key = KEY_LINK | (number << STATE_BITS | state) << OPEN_BITS | node;
    if (find(match, key, &is_new) == NULL || !is_new) {
        return;
    }
    if (match->n_links == 2 * GRAMMAR_MATCH_OPEN_MAX) {
        fail(match);
        return;
    }
    match->links = mem_grow_array(match->links, match->n_links, &match->links_capacity, sizeof *match->links,
                                  2 * GRAMMAR_MATCH_OPEN_MAX);
    match->links[match->n_links] =
        (struct link){ .state = state, .node = node, .next = match->nodes[to].first_link };
    match->nodes[to].first_link = (uint32_t)match->n_links++;
    if (match->nodes[to].is_over) {
        add_way(match, state, node);
    }
}

/* A call that nothing follows comes back to where its caller would: a list that calls itself last does not grow. The links of a node of
 * the level under way are not known yet. */
static bool comes_back_beyond(struct grammar_match *match, uint32_t target, uint32_t node) {
    return match->grammar->states[target].is_tail && node != ROOT && node < top(match)->n_nodes;
}

static void call(struct grammar_match *match, const struct grammar_edge *edge, uint32_t node) {
    bool is_new;
    struct entry *entry = find(match, KEY_CALL | edge->rule, &is_new);
    if (entry == NULL) {
        return;
    }
    if (is_new) {
        entry->value = new_node(match);
        add_way(match, match->grammar->rules[edge->rule].start, entry->value);
    }
    uint32_t called = entry->value;
    if (!comes_back_beyond(match, edge->target, node)) {
        add_link(match, called, edge->target, node);
        return;
    }
    for (uint32_t at = match->nodes[node].first_link; at != NO_LINK; at = match->links[at].next) {
        add_link(match, called, match->links[at].state, match->links[at].node);
    }
}

static void come_back(struct grammar_match *match, uint32_t node) {
    if (node == ROOT) {
        top(match)->may_end = true;
        return;
    }
    match->nodes[node].is_over = node >= top(match)->n_nodes;
    for (uint32_t at = match->nodes[node].first_link; at != NO_LINK; at = match->links[at].next) {
        add_way(match, match->links[at].state, match->links[at].node);
    }
}

/* Adds all that can be reached without a byte. */
static void close_level(struct grammar_match *match) {
    const struct grammar *grammar = match->grammar;
    size_t n_before = match->n_work;
    for (size_t i = top(match)->first_way; i < match->n_ways && work(match, 1); i++) {
        struct way way = match->ways[i];
        const struct grammar_state *state = &grammar->states[way.state];
        if (state->is_end) {
            come_back(match, way.node);
        }
        for (uint32_t at = state->first_edge; at != GRAMMAR_NO_STATE; at = grammar->edges[at].next) {
            const struct grammar_edge *edge = &grammar->edges[at];
            match->n_work++;
            if (edge->kind == GRAMMAR_EMPTY) {
                add_way(match, edge->target, way.node);
            } else if (edge->kind == GRAMMAR_CALL) {
                call(match, edge, way.node);
            }
        }
        if (match->n_work - n_before > WORK_BYTE_MAX) {
            fail(match);
        }
    }
}

static void begin_level(struct grammar_match *match) {
    assert(match->n_levels <= LEVELS_MAX);
    match->levels[match->n_levels++] =
        (struct level){ .first_way = match->n_ways, .n_nodes = match->n_nodes, .n_links = match->n_links };
    forget_set(match);
}

static void drop_levels(struct grammar_match *match, size_t n_left) {
    while (match->n_levels > n_left) {
        const struct level *level = top(match);
        match->n_ways = level->first_way;
        match->n_nodes = level->n_nodes;
        match->n_links = level->n_links;
        match->n_levels--;
    }
}

/* A new level behind the last one; false: the byte does not fit, and there is none. */
static bool push(struct grammar_match *match, char byte) {
    const struct grammar *grammar = match->grammar;
    const struct level below = *top(match);
    uint8_t value = (uint8_t)byte;
    begin_level(match);
    for (size_t i = below.first_way; i < below.first_way + below.n_ways && work(match, 1); i++) {
        struct way way = match->ways[i];
        uint32_t at = grammar->states[way.state].first_edge;
        for (; at != GRAMMAR_NO_STATE; at = grammar->edges[at].next) {
            const struct grammar_edge *edge = &grammar->edges[at];
            match->n_work++;
            if (edge->kind == GRAMMAR_BYTES && value >= edge->lowest && value <= edge->highest) {
                add_way(match, edge->target, way.node);
            }
        }
    }
    close_level(match);
    bool fits = top(match)->n_ways > 0 && !match->has_failed;
    if (!fits) {
        drop_levels(match, match->n_levels - 1);
    }
    return fits;
}

static bool push_all(struct grammar_match *match, const char *bytes, size_t n) {
    bool fits = n <= GRAMMAR_WORD_BYTES_MAX && !match->has_failed;
    for (size_t i = 0; i < n && fits; i++) {
        fits = push(match, bytes[i]);
    }
    return fits;
}

/* ---- Dropping what nobody can come back to ---- */

static void mark(const struct grammar_match *match, uint32_t *places, uint32_t *stack) {
    size_t n_stack = 0;
    memset(places, 0, match->n_nodes * sizeof *places);
    for (size_t i = 0; i < match->n_ways; i++) {
        if (!places[match->ways[i].node]) {
            places[match->ways[i].node] = 1;
            stack[n_stack++] = match->ways[i].node;
        }
    }
    while (n_stack > 0) {
        uint32_t at = match->nodes[stack[--n_stack]].first_link;
        for (; at != NO_LINK; at = match->links[at].next) {
            if (!places[match->links[at].node]) {
                places[match->links[at].node] = 1;
                stack[n_stack++] = match->links[at].node;
            }
        }
    }
}

static void move_links(struct grammar_match *match, const uint32_t *places, struct link *links) {
    size_t n = 0;
    for (size_t i = 0; i < match->n_nodes; i++) {
        uint32_t *first = &match->nodes[i].first_link;
        uint32_t at = *first;
        *first = NO_LINK;
        for (; at != NO_LINK; at = match->links[at].next) {
            links[n] = (struct link){ .state = match->links[at].state,
                                      .node = places[match->links[at].node],
                                      .next = *first };
            *first = (uint32_t)n++;
        }
    }
    memcpy(match->links, links, n * sizeof *links);
    match->n_links = n;
}

/* Only level 0 is there. */
static void tidy(struct grammar_match *match) {
    uint32_t *places = mem_alloc(match->n_nodes * sizeof *places);
    uint32_t *stack = mem_alloc(match->n_nodes * sizeof *stack);
    struct link *links = mem_alloc((match->n_links + 1) * sizeof *links);
    uint32_t n = 0;
    mark(match, places, stack);
    for (size_t i = 0; i < match->n_nodes; i++) {
        if (places[i] || i == ROOT) {
            match->nodes[n] = match->nodes[i];
            places[i] = n++;
        }
    }
    match->n_nodes = n;
    move_links(match, places, links);
    for (size_t i = 0; i < match->n_ways; i++) {
        match->ways[i].node = places[match->ways[i].node];
    }
    match->n_nodes_tidy = 2 * n > NODES_TIDY_MIN ? 2 * n : NODES_TIDY_MIN;
    free(places);
    free(stack);
    free(links);
}

/* The last level becomes level 0. */
static void settle(struct grammar_match *match) {
    struct level level = *top(match);
    memmove(match->ways, match->ways + level.first_way, level.n_ways * sizeof *match->ways);
    match->n_ways = level.n_ways;
    level.first_way = 0;
    match->levels[0] = level;
    match->n_levels = 1;
    if (match->n_nodes > match->n_nodes_tidy) {
        tidy(match);
    }
}

/* ---- For others ---- */

enum status grammar_match_new(const struct grammar *grammar, struct grammar_match **out) {
    struct grammar_match *match = mem_alloc(sizeof *match);
    match->grammar = grammar;
    match->ways = mem_alloc(WAYS_MAX * sizeof *match->ways);
    match->table = mem_alloc(TABLE_SIZE * sizeof *match->table);
    match->n_nodes_tidy = NODES_TIDY_MIN;
    new_node(match); /* ROOT */
    begin_level(match);
    add_way(match, grammar->rules[grammar->root].start, ROOT);
    close_level(match);
    *out = match;
    return match->has_failed ? STATUS_TOO_LARGE : STATUS_OK;
}

void grammar_match_free(struct grammar_match *match) {
    if (match) {
        free(match->ways);
        free(match->nodes);
        free(match->links);
        free(match->table);
        free(match);
    }
}

enum status grammar_match_take(struct grammar_match *match, const char *bytes, size_t n) {
    for (size_t at = 0; at < n;) {
        size_t n_piece = n - at < GRAMMAR_WORD_BYTES_MAX ? n - at : GRAMMAR_WORD_BYTES_MAX;
        if (!push_all(match, bytes + at, n_piece)) {
            drop_levels(match, 1);
            return match->has_failed ? STATUS_TOO_LARGE : STATUS_INVALID;
        }
        settle(match);
        at += n_piece;
    }
    return STATUS_OK;
}

bool grammar_match_fits(struct grammar_match *match, const char *bytes, size_t n) {
    bool fits = push_all(match, bytes, n);
    drop_levels(match, 1);
    return fits;
}

bool grammar_match_may_end(const struct grammar_match *match) {
    return match->levels[0].may_end;
}

bool grammar_match_has_failed(const struct grammar_match *match) {
    return match->has_failed;
}

static int compare(const void *a, const void *b) {
    const struct grammar_word *left = a;
    const struct grammar_word *right = b;
    size_t n = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->bytes, right->bytes, n);
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

void grammar_words_sort(struct grammar_word *words, size_t n) {
    qsort(words, n, sizeof *words, compare);
}

static size_t shared_size(const struct grammar_word *a, const struct grammar_word *b) {
    size_t n = a->size < b->size ? a->size : b->size;
    size_t i = 0;
    while (i < n && a->bytes[i] == b->bytes[i]) {
        i++;
    }
    return i;
}

void grammar_match_filter(struct grammar_match *match, const struct grammar_word *words, size_t n,
                          bool *fits) {
    size_t n_fitting = 0; /* bytes of the word before: so many levels are there */
    size_t n_before = match->n_work;
    for (size_t i = 0; i < n && !match->has_failed; i++) {
        size_t n_shared = i > 0 ? shared_size(&words[i - 1], &words[i]) : 0;
        if (n_shared > n_fitting) {
            continue; /* its beginning did not fit */
        }
        size_t size = words[i].size < GRAMMAR_WORD_BYTES_MAX ? words[i].size : GRAMMAR_WORD_BYTES_MAX;
        n_fitting = n_shared < size ? n_shared : size;
        drop_levels(match, 1 + n_fitting);
        while (n_fitting < size && push(match, words[i].bytes[n_fitting])) {
            n_fitting++;
        }
        fits[words[i].token] = fits[words[i].token] || (size > 0 && n_fitting == words[i].size);
        if (match->n_work - n_before > WORK_MAX) {
            fail(match);
        }
    }
    drop_levels(match, 1);
}
