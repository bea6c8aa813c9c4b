/* The slots against a plain model of them: random prompts that often begin alike, branches, evictions, cuts. After each step every
 * slot holds what the plain model says, and the library's cache has as many cells left as the slots count. */
#include "slots.h"

#include "backend.h"

#include "base/mem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MODEL_PATH "tiny.gguf"
#define N_CELLS    256
#define N_SLOTS    6
#define N_ROUNDS   1500
#define PROMPT_MAX 90
#define TOKEN_A    'a'

/* What a sequence must hold. */
struct plain {
    llama_token tokens[N_CELLS];
    int n_tokens;
};

struct world {
    struct model model;
    struct llama_context *fresh; /* another cache, to compare what a sequence says with */
    struct slots slots;
    struct llama_batch batch;
    struct plain plain[N_SLOTS];
    bool is_told[N_SLOTS]; /* that it may lose its tokens, since it was busy */
};

static struct llama_context *open_context(struct llama_model *weights) {
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = N_CELLS;
    params.n_batch = params.n_ubatch = N_CELLS;
    params.n_seq_max = N_SLOTS + 1;
    params.kv_unified = true;
    params.n_threads = params.n_threads_batch = 1;
    return llama_init_from_model(weights, params);
}

static void on_evict(void *ctx, struct slot *slot) {
    struct world *world = ctx;
    world->is_told[slot->id] = true;
}

/* Whatever an idle slot has lost, it was said before. */
static void take_losses(struct world *world) {
    for (int i = 0; i < N_SLOTS; i++) {
        if (world->slots.list[i].n_tokens == 0 && world->plain[i].n_tokens > 0) {
            assert_true(world->is_told[i]);
            world->plain[i].n_tokens = 0;
        }
    }
}

static void begin(struct world *world) {
    struct fault fault;
    assert_true(backend_init(&fault));
    *world = (struct world){ .model = { .n_context = N_CELLS, .n_slots = N_SLOTS, .can_cut = true } };
    world->model.weights = llama_model_load_from_file(MODEL_PATH, llama_model_default_params());
    assert_non_null(world->model.weights);
    world->model.context = open_context(world->model.weights);
    world->fresh = open_context(world->model.weights);
    world->model.memory = llama_get_memory(world->model.context);
    slots_init(&world->slots, &world->model);
    world->slots.on_evict = on_evict;
    world->slots.ctx = world;
    world->batch = llama_batch_init(N_CELLS, 0, 1);
}

static void finish(struct world *world) {
    slots_deinit(&world->slots);
    llama_batch_free(world->batch);
    llama_free(world->fresh);
    llama_free(world->model.context);
    llama_model_free(world->model.weights);
    backend_deinit();
}

/* Computes tokens in a sequence, from a position on; 0: done. */
static int compute(struct world *world, struct llama_context *context, llama_seq_id id, int position,
                   const llama_token *tokens, int n_tokens) {
    struct llama_batch *batch = &world->batch;
    batch->n_tokens = 0;
    for (int i = 0; i < n_tokens; i++) {
        int at = batch->n_tokens++;
        batch->token[at] = tokens[i];
        batch->pos[at] = position + i;
        batch->n_seq_id[at] = 1;
        batch->seq_id[at][0] = id;
        batch->logits[at] = i == n_tokens - 1;
    }
    return n_tokens > 0 ? llama_decode(context, *batch) : 0;
}

/* ---- The steps ---- */

/* Many prompts have a beginning in common; three letters make accidents likely. */
static int random_prompt(const struct world *world, llama_token *prompt) {
    int n = 0;
    if (rand() % 3 > 0) {
        const struct plain *plain = &world->plain[rand() % N_SLOTS];
        n = plain->n_tokens > 0 ? rand() % (plain->n_tokens + 1) : 0;
        n = n < PROMPT_MAX - 20 ? n : PROMPT_MAX - 20;
        memcpy(prompt, plain->tokens, (size_t)n * sizeof *prompt);
    }
    int n_new = 1 + rand() % 20;
    for (int i = 0; i < n_new; i++) {
        prompt[n++] = TOKEN_A + rand() % 3;
    }
    return n;
}

static int count_common(const struct plain *plain, const llama_token *prompt, int n_max) {
    int n = 0;
    while (n < plain->n_tokens && n < n_max && plain->tokens[n] == prompt[n]) {
        n++;
    }
    return n;
}

