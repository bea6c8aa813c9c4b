/* [P4] D2, [P10]: what was acknowledged is there after a loss of power (F12), and everything before it; what is there fits together.
 *
 *     store_power_loss [POINTS [SEED [CALL]]]      with CALL: that point alone
 */
#include "store/store_test_power_loss.h"

#include "base/clock.h"
#include "store/store_check.h"
#include "store/store_test_driver.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define N_CHATS    5
#define TOKENS_MAX 60
#define IMAGES     4 /* of each loss */
#define N_POINTS   300

static size_t n_points = N_POINTS;
static uint64_t first_seed = 1;
static size_t only_call;

/* ---- What the client of the store knows ---- */

struct chat {
    int64_t key;
    char name[ID_CONVERSATION_BYTES];
    unsigned n_posted;    /* tokens */
    unsigned n_committed; /* answered: safe from a kill */
    unsigned n_sure;      /* committed before something that was acknowledged as safe on the disk */
    bool is_sent;         /* acknowledged, as the next two */
    bool is_ended;
    bool is_deleted;
    bool is_delete_posted;
};

struct known {
    struct chat chats[N_CHATS];
    int setting_posted;
    int setting_acked;
};

static struct {
    pthread_mutex_t lock;
    struct known now;
    struct known at_loss;
} tale = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void on_loss(void *ctx) {
    (void)ctx;
    pthread_mutex_lock(&tale.lock);
    tale.at_loss = tale.now;
    pthread_mutex_unlock(&tale.lock);
}

/* What is noted of now is seen by a loss that comes later, in whatever thread. */
#define NOTE(statement)                                                                                      \
    do {                                                                                                     \
        pthread_mutex_lock(&tale.lock);                                                                      \
        statement;                                                                                           \
        pthread_mutex_unlock(&tale.lock);                                                                    \
    } while (0)

/* ---- A life ---- */

static void token_text(size_t chat, unsigned n, char out[24]) {
    snprintf(out, 24, "%zu.%u ", chat, n);
}

static void send_chat(struct driver *driver, size_t i) {
    char text[24];
    snprintf(text, sizeof text, "chat %zu", i);
    struct store_sent sent =
        driver_send(driver, (struct store_send){ .text = text, .client_msg_id = text + 5 });
    assert_int_equal(sent.status, STATUS_OK);
    struct chat *chat = &tale.now.chats[i];
    NOTE(chat->key = sent.generation_key; strcpy(chat->name, sent.conversation); chat->is_sent = true);
}

/* Several jobs are on their way at once, as in life. */
static void append(struct driver *driver, size_t i, unsigned n) {
    struct chat *chat = &tale.now.chats[i];
    struct driver_answer answers[TOKENS_MAX] = { 0 };
    for (unsigned at = 0; at < n; at++) {
        char text[24];
        token_text(i, chat->n_posted, text);
        struct store_token token = { .generation_key = chat->key,
                                     .seq = chat->n_posted + 2,
                                     .token = 7,
                                     .text_size = (uint32_t)strlen(text) };
        struct store_tokens batch = {
            .tokens = &token, .n_tokens = 1, .text = text, .text_size = strlen(text)
        };
        NOTE(chat->n_posted++);
        assert_int_equal(store_append_tokens(driver->store, &batch, driver_on_done, &answers[at]), STATUS_OK);
    }
    for (unsigned at = 0; at < n; at++) {
        driver_wait(driver, &answers[at].is_done);
        assert_int_equal(answers[at].status, STATUS_OK);
        NOTE(chat->n_committed++);
    }
}

/* What was committed before something that is acknowledged is safe with it: the log is one row of commits. */
static void make_sure(struct driver *driver) {
    char value[16];
    struct known before = tale.now;
    NOTE(tale.now.setting_posted++);
    snprintf(value, sizeof value, "%d", tale.now.setting_posted);
    assert_int_equal(driver_put_setting(driver, "n", value), STATUS_OK);
    NOTE(tale.now.setting_acked = tale.now.setting_posted;
         for (size_t i = 0; i < N_CHATS; i++) { tale.now.chats[i].n_sure = before.chats[i].n_committed; });
}

static void end_chat(struct driver *driver, size_t i) {
    struct chat *chat = &tale.now.chats[i];
    assert_int_equal(driver_end(driver, chat->key, chat->n_posted + 2), STATUS_OK);
    NOTE(chat->is_ended = true; chat->n_sure = chat->n_committed);
}

