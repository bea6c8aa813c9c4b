#include "store/store_test_driver.h"

#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DRIVER_WAIT_MS 50000

static void on_wake(void *ctx) {
    const struct driver *driver = ctx;
    if (eventfd_write(driver->wake_fd, 1) != 0) {
        abort();
    }
}

enum status driver_open(struct driver *driver, struct fault *fault) {
    struct store_options options = { .directory = driver->directory,
                                     .wake = on_wake,
                                     .ctx = driver,
                                     .retry_ms = driver->retry_ms,
                                     .load_bytes_max = driver->load_bytes_max };
    enum status status = store_open(&options, &driver->store, fault);
    if (status == STATUS_OK) {
        status = store_recover(driver->store, driver->goes_on, fault);
    }
    if (status != STATUS_OK) {
        driver_close(driver);
    }
    return status;
}

void driver_close(struct driver *driver) {
    assert_true(store_close(driver->store, -1));
    driver->store = NULL;
}

void driver_reopen(struct driver *driver) {
    driver_close(driver);
    struct fault fault = { 0 };
    if (driver_open(driver, &fault) != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
}

int driver_setup(void **state) {
    struct driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL) {
        return -1;
    }
    *state = driver;
    strcpy(driver->directory, "store_test_XXXXXX");
    if (mkdtemp(driver->directory) == NULL) {
        return -1;
    }
    snprintf(driver->path, sizeof driver->path, "%s/runnel.db", driver->directory);
    driver->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    driver_reopen(driver);
    return 0;
}

int driver_teardown(void **state) {
    struct driver *driver = *state;
    driver_close(driver);
    close(driver->wake_fd);
    DIR *directory = opendir(driver->directory);
    for (struct dirent *entry = directory ? readdir(directory) : NULL; entry; entry = readdir(directory)) {
        unlinkat(dirfd(directory), entry->d_name, 0);
    }
    closedir(directory);
    int result = rmdir(driver->directory);
    free(driver);
    return result;
}

void driver_wait(struct driver *driver, const bool *is_done) {
    uint64_t give_up_ms = clock_now_ms() + DRIVER_WAIT_MS;
    for (;;) {
        store_drain(driver->store);
        if (*is_done) {
            return;
        }
        struct pollfd wake = { .fd = driver->wake_fd, .events = POLLIN };
        if (clock_now_ms() >= give_up_ms || poll(&wake, 1, DRIVER_WAIT_MS) != 1) {
            fail_msg("no answer from the store");
        }
        eventfd_t value;
        eventfd_read(driver->wake_fd, &value);
    }
}

