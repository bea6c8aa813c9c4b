#include "base/mailbox.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

#define N_POSTERS 4
#define N_LETTERS 5000

struct letter {
    struct mail mail;
    int poster;
    int number;
};

static void on_wake(void *ctx) {
    atomic_fetch_add((atomic_int *)ctx, 1);
}

static void test_letters_come_in_the_order_posted(void **state) {
    (void)state;
    struct mailbox *box = mailbox_new(&(struct mailbox_options){ .n_max = 3 });
    struct letter letters[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mailbox_post(box, &letters[i].mail), STATUS_OK);
    }
    assert_int_equal(mailbox_count(box), 3);
    struct mail *mail = mailbox_take_all(box);
    for (int i = 0; i < 3; i++, mail = mail->next) {
        assert_ptr_equal(mail, &letters[i].mail);
    }
    assert_null(mail);
    assert_null(mailbox_take_all(box));
    assert_int_equal(mailbox_count(box), 0);
    mailbox_free(box);
}

static void test_a_full_box_refuses_and_the_sender_keeps_the_letter(void **state) {
    (void)state;
    struct mailbox *box = mailbox_new(&(struct mailbox_options){ .n_max = 1 });
    struct letter first = { 0 }, second = { 0 };
    assert_int_equal(mailbox_post(box, &first.mail), STATUS_OK);
    assert_int_equal(mailbox_post(box, &second.mail), STATUS_FULL);
    assert_int_equal(mailbox_count(box), 1);
    struct mail *mail = mailbox_take_all(box);
    assert_ptr_equal(mail, &first.mail);
    assert_null(mail->next);
    assert_int_equal(mailbox_post(box, &second.mail), STATUS_OK);
    assert_ptr_equal(mailbox_take_all(box), &second.mail);
    mailbox_free(box);
}

static void test_wake_ups_coalesce(void **state) {
    (void)state;
    atomic_int n_wakes = 0;
    struct mailbox *box =
        mailbox_new(&(struct mailbox_options){ .n_max = 9, .wake = on_wake, .ctx = &n_wakes });
    struct letter letters[3] = { 0 };
    assert_int_equal(mailbox_post(box, &letters[0].mail), STATUS_OK);
    assert_int_equal(mailbox_post(box, &letters[1].mail), STATUS_OK);
    assert_int_equal(atomic_load(&n_wakes), 1);
    assert_non_null(mailbox_take_all(box));
    assert_int_equal(mailbox_post(box, &letters[2].mail), STATUS_OK);
    assert_int_equal(atomic_load(&n_wakes), 2);
    assert_non_null(mailbox_take_all(box));
    mailbox_free(box);
}

static void test_a_closed_box_gives_what_it_has_and_takes_nothing(void **state) {
    (void)state;
    struct mailbox *box = mailbox_new(&(struct mailbox_options){ .n_max = 9 });
    struct letter before = { 0 }, after = { 0 };
    assert_int_equal(mailbox_post(box, &before.mail), STATUS_OK);
    assert_false(mailbox_is_closed(box));
    mailbox_close(box);
    assert_true(mailbox_is_closed(box));
    assert_int_equal(mailbox_post(box, &after.mail), STATUS_CLOSED);
    assert_ptr_equal(mailbox_wait_all(box, -1), &before.mail);
    assert_null(mailbox_wait_all(box, -1));
    mailbox_free(box);
}

static void test_waiting_ends_at_its_time(void **state) {
    (void)state;
    struct mailbox *box = mailbox_new(&(struct mailbox_options){ .n_max = 9 });
    uint64_t before_ms = clock_now_ms();
    assert_null(mailbox_wait_all(box, 20));
    assert_true(clock_now_ms() - before_ms >= 19);
    assert_null(mailbox_wait_all(box, 0));
    mailbox_free(box);
}

static void *close_box(void *ctx) {
    mailbox_close(ctx);
    return NULL;
}

static void test_closing_ends_a_wait_without_limit(void **state) {
    (void)state;
    struct mailbox *box = mailbox_new(&(struct mailbox_options){ .n_max = 9 });
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, close_box, box), 0);
    assert_null(mailbox_wait_all(box, -1));
    pthread_join(thread, NULL);
    mailbox_free(box);
}

struct poster {
    struct mailbox *box;
    int number;
};

static void *post_many(void *ctx) {
    const struct poster *poster = ctx;
    for (int i = 0; i < N_LETTERS; i++) {
        struct letter *letter = mem_alloc(sizeof *letter);
        letter->poster = poster->number;
        letter->number = i;
        if (mailbox_post(poster->box, &letter->mail) != STATUS_OK) {
            abort();
        }
    }
    return NULL;
}

static void test_many_threads_lose_nothing_and_keep_their_own_order(void **state) {
    (void)state;
    struct mailbox *box = mailbox_new(&(struct mailbox_options){ .n_max = N_POSTERS * N_LETTERS });
    struct poster posters[N_POSTERS];
    pthread_t threads[N_POSTERS];
    int next[N_POSTERS] = { 0 };
    for (int i = 0; i < N_POSTERS; i++) {
        posters[i] = (struct poster){ .box = box, .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    for (int n = 0; n < N_POSTERS * N_LETTERS;) {
        struct mail *mail = mailbox_wait_all(box, 30000);
        assert_non_null(mail);
        for (struct mail *after; mail; mail = after, n++) {
            struct letter *letter = (struct letter *)mail;
            after = mail->next;
            assert_int_equal(letter->number, next[letter->poster]++);
            free(letter);
        }
    }
    for (int i = 0; i < N_POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    mailbox_free(box);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters_come_in_the_order_posted),
        cmocka_unit_test(test_a_full_box_refuses_and_the_sender_keeps_the_letter),
        cmocka_unit_test(test_wake_ups_coalesce),
        cmocka_unit_test(test_a_closed_box_gives_what_it_has_and_takes_nothing),
        cmocka_unit_test(test_waiting_ends_at_its_time),
        cmocka_unit_test(test_closing_ends_a_wait_without_limit),
        cmocka_unit_test(test_many_threads_lose_nothing_and_keep_their_own_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