/* What the best of them could give. `is_sure`: of those that have room in the cache, if they are not in it. */
static int count_best(const struct world *world, const llama_token *prompt, int n_prompt, bool is_sure) {
    int n_room = N_CELLS - slots_count_busy_cells(&world->slots);
    int best = 0;
    for (int i = 0; i < N_SLOTS; i++) {
        int n = count_common(&world->plain[i], prompt, n_prompt - 1);
        bool is_there = world->slots.list[i].is_busy || world->plain[i].n_tokens <= n_room;
        best = n > best && (is_there || !is_sure) ? n : best;
    }
    return best;
}

static int count_in_cache(const struct world *world, const llama_token *prompt, int n_prompt) {
    int best = 0;
    for (int i = 0; i < N_SLOTS; i++) {
        int n = world->slots.list[i].parked ? 0 : count_common(&world->plain[i], prompt, n_prompt - 1);
        best = n > best ? n : best;
    }
    return best;
}

static bool has_free_slot(const struct world *world) {
    for (int i = 0; i < N_SLOTS; i++) {
        if (!world->slots.list[i].is_busy) {
            return true;
        }
    }
    return false;
}

static void check_reuse(int n_reused, int n_sure, int n_best) {
    assert_true(n_reused <= n_best);
    assert_true(n_sure - n_reused < SLOTS_SHARED_TOKENS_MIN);
}

/* Takes a slot for a prompt and computes some of it, or all. */
static void take(struct world *world) {
    llama_token prompt[PROMPT_MAX];
    char key[2] = { (char)('A' + rand() % 4), '\0' };
    int n_prompt = random_prompt(world, prompt);
    int n_best = count_best(world, prompt, n_prompt, false);
    int n_sure = count_best(world, prompt, n_prompt, true);
    bool may = has_free_slot(world);
    struct slot *slot = slots_take(&world->slots, rand() % 4 ? key : NULL, prompt, n_prompt);
    assert_int_equal(slot != NULL, may);
    if (slot == NULL) {
        return;
    }
    struct plain *plain = &world->plain[slot->id];
    world->is_told[slot->id] = false;
    check_reuse(slot->n_tokens, n_sure, n_best);
    memcpy(plain->tokens, prompt, sizeof prompt);
    plain->n_tokens = slot->n_tokens;
    int n_left = n_prompt - slot->n_tokens;
    int n = rand() % 2 ? n_left : rand() % (n_left + 1);
    if (slots_make_room(&world->slots, n)) {
        assert_int_equal(
            compute(world, world->model.context, slot->id, slot->n_tokens, prompt + slot->n_tokens, n), 0);
        slots_add_tokens(slot, prompt + slot->n_tokens, n);
        plain->n_tokens += n;
    }
}

/* A busy slot gets a token or two, as an answer does. */
static void say(struct world *world, struct slot *slot) {
    struct plain *plain = &world->plain[slot->id];
    llama_token token = TOKEN_A + rand() % 3;
    if (plain->n_tokens < N_CELLS && slots_make_room(&world->slots, 1)) {
        assert_int_equal(compute(world, world->model.context, slot->id, slot->n_tokens, &token, 1), 0);
        slots_add_tokens(slot, &token, 1);
        plain->tokens[plain->n_tokens++] = token;
    }
}

/* Tokens that the library took and the slot never knew: a decode that failed. */
static void fail_decode(struct world *world, struct slot *slot) {
    llama_token tokens[3] = { TOKEN_A, TOKEN_A, TOKEN_A };
    if (slots_make_room(&world->slots, 3)) {
        assert_int_equal(compute(world, world->model.context, slot->id, slot->n_tokens, tokens, 3), 0);
        slots_cut(&world->slots, slot);
    }
}

static void extend(struct world *world, struct slot *slot) {
    struct plain *plain = &world->plain[slot->id];
    const struct plain *other = &world->plain[rand() % N_SLOTS];
    llama_token prompt[N_CELLS + 1];
    memcpy(prompt, plain->tokens, sizeof plain->tokens);
    int n_prompt = plain->n_tokens;
    if (count_common(plain, other->tokens, other->n_tokens) == plain->n_tokens) {
        memcpy(prompt, other->tokens, sizeof other->tokens);
        n_prompt = other->n_tokens;
    }
    prompt[n_prompt++] = TOKEN_A;
    int n_best = count_in_cache(world, prompt, n_prompt);
    int n_gained = slots_extend(&world->slots, slot, prompt, n_prompt);
    memcpy(plain->tokens, prompt, (size_t)(n_prompt - 1) * sizeof *prompt);
    plain->n_tokens += n_gained;
    n_best = n_best > plain->n_tokens ? n_best : plain->n_tokens;
    check_reuse(plain->n_tokens, n_best, n_best);
}

