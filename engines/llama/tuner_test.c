/* The tuner on machines that are made up: what it gets done, against the best that could be. */
#include "tuner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LATE_MS 150 /* some time slices of the other */

/* A step of a machine with `n_cores`, of which others take `n_busy`: the threads that have no core of their own let all others wait. As
 * measured on two cores: 5 ms and 8 ms with two threads and one; with one core taken 15 ms (and now and then 150) and 10. */
struct machine {
    struct tuner tuner;
    int n_cores;
    int n_busy;
    double step_ms; /* of one thread alone */
    double serial;  /* the share that no thread speeds up */
    double now_ms;
    double noise;
    int n_moves; /* from one count to another, for good */
};

static double chance(void) {
    return rand() / (RAND_MAX + 1.0);
}

static double mean_ms(const struct machine *machine, int n_threads) {
    double ms = machine->step_ms * (machine->serial + (1 - machine->serial) / n_threads);
    int n_too_many = n_threads - (machine->n_cores - machine->n_busy);
    return n_too_many > 0 && machine->n_busy > 0 ? ms * (1 + 2.0 * n_too_many) : ms;
}

static double take_ms(const struct machine *machine, int n_threads) {
    double ms = mean_ms(machine, n_threads) * (1 + machine->noise * (2 * chance() - 1));
    bool is_late = mean_ms(machine, n_threads) > machine->step_ms && chance() < 0.05;
    return is_late ? ms + LATE_MS : ms;
}

static double best_ms(const struct machine *machine) {
    double best = INFINITY;
    for (int n = 1; n <= machine->n_cores; n++) {
        best = fmin(best, mean_ms(machine, n));
    }
    return best;
}

static void open_machine(struct machine *machine, int n_cores, double step_ms) {
    *machine = (struct machine){ .n_cores = n_cores, .step_ms = step_ms, .serial = 0.2, .noise = 0.1 };
    tuner_init(&machine->tuner, n_cores, false);
}

/* Runs for a while; the share of the best that was got done. */
static double run(struct machine *machine, double duration_ms) {
    double end_ms = machine->now_ms + duration_ms;
    double began_ms = machine->now_ms;
    double done_ms = 0;
    while (machine->now_ms < end_ms) {
        int index = tuner_choose(&machine->tuner);
        int at = machine->tuner.at;
        double ms = take_ms(machine, machine->tuner.counts[index]);
        machine->now_ms += ms;
        done_ms += best_ms(machine);
        tuner_note(&machine->tuner, index, ms / machine->step_ms, ms);
        machine->n_moves += machine->tuner.at != at;
    }
    return done_ms / (machine->now_ms - began_ms);
}

static void assert_share(double share, double least) {
    if (share < least) {
        fail_msg("%.3f of the best, at least %.2f are wanted", share, least);
    }
}

static void test_the_ladder(void **state) {
    (void)state;
    struct tuner tuner;
    tuner_init(&tuner, 16, false);
    const int wanted[] = { 1, 2, 3, 4, 6, 8, 12, 16 };
    assert_int_equal(tuner.n_counts, 8);
    assert_memory_equal(tuner.counts, wanted, sizeof wanted);
    tuner_init(&tuner, 10, false);
    assert_int_equal(tuner.n_counts, 7);
    assert_int_equal(tuner.counts[6], 10);
    tuner_init(&tuner, 512, false);
    assert_int_equal(tuner.n_counts, TUNER_COUNTS_MAX);
    assert_int_equal(tuner.counts[TUNER_COUNTS_MAX - 1], 512);
}

static void test_a_count_that_is_set_stays(void **state) {
    (void)state;
    struct machine machine;
    open_machine(&machine, 4, 10);
    tuner_init(&machine.tuner, 3, true);
    machine.n_busy = 3;
    run(&machine, 5000);
    assert_int_equal(machine.tuner.n_counts, 1);
    assert_int_equal(machine.tuner.counts[tuner_choose(&machine.tuner)], 3);
}