static void delete_chat(struct driver *driver, size_t i) {
    struct chat *chat = &tale.now.chats[i];
    NOTE(chat->is_delete_posted = true);
    assert_int_equal(driver_delete(driver, chat->name), STATUS_OK);
    NOTE(chat->is_deleted = true);
}

typedef void (*step)(struct driver *driver);

static void step_first(struct driver *driver) {
    driver_reopen(driver);
    send_chat(driver, 0);
    append(driver, 0, 6);
}

static void step_two_at_once(struct driver *driver) {
    send_chat(driver, 1);
    append(driver, 1, 3);
    append(driver, 0, 5);
    make_sure(driver);
    append(driver, 1, 4);
}

static void step_failing_sync(struct driver *driver) {
    power_loss_fail_sync();
    make_sure(driver);
    append(driver, 0, 4);
    end_chat(driver, 0);
}

/* Closing moves the log into the database and removes it; opening makes it again. */
static void step_second_life(struct driver *driver) {
    driver_reopen(driver);
    send_chat(driver, 2);
    append(driver, 2, 8);
    make_sure(driver);
    delete_chat(driver, 0);
    append(driver, 2, 8);
}

static void step_end(struct driver *driver) {
    end_chat(driver, 2);
    make_sure(driver);
}

static void step_third_life(struct driver *driver) {
    driver_reopen(driver);
    send_chat(driver, 3);
    append(driver, 3, 5);
    power_loss_fail_sync();
    end_chat(driver, 3);
    send_chat(driver, 4);
    append(driver, 4, 10);
    make_sure(driver);
    append(driver, 4, 10);
}

static const step steps[] = { step_first,       step_two_at_once, step_failing_sync,
                              step_second_life, step_end,         step_third_life };

/* ---- What is found afterwards ---- */

struct point {
    size_t at_call;
    uint64_t seed;
};

#define HOLD(condition, ...)                                                                                 \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            print_error("power lost at call %zu, seed %" PRIu64 ": ", point->at_call, point->seed);          \
            fail_msg(__VA_ARGS__);                                                                           \
        }                                                                                                    \
    } while (0)

/* The tokens of which the text is made, from the first on. */
static unsigned count_tokens(const struct point *point, size_t i, const char *content) {
    unsigned n = 0;
    while (*content) {
        char text[24];
        token_text(i, n, text);
        HOLD(strncmp(content, text, strlen(text)) == 0, "chat %zu: \"%s\" where \"%s\" belongs", i, content,
             text);
        content += strlen(text);
        n++;
    }
    return n;
}

static void check_chat(const struct point *point, const struct known *known,
                       const struct store_conversation *found, unsigned n_found[N_CHATS]) {
    HOLD(found->n_messages == 2, "%zu messages", found->n_messages);
    size_t i = (size_t)atoi(found->messages[0].content + 5);
    HOLD(i < N_CHATS && strncmp(found->messages[0].content, "chat ", 5) == 0, "\"%s\"",
         found->messages[0].content);
    const struct chat *chat = &known->chats[i];
    const struct store_generation *generation = &found->messages[1].generations[0];
    unsigned n = count_tokens(point, i, found->messages[1].content);
    n_found[i]++;
    HOLD(found->messages[1].n_generations == 1 && generation->ended, "chat %zu has not ended", i);
    HOLD(generation->last_seq == n + 2, "chat %zu: %u tokens, the last seq is %" PRIu64, i, n,
         generation->last_seq);
    HOLD(n >= chat->n_sure, "chat %zu: %u tokens, %u were safe", i, n, chat->n_sure);
    HOLD(n <= chat->n_posted, "chat %zu: %u tokens, %u were ever posted", i, n, chat->n_posted);
    HOLD(!chat->is_ended || strcmp(generation->reason, "stop") == 0, "chat %zu: its end was acknowledged", i);
    HOLD(!chat->is_deleted, "chat %zu: its delete was acknowledged", i);
}

static void say(void *ctx, const char *line) {
    (void)ctx;
    print_error("%s\n", line);
}

static void check_setting(const struct point *point, const struct known *known, const struct store *store) {
    char *value = store_setting(store, "n");
    int n = value ? atoi(value) : 0;
    free(value);
    HOLD(n >= known->setting_acked && n <= known->setting_posted, "the setting is %d, %d was acknowledged", n,
         known->setting_acked);
}

