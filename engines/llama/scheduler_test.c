/* What of the scheduler is decided without a model. */
#include "scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct scene {
    struct model model;
    struct chat_message message;
    struct command command;
    struct generation generation;
    struct scheduler scheduler;
};

/* A chunk of one prompt is under way. */
static void begin(struct scene *scene, bool is_draft) {
    *scene = (struct scene){ .model.can_cut = true };
    scene->message = (struct chat_message){ .role = "user", .content = "What of the river" };
    scene->command = (struct command){
        .id = "g", .generate = { .cache_key = "chat_a", .messages = &scene->message, .n_messages = 1 }
    };
    scene->generation =
        (struct generation){ .command = &scene->command, .is_draft = is_draft, .batch_count = 64 };
    scene->scheduler = (struct scheduler){ .model = &scene->model, .first = &scene->generation };
    scene->scheduler.is_reading = true;
}

static bool gives_up(const struct scene *scene, enum command_op op, const char *id, const char *cache_key) {
    const struct command command = { .op = op, .id = id, .generate.cache_key = cache_key };
    return scheduler_can_give_up(&scene->scheduler, &command);
}

/* [E25] */
static void test_a_chunk_is_given_up_for_its_cancel(void **state) {
    (void)state;
    struct scene scene;
    begin(&scene, false);
    assert_true(gives_up(&scene, COMMAND_CANCEL, "g", NULL));
    assert_false(gives_up(&scene, COMMAND_CANCEL, "h", NULL));
    assert_false(gives_up(&scene, COMMAND_GENERATE, "h", "chat_b"));
    scene.scheduler.is_reading = false;
    assert_false(gives_up(&scene, COMMAND_CANCEL, "g", NULL));
}

static void test_a_state_that_cannot_be_cut_is_never_left_half_written(void **state) {
    (void)state;
    struct scene scene;
    begin(&scene, false);
    scene.model.can_cut = false;
    assert_false(gives_up(&scene, COMMAND_CANCEL, "g", NULL));
}

/* [E33]: what the same conversation has typed is likely to be what it sends. */
static void test_a_draft_gives_way_to_other_conversations(void **state) {
    (void)state;
    struct scene scene;
    begin(&scene, true);
    assert_true(gives_up(&scene, COMMAND_GENERATE, "h", "chat_b"));
    assert_true(gives_up(&scene, COMMAND_GENERATE, "h", NULL));
    assert_false(gives_up(&scene, COMMAND_GENERATE, "h", "chat_a"));
    assert_false(gives_up(&scene, COMMAND_PREFILL, "h", "chat_b"));
    assert_false(gives_up(&scene, COMMAND_CANCEL, "g", NULL));
    /* Sent for the first time a conversation has another name than its draft. */
    struct chat_message sent = { .role = "user", .content = "What of the river Po?" };
    struct command command = { .op = COMMAND_GENERATE,
                               .id = "h",
                               .generate = { .cache_key = "chat_c", .messages = &sent, .n_messages = 1 } };
    assert_false(scheduler_can_give_up(&scene.scheduler, &command));
    sent.content = "Something else";
    assert_true(scheduler_can_give_up(&scene.scheduler, &command));
    scene.generation.batch_count = 0;
    assert_false(gives_up(&scene, COMMAND_GENERATE, "h", "chat_b"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chunk_is_given_up_for_its_cancel),
        cmocka_unit_test(test_a_state_that_cannot_be_cut_is_never_left_half_written),
        cmocka_unit_test(test_a_draft_gives_way_to_other_conversations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