static void forget_key(struct world *world) {
    char key[2] = { (char)('A' + rand() % 4), '\0' };
    for (int i = 0; i < N_SLOTS; i++) {
        const struct slot *slot = &world->slots.list[i];
        if (slot->cache_key && strcmp(slot->cache_key, key) == 0 && !slot->is_busy) {
            world->plain[i].n_tokens = 0;
        }
    }
    slots_forget_key(&world->slots, key);
    for (int i = 0; i < N_SLOTS; i++) {
        const char *left = world->slots.list[i].cache_key;
        assert_true(left == NULL || strcmp(left, key) != 0);
    }
}

static void step(struct world *world) {
    struct slot *slot = &world->slots.list[rand() % N_SLOTS];
    switch (rand() % 10) {
    case 0:
    case 1:
    case 2:
        take(world);
        break;
    case 3:
    case 4:
    case 5:
        if (slot->is_busy) {
            slots_release(&world->slots, slot);
        }
        break;
    case 6:
        if (slot->is_busy) {
            extend(world, slot);
        }
        break;
    case 7:
        if (slot->is_busy) {
            fail_decode(world, slot);
        }
        break;
    case 8:
        if (rand() % 4 == 0) {
            forget_key(world);
        }
        break;
    default:
        if (slot->is_busy) {
            say(world, slot);
        }
    }
}

/* ---- What must hold ---- */

static void check_slots(const struct world *world) {
    bool is_used[N_CELLS] = { false };
    bool is_busy[N_CELLS] = { false };
    int n_used = 0;
    int n_busy = 0;
    for (int i = 0; i < N_SLOTS; i++) {
        const struct slot *slot = &world->slots.list[i];
        const struct plain *plain = &world->plain[i];
        assert_int_equal(slot->n_tokens, plain->n_tokens);
        assert_true(plain->n_tokens == 0 || memcmp(slot->tokens, plain->tokens,
                                                   (size_t)plain->n_tokens * sizeof *plain->tokens) == 0);
        int n_in_cache = slot->parked ? 0 : plain->n_tokens;
        assert_int_equal(llama_memory_seq_pos_max(world->model.memory, i), n_in_cache - 1);
        assert_int_equal(llama_memory_seq_pos_min(world->model.memory, i), n_in_cache > 0 ? 0 : -1);
        for (int at = 0; at < n_in_cache; at++) {
            int cell = slot->cells[at];
            n_used += !is_used[cell];
            n_busy += slot->is_busy && !is_busy[cell];
            is_used[cell] = true;
            is_busy[cell] = is_busy[cell] || slot->is_busy;
        }
    }
    assert_int_equal(slots_count_cells(&world->slots), n_used);
    assert_int_equal(slots_count_busy_cells(&world->slots), n_busy);
}

/* The library has exactly the cells left that the slots do not count: so many more tokens fit, and not one beyond. */
static void check_room(struct world *world) {
    llama_token tokens[N_CELLS + 1];
    int n_free = N_CELLS - slots_count_cells(&world->slots);
    for (int i = 0; i <= n_free; i++) {
        tokens[i] = TOKEN_A;
    }
    assert_int_equal(compute(world, world->model.context, N_SLOTS, 0, tokens, n_free), 0);
    assert_int_not_equal(compute(world, world->model.context, N_SLOTS, n_free, tokens, 1), 0);
    llama_memory_seq_rm(world->model.memory, N_SLOTS, -1, -1);
}

/* A sequence goes on as if it had been computed alone. */
static void check_words(struct world *world, int index) {
    const struct plain *plain = &world->plain[index];
    llama_token probe = TOKEN_A;
    int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(world->model.weights));
    if (world->slots.list[index].parked || plain->n_tokens == 0 || plain->n_tokens == N_CELLS ||
        slots_count_cells(&world->slots) == N_CELLS) {
        return;
    }
    assert_int_equal(compute(world, world->model.context, index, plain->n_tokens, &probe, 1), 0);
    float *logits = llama_get_logits_ith(world->model.context, -1);
    llama_memory_seq_rm(world->model.memory, index, plain->n_tokens, -1);
    assert_int_equal(compute(world, world->fresh, 0, 0, plain->tokens, plain->n_tokens), 0);
    assert_int_equal(compute(world, world->fresh, 0, plain->n_tokens, &probe, 1), 0);
    const float *expected = llama_get_logits_ith(world->fresh, -1);
    for (int i = 0; i < n_vocab; i++) {
        assert_true(fabsf(logits[i] - expected[i]) < 0.05f);
    }
    llama_memory_clear(llama_get_memory(world->fresh), false);
}