int64_t driver_number(const struct driver *driver, const char *sql) {
    assert_null(driver->store);
    sqlite3 *sqlite = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(driver->path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, "PRAGMA synchronous = OFF", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
    return number;
}

void driver_exec(const struct driver *driver, const char *sql) {
    assert_null(driver->store);
    sqlite3 *sqlite = NULL;
    assert_int_equal(sqlite3_open(driver->path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, "PRAGMA synchronous = OFF", NULL, NULL, NULL), SQLITE_OK);
    if (sqlite3_exec(sqlite, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s", sqlite3_errmsg(sqlite));
    }
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

void driver_on_done(void *ctx, enum status status) {
    struct driver_answer *answer = ctx;
    assert_false(answer->is_done);
    *answer = (struct driver_answer){ .is_done = true, .status = status };
}

static enum status wait_answer(struct driver *driver, enum status posted, struct driver_answer *answer) {
    assert_int_equal(posted, STATUS_OK);
    driver_wait(driver, &answer->is_done);
    return answer->status;
}

void driver_on_sent(void *ctx, const struct store_sent *sent) {
    struct driver_sent *answer = ctx;
    assert_false(answer->is_done);
    *answer = (struct driver_sent){ .is_done = true, .sent = *sent };
}

void driver_fill_send(struct store_send *send, struct driver_ids *ids) {
    id_make_hex(ids->user);
    id_make_hex(ids->assistant);
    id_make_hex(ids->generation);
    send->user_message_id = send->user_message_id ? send->user_message_id : ids->user;
    send->assistant_message_id = ids->assistant;
    send->generation_id = ids->generation;
    send->text = send->text ? send->text : "a question";
    send->title = send->title ? send->title : "a title";
    send->model = "a model";
    send->settings = "{\"seed\":1}";
    send->wall_ms = send->wall_ms ? send->wall_ms : DRIVER_WALL_MS;
}

struct store_sent driver_send(struct driver *driver, struct store_send send) {
    struct driver_ids ids;
    struct driver_sent answer = { 0 };
    driver_fill_send(&send, &ids);
    assert_int_equal(store_send(driver->store, &send, driver_on_sent, &answer), STATUS_OK);
    driver_wait(driver, &answer.is_done);
    return answer.sent;
}

enum status driver_append(struct driver *driver, int64_t generation_key, uint64_t seq, const char *text) {
    struct driver_answer answer = { 0 };
    struct store_token token = {
        .generation_key = generation_key, .seq = seq, .token = 7, .text_size = (uint32_t)strlen(text)
    };
    struct store_tokens batch = { .tokens = &token, .n_tokens = 1, .text = text, .text_size = strlen(text) };
    return wait_answer(driver, store_append_tokens(driver->store, &batch, driver_on_done, &answer), &answer);
}

void driver_on_ended(void *ctx, enum status status, int64_t continuation_key) {
    struct driver_ended *ended = ctx;
    assert_false(ended->is_done);
    *ended = (struct driver_ended){ .is_done = true, .status = status, .continuation_key = continuation_key };
}

struct driver_ended driver_end_as(struct driver *driver, struct store_end end) {
    struct driver_ended ended = { 0 };
    end.reason = end.reason ? end.reason : "stop";
    end.wall_ms = end.wall_ms ? end.wall_ms : DRIVER_WALL_MS + 1000;
    assert_int_equal(store_end_generation(driver->store, &end, driver_on_ended, &ended), STATUS_OK);
    driver_wait(driver, &ended.is_done);
    return ended;
}

enum status driver_end(struct driver *driver, int64_t generation_key, uint64_t seq) {
    struct driver_ended ended =
        driver_end_as(driver, (struct store_end){ .generation_key = generation_key, .seq = seq });
    assert_int_equal(ended.continuation_key, 0);
    return ended.status;
}

struct continued {
    bool is_done;
    struct store_continued made;
};

static void on_continued(void *ctx, const struct store_continued *made) {
    *(struct continued *)ctx = (struct continued){ .is_done = true, .made = *made };
}

struct store_continued driver_continue(struct driver *driver, struct store_continue wanted) {
    struct continued continued = { 0 };
    char id[ID_HEX_BYTES];
    id_make_hex(id);
    wanted.generation_id = wanted.generation_id ? wanted.generation_id : id;
    wanted.model = wanted.model ? wanted.model : "another model";
    wanted.settings = wanted.settings ? wanted.settings : "{\"seed\":2}";
    wanted.wall_ms = wanted.wall_ms ? wanted.wall_ms : DRIVER_WALL_MS + 2000;
    assert_int_equal(store_continue(driver->store, &wanted, on_continued, &continued), STATUS_OK);
    driver_wait(driver, &continued.is_done);
    return continued.made;
}

enum status driver_delete(struct driver *driver, const char *name) {
    struct driver_answer answer = { 0 };
    return wait_answer(driver, store_delete_conversation(driver->store, name, driver_on_done, &answer),
                       &answer);
}

enum status driver_put_setting(struct driver *driver, const char *name, const char *json) {
    struct driver_answer answer = { 0 };
    return wait_answer(driver, store_put_setting(driver->store, name, json, driver_on_done, &answer),
                       &answer);
}

struct begun {
    bool is_done;
    enum status status;
    int64_t key;
};

static void on_begun(void *ctx, enum status status, int64_t key) {
    *(struct begun *)ctx = (struct begun){ .is_done = true, .status = status, .key = key };
}

int64_t driver_begin_detached(struct driver *driver) {
    char id[ID_HEX_BYTES];
    struct begun begun = { 0 };
    id_make_hex(id);
    assert_int_equal(store_begin_detached(driver->store, id, on_begun, &begun), STATUS_OK);
    driver_wait(driver, &begun.is_done);
    assert_int_equal(begun.status, STATUS_OK);
    return begun.key;
}

struct loaded {
    bool is_done;
    enum status status;
    struct store_conversation *conversation;
};

static void on_loaded(void *ctx, enum status status, struct store_conversation *conversation) {
    *(struct loaded *)ctx =
        (struct loaded){ .is_done = true, .status = status, .conversation = conversation };
}

struct store_conversation *driver_load(struct driver *driver, const char *name, enum status *status) {
    struct loaded loaded = { 0 };
    assert_int_equal(store_load_conversation(driver->store, name, on_loaded, &loaded), STATUS_OK);
    driver_wait(driver, &loaded.is_done);
    assert_true((loaded.conversation != NULL) == (loaded.status == STATUS_OK));
    if (status) {
        *status = loaded.status;
    } else {
        assert_int_equal(loaded.status, STATUS_OK);
    }
    return loaded.conversation;
}

static void on_listed(void *ctx, enum status status, const struct store_listed *rows, size_t n_rows) {
    struct driver_list *list = ctx;
    assert_true(n_rows <= DRIVER_ROWS_MAX);
    list->is_done = true;
    list->status = status;
    list->n_rows = n_rows;
    for (size_t i = 0; i < n_rows; i++) {
        strcpy(list->rows[i].name, rows[i].name);
        snprintf(list->rows[i].title, sizeof list->rows[i].title, "%s", rows[i].title);
        snprintf(list->rows[i].snippet, sizeof list->rows[i].snippet, "%s",
                 rows[i].snippet ? rows[i].snippet : "");
        list->rows[i].has_snippet = rows[i].snippet != NULL;
        list->rows[i].created_ms = rows[i].created_ms;
        list->rows[i].updated_ms = rows[i].updated_ms;
    }
}

struct driver_list driver_list(struct driver *driver, struct store_list list) {
    struct driver_list answer = { 0 };
    list.n_max = list.n_max ? list.n_max : DRIVER_ROWS_MAX;
    assert_int_equal(store_list_conversations(driver->store, &list, on_listed, &answer), STATUS_OK);
    driver_wait(driver, &answer.is_done);
    return answer;
}

void driver_add_conversation(struct driver *driver, const char *title, const char *question,
                             const char *answer, char name[ID_CONVERSATION_BYTES]) {
    struct store_sent sent = driver_send(driver, (struct store_send){ .title = title, .text = question });
    assert_int_equal(sent.status, STATUS_OK);
    assert_int_equal(driver_append(driver, sent.generation_key, 2, answer), STATUS_OK);
    assert_int_equal(driver_end(driver, sent.generation_key, 3), STATUS_OK);
    strcpy(name, sent.conversation);
}