static void check_image(const struct point *point, const struct known *known, struct driver *driver) {
    struct fault fault = { 0 };
    enum status status = driver_open(driver, &fault);
    HOLD(status == STATUS_OK, "%s", fault.text);
    check_setting(point, known, driver->store);
    unsigned n_found[N_CHATS] = { 0 };
    struct driver_list list = driver_list(driver, (struct store_list){ 0 });
    for (size_t i = 0; i < list.n_rows; i++) {
        struct store_conversation *found = driver_load(driver, list.rows[i].name, &status);
        HOLD(status == STATUS_OK, "%s cannot be loaded", list.rows[i].name);
        check_chat(point, known, found, n_found);
        store_conversation_free(found);
    }
    for (size_t i = 0; i < N_CHATS; i++) {
        bool must_be = known->chats[i].is_sent && !known->chats[i].is_delete_posted;
        HOLD(n_found[i] <= 1 && n_found[i] >= must_be, "chat %zu is there %u times", i, n_found[i]);
    }
    driver_close(driver);
    struct store_check check = { .say = say };
    HOLD(store_check_file(driver->path, &check, &fault) == STATUS_OK, "the database is damaged");
}

/* ---- One loss ---- */

static void make_folder(struct driver *driver) {
    *driver = (struct driver){ .wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
    /* In memory, where that is to be had: no real disk has a part in this. */
    strcpy(driver->directory,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/power_loss_XXXXXX" : "power_loss_XXXXXX");
    assert_non_null(mkdtemp(driver->directory));
    snprintf(driver->path, sizeof driver->path, "%s/runnel.db", driver->directory);
}

static void remove_folder(struct driver *driver) {
    DIR *folder = opendir(driver->directory);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
    close(driver->wake_fd);
    assert_int_equal(rmdir(driver->directory), 0);
}

/* Lives until the power goes, or to the end. How many calls there were. */
static size_t live(size_t at_call, size_t n_images, uint64_t seed) {
    struct driver driver;
    power_loss_end(); /* what a test that failed left */
    make_folder(&driver);
    tale.now = (struct known){ 0 };
    power_loss_begin(driver.directory, at_call, on_loss, NULL);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && !power_loss_is_over(); i++) {
        steps[i](&driver);
    }
    size_t n_calls = power_loss_count();
    struct known known = power_loss_is_over() ? tale.at_loss : tale.now;
    for (size_t i = 0; i < n_images; i++) {
        struct point point = { at_call, seed + i };
        struct driver after;
        make_folder(&after);
        power_loss_write_image(after.directory, point.seed);
        check_image(&point, &known, &after);
        remove_folder(&after);
    }
    power_loss_end();
    driver_close(&driver);
    remove_folder(&driver);
    return n_calls;
}

static void test_what_was_acknowledged_survives_a_loss_of_power(void **state) {
    (void)state;
    if (only_call) {
        live(only_call, 1, first_seed);
        return;
    }
    size_t n_calls = live(0, 1, first_seed);
    uint64_t started_ms = clock_now_ms();
    for (size_t i = 0; i < n_points; i += IMAGES) {
        /* Spread evenly, so that every part of the life has its share. */
        size_t at_call = 1 + (i * n_calls + n_calls / 2) / n_points;
        live(at_call, IMAGES, first_seed + i);
    }
    print_message("%zu points over %zu calls in %" PRIu64 " ms, seeds from %" PRIu64 "\n", n_points, n_calls,
                  clock_now_ms() - started_ms, first_seed);
}

/* D2 of tokens alone: nobody asks for a sync, and it comes. */
static void test_tokens_alone_come_to_the_disk(void **state) {
    (void)state;
    struct driver driver, after;
    power_loss_end();
    make_folder(&driver);
    tale.now = (struct known){ 0 };
    power_loss_begin(driver.directory, 0, on_loss, NULL);
    driver_reopen(&driver);
    send_chat(&driver, 0);
    append(&driver, 0, 20);
    uint64_t committed_ms = clock_now_ms();
    struct timespec pause = { .tv_nsec = STORE_SYNC_MS * 1000000L / 5 };
    /* Five times the promise: the machine may be busy. */
    while (clock_now_ms() < committed_ms + STORE_SYNC_MS * 5) {
        nanosleep(&pause, NULL);
    }
    struct known known = tale.now;
    known.chats[0].n_sure = known.chats[0].n_committed;
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct point point = { 0, seed };
        make_folder(&after);
        power_loss_write_image(after.directory, seed);
        check_image(&point, &known, &after);
        remove_folder(&after);
    }
    power_loss_end();
    driver_close(&driver);
    remove_folder(&driver);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_acknowledged_survives_a_loss_of_power),
        cmocka_unit_test(test_tokens_alone_come_to_the_disk),
    };
    n_points = argc > 1 ? strtoul(argv[1], NULL, 10) : n_points;
    first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : first_seed;
    only_call = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    power_loss_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