static void test_the_slots_hold_what_a_plain_model_says(void **state) {
    (void)state;
    struct world world;
    const char *given = getenv("RUNNEL_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("RUNNEL_SEED=%u\n", seed);
    srand(seed);
    begin(&world);
    world.slots.parked_bytes_max = UINT64_MAX;
    world.slots.parking_cells_min = 30;
    for (int round = 0; round < N_ROUNDS; round++) {
        step(&world);
        take_losses(&world);
        check_slots(&world);
        if (round % 10 == 0) {
            check_words(&world, rand() % N_SLOTS);
        }
        if (round % 25 == 0) {
            check_room(&world);
        }
    }
    for (int i = 0; i < N_SLOTS; i++) {
        slots_forget(&world.slots, &world.slots.list[i]);
    }
    assert_int_equal(slots_count_cells(&world.slots), 0);
    check_room(&world);
    finish(&world);
}

/* A slot with a prompt of its own, released. */
static struct slot *use(struct world *world, const char *key, llama_token letter, int n) {
    llama_token prompt[PROMPT_MAX];
    for (int i = 0; i < n; i++) {
        prompt[i] = letter;
    }
    struct slot *slot = slots_take(&world->slots, key, prompt, n);
    assert_non_null(slot);
    assert_true(slots_make_room(&world->slots, n - slot->n_tokens));
    assert_int_equal(compute(world, world->model.context, slot->id, slot->n_tokens, prompt + slot->n_tokens,
                             n - slot->n_tokens),
                     0);
    slots_add_tokens(slot, prompt + slot->n_tokens, n - slot->n_tokens);
    slots_release(&world->slots, slot);
    return slot;
}

static void test_room_comes_from_the_slot_that_was_not_used_for_longest(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    const struct slot *a = use(&world, "a", 'a', 60);
    const struct slot *b = use(&world, "b", 'b', 60);
    assert_ptr_equal(use(&world, "a", 'a', 61), a);
    assert_true(slots_make_room(&world.slots, N_CELLS - 70));
    assert_int_equal(b->n_tokens, 0);
    assert_int_equal(a->n_tokens, 61);
    finish(&world);
}

static void count_evict(void *ctx, struct slot *slot) {
    int *n_tokens = ctx;
    *n_tokens += slot->n_tokens;
}

/* Whoever saves them is told before they are gone. */
static void test_a_slot_that_another_conversation_takes_is_told(void **state) {
    (void)state;
    struct world world;
    int n_tokens = 0;
    begin(&world);
    world.slots.on_evict = count_evict;
    world.slots.ctx = &n_tokens;
    for (int i = 0; i < N_SLOTS; i++) {
        use(&world, "a", 'a' + i, 20);
    }
    assert_int_equal(n_tokens, 0);
    use(&world, "b", 'z', 20);
    assert_int_equal(n_tokens, 20);
    finish(&world);
}

/* Another branch of a conversation shares what is before the fork, and the first one stays. */
static void test_a_branch_leaves_the_other_branch_alone(void **state) {
    (void)state;
    struct world world;
    llama_token prompt[60];
    begin(&world);
    const struct slot *first = use(&world, "a", 'a', 60);
    for (int i = 0; i < 60; i++) {
        prompt[i] = i < 40 ? 'a' : 'b';
    }
    const struct slot *second = slots_take(&world.slots, "a", prompt, 60);
    assert_ptr_not_equal(first, second);
    assert_int_equal(second->n_tokens, 40);
    assert_int_equal(first->n_tokens, 60);
    assert_int_equal(slots_count_cells(&world.slots), 60);
    finish(&world);
}

/* What is only typed gives way to the next state of what is typed, and is never more than the part before it on the disk. */
static void test_a_draft_is_typed_on_in_its_own_slot(void **state) {
    (void)state;
    struct world world;
    llama_token prompt[60];
    begin(&world);
    struct slot *slot = use(&world, "a", 'a', 30);
    for (int i = 0; i < 60; i++) {
        prompt[i] = i < 30 ? 'a' : 'b';
    }
    assert_ptr_equal(slots_take(&world.slots, "a", prompt, 60), slot);
    slots_mark_draft(slot);
    assert_int_equal(compute(&world, world.model.context, slot->id, 30, prompt + 30, 25), 0);
    slots_add_tokens(slot, prompt + 30, 25);
    slots_release(&world.slots, slot);
    assert_int_equal(slots_count_sent(slot), 30);
    prompt[50] = 'c';
    assert_ptr_equal(slots_take(&world.slots, "a", prompt, 60), slot);
    slots_mark_draft(slot);
    assert_int_equal(slot->n_tokens, 50);
    assert_int_equal(slots_count_sent(slot), 30);
    slots_release(&world.slots, slot);
    assert_ptr_equal(slots_take(&world.slots, "a", prompt, 60), slot);
    assert_int_equal(slots_count_sent(slot), 50);
    finish(&world);
}

static struct slot *go_on(struct world *world, const char *key, llama_token letter, int n) {
    struct slot *slot = use(world, key, letter, n);
    assert_null(slot->parked);
    return slot;
}

/* What is idle leaves the cache to who computes, and comes back for its next turn; one that is alone stays where it is. */
static void test_idle_slots_make_way(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    world.slots.parked_bytes_max = UINT64_MAX;
    world.slots.parking_cells_min = 30;
    const struct slot *a = use(&world, "a", 'a', 60);
    const struct slot *b = use(&world, "b", 'b', 60);
    assert_null(a->parked);
    assert_int_equal(slots_count_cells(&world.slots), 120);
    const struct slot *c = use(&world, "c", 'c', 20);
    assert_true(a->parked && b->parked);
    assert_int_equal(slots_count_cells(&world.slots), 20);
    assert_ptr_equal(go_on(&world, "a", 'a', 61), a);
    assert_int_equal(slots_count_cells(&world.slots), 81);
    assert_null(c->parked);
    finish(&world);
}

/* The next turn of one that is in the cache costs no copies, unless steps would walk over too much beside it. */
static void test_what_is_about_to_be_used_stays_beside_little(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    world.slots.parked_bytes_max = UINT64_MAX;
    world.slots.parking_cells_min = 30;
    const struct slot *a = use(&world, "a", 'a', 20);
    const struct slot *b = use(&world, "b", 'b', 60);
    assert_ptr_equal(go_on(&world, "b", 'b', 61), b);
    assert_null(a->parked);
    llama_token prompt[40];
    for (int i = 0; i < 40; i++) {
        prompt[i] = i < 10 ? 'b' : 'c';
    }
    /* A beginning in common does not make the rest of b less of a hindrance. */
    const struct slot *c = slots_take(&world.slots, "c", prompt, 40);
    assert_non_null(c);
    assert_non_null(a->parked);
    assert_true(slots_count_cells(&world.slots) <= 61);
    finish(&world);
}

static void test_who_was_parked_for_longest_is_forgotten(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    world.slots.parked_bytes_max = UINT64_MAX;
    world.slots.parking_cells_min = 30;
    const struct slot *a = use(&world, "a", 'a', 60);
    const struct slot *b = use(&world, "b", 'b', 60);
    world.slots.parked_bytes_max = llama_state_seq_get_size(world.model.context, b->id);
    use(&world, "c", 'c', 20);
    assert_int_equal(a->n_tokens, 0);
    assert_int_equal(b->n_tokens, 60);
    assert_true(world.slots.parked_bytes <= world.slots.parked_bytes_max);
    slots_forget_key(&world.slots, "b");
    assert_int_equal(world.slots.parked_bytes, 0);
    finish(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_comes_from_the_slot_that_was_not_used_for_longest),
        cmocka_unit_test(test_a_slot_that_another_conversation_takes_is_told),
        cmocka_unit_test(test_a_branch_leaves_the_other_branch_alone),
        cmocka_unit_test(test_a_draft_is_typed_on_in_its_own_slot),
        cmocka_unit_test(test_idle_slots_make_way),
        cmocka_unit_test(test_what_is_about_to_be_used_stays_beside_little),
        cmocka_unit_test(test_who_was_parked_for_longest_is_forgotten),
        cmocka_unit_test(test_the_slots_hold_what_a_plain_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
