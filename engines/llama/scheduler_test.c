/* What a look in the middle of a chunk may decide. */
#include "scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_a_chunk_is_given_up_for_those_whose_prompt_is_in_it(void **state) {
    (void)state;
    struct model model = { .can_cut = true };
    struct command commands[] = { { .id = "in" }, { .id = "beside" } };
    struct generation beside = { .command = &commands[1] };
    struct generation in = { .command = &commands[0], .batch_count = 64, .next = &beside };
    struct scheduler scheduler = { .model = &model, .first = &in, .is_reading = true };
    assert_true(scheduler_can_give_up(&scheduler, "in"));
    assert_false(scheduler_can_give_up(&scheduler, "beside"));
    assert_false(scheduler_can_give_up(&scheduler, "unknown"));
    scheduler.is_reading = false; /* a decode step: it is short, and of use to others */
    assert_false(scheduler_can_give_up(&scheduler, "in"));
}

static void test_a_state_that_cannot_be_cut_is_never_left_half_written(void **state) {
    (void)state;
    struct model model = { .can_cut = false };
    struct command command = { .id = "in" };
    struct generation in = { .command = &command, .batch_count = 64 };
    struct scheduler scheduler = { .model = &model, .first = &in, .is_reading = true };
    assert_false(scheduler_can_give_up(&scheduler, "in"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chunk_is_given_up_for_those_whose_prompt_is_in_it),
        cmocka_unit_test(test_a_state_that_cannot_be_cut_is_never_left_half_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