static void test_a_quiet_machine_uses_all_cores(void **state) {
    (void)state;
    for (int n_cores = 1; n_cores <= 16; n_cores *= 2) {
        struct machine machine;
        open_machine(&machine, n_cores, 10);
        assert_share(run(&machine, 20000), 0.97);
    }
}

static void test_another_program_comes_and_goes(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        srand(seed);
        struct machine machine;
        open_machine(&machine, 2, 10);
        run(&machine, 3000 + rand() % 3000);
        machine.n_busy = 1;
        assert_share(run(&machine, 1000), 0.6);
        assert_share(run(&machine, 15000), 0.9);
        machine.n_busy = 0;
        run(&machine, 4000); /* the look after a bad one, at the latest */
        assert_share(run(&machine, 15000), 0.95);
    }
}

static void test_slow_steps_are_tuned_too(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        srand(seed);
        struct machine machine;
        open_machine(&machine, 2, 300); /* a large model */
        run(&machine, 20000);
        machine.n_busy = 1;
        run(&machine, 4000);
        assert_share(run(&machine, 60000), 0.88);
    }
}

static void test_fewer_threads_are_found_where_they_are_better(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        srand(seed);
        struct machine machine;
        open_machine(&machine, 16, 20);
        machine.n_busy = 12;
        run(&machine, 6000);
        assert_share(run(&machine, 20000), 0.8);
    }
}

/* Steps of a machine with much going on are uneven: a look is no reason to move by itself. */
static void test_noise_moves_nothing(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        srand(seed);
        struct machine machine;
        open_machine(&machine, 4, 10);
        machine.noise = 0.3;
        assert_share(run(&machine, 30000), 0.94);
        assert_in_range(machine.n_moves, 0, 40);
    }
}

/* Where threads make no difference, it does not matter which count it is; but each move costs the caches something. */
static void test_equals_are_left_alone(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        srand(seed);
        struct machine machine;
        open_machine(&machine, 4, 10);
        machine.serial = 1;
        machine.noise = 0.2;
        run(&machine, 30000);
        assert_in_range(machine.n_moves, 0, 30);
    }
}

/* Another program that comes and goes all the time: the count follows it. */
static void test_a_neighbour_in_bursts(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        srand(seed);
        struct machine machine;
        open_machine(&machine, 2, 10);
        double sum = 0;
        for (int i = 0; i < 60; i++) {
            machine.n_busy = i % 2;
            sum += run(&machine, 300 + rand() % 400);
        }
        assert_share(sum / 60, 0.75);
    }
}

/* The others are engines like this one: they settle on what fits, and none starves. */
static void test_two_engines_share_two_cores(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        srand(seed);
        struct machine engines[2];
        double began_ms = 5000;
        int n_done = 0;
        open_machine(&engines[0], 2, 10);
        open_machine(&engines[1], 2, 10);
        while (engines[0].now_ms < 20000) {
            struct machine *engine = &engines[engines[1].now_ms < engines[0].now_ms];
            struct machine *other = &engines[engine == engines];
            engine->n_busy = other->tuner.counts[other->tuner.probe] > 1 ? 2 : 1;
            int index = tuner_choose(&engine->tuner);
            double ms = take_ms(engine, engine->tuner.counts[index]);
            engine->now_ms += ms;
            n_done += engine->now_ms > began_ms;
            tuner_note(&engine->tuner, index, ms / engine->step_ms, ms);
        }
        double alone_ms = 10 * (0.2 + 0.8 / 2);
        assert_share(n_done * alone_ms / 15000, 0.8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_ladder),
        cmocka_unit_test(test_a_count_that_is_set_stays),
        cmocka_unit_test(test_a_quiet_machine_uses_all_cores),
        cmocka_unit_test(test_another_program_comes_and_goes),
        cmocka_unit_test(test_slow_steps_are_tuned_too),
        cmocka_unit_test(test_fewer_threads_are_found_where_they_are_better),
        cmocka_unit_test(test_noise_moves_nothing),
        cmocka_unit_test(test_equals_are_left_alone),
        cmocka_unit_test(test_a_neighbour_in_bursts),
        cmocka_unit_test(test_two_engines_share_two_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
