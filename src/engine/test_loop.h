/* test_loop.h - struct loop over poll(2), for tests. Like the real one it watches a duplicate of the descriptor. */
#ifndef RUNNEL_ENGINE_TEST_LOOP_H
#define RUNNEL_ENGINE_TEST_LOOP_H

#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct test_loop;

struct test_loop *test_loop_new(void);

/* test_loop_free asserts that nothing is watched and no timer is left. */
void test_loop_free(struct test_loop *test_loop);

const struct loop *test_loop_get(struct test_loop *test_loop);

/* test_loop_turn waits for at most timeout_ms and calls what is due. */
void test_loop_turn(struct test_loop *test_loop, int timeout_ms);

/* test_loop_run turns until is_done says so. False: it did not within timeout_ms. */
bool test_loop_run(struct test_loop *test_loop, bool (*is_done)(void *ctx), void *ctx, int timeout_ms);

#endif
