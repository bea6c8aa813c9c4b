/* Branches, what a conversation has of its own, and the trash. */
#include "store/store_test_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY "chat_2020-01-01-00-00-00-000.txt"

/* ---- Asking ---- */

struct changed {
    bool is_done;
    enum status status;
    char name[ID_CONVERSATION_BYTES];
    char title[100];
    char folder[100];
    char settings[200];
    struct store_own own; /* without its texts */
};

static void copy_text(char *out, size_t size, const char *text) {
    snprintf(out, size, "%s", text ? text : "");
}

static void on_changed(void *ctx, enum status status, const struct store_listed *row) {
    struct changed *changed = ctx;
    *changed = (struct changed){ .is_done = true, .status = status };
    if (row) {
        copy_text(changed->name, sizeof changed->name, row->name);
        copy_text(changed->title, sizeof changed->title, row->title);
        copy_text(changed->folder, sizeof changed->folder, row->own.folder);
        copy_text(changed->settings, sizeof changed->settings, row->own.settings);
        changed->own = row->own;
    }
}

static struct changed change(struct driver *driver, const char *name, struct store_change wanted) {
    struct changed changed = { 0 };
    wanted.name = name;
    assert_int_equal(store_change_conversation(driver->store, &wanted, on_changed, &changed), STATUS_OK);
    driver_wait(driver, &changed.is_done);
    return changed;
}

static enum status throw_away(struct driver *driver, const char *name, int64_t wall_ms) {
    return change(driver, name, (struct store_change){ .what = STORE_CHANGE_TRASH, .deleted_ms = wall_ms })
        .status;
}

static struct changed make_fork(struct driver *driver, const char *name, const char *message) {
    struct changed changed = { 0 };
    assert_int_equal(store_fork(driver->store, name, message, DRIVER_WALL_MS, on_changed, &changed),
                     STATUS_OK);
    driver_wait(driver, &changed.is_done);
    return changed;
}

struct reshaped {
    bool is_done;
    enum status status;
    size_t n_messages;
    char current[ID_HEX_BYTES];
};

static void on_reshaped(void *ctx, const struct store_reshaped *result) {
    struct reshaped *reshaped = ctx;
    *reshaped =
        (struct reshaped){ .is_done = true, .status = result->status, .n_messages = result->n_messages };
    id_copy(reshaped->current, sizeof reshaped->current, result->current);
}

static struct reshaped hide(struct driver *driver, const char *message) {
    struct reshaped reshaped = { 0 };
    assert_int_equal(store_hide(driver->store, message, DRIVER_WALL_MS, on_reshaped, &reshaped), STATUS_OK);
    driver_wait(driver, &reshaped.is_done);
    return reshaped;
}

static struct reshaped show(struct driver *driver, const char *message) {
    struct reshaped reshaped = { 0 };
    assert_int_equal(store_show(driver->store, message, on_reshaped, &reshaped), STATUS_OK);
    driver_wait(driver, &reshaped.is_done);
    return reshaped;
}

/* ---- A conversation ---- */

static struct store_sent ask(struct driver *driver, struct store_send send, const char *answer) {
    struct store_sent sent = driver_send(driver, send);
    assert_int_equal(sent.status, STATUS_OK);
    assert_int_equal(driver_append(driver, sent.generation_key, 2, answer), STATUS_OK);
    assert_int_equal(driver_end(driver, sent.generation_key, 3), STATUS_OK);
    return sent;
}

static struct store_sent ask_again(struct driver *driver, const struct store_sent *first,
                                   const char *client_msg_id) {
    struct driver_ids ids;
    struct driver_sent answer = { 0 };
    struct store_send send = { .conversation = first->conversation,
                               .parent = first->user_message_id,
                               .client_msg_id = client_msg_id };
    driver_fill_send(&send, &ids);
    send.text = NULL;
    assert_int_equal(store_send(driver->store, &send, driver_on_sent, &answer), STATUS_OK);
    driver_wait(driver, &answer.is_done);
    return answer.sent;
}

static const struct store_message *find(const struct store_conversation *found, const char *id) {
    for (size_t i = 0; i < found->n_messages; i++) {
        if (strcmp(found->messages[i].id, id) == 0) {
            return &found->messages[i];
        }
    }
    return NULL;
}

/* ---- Branches ---- */

static void test_what_is_sent_stands_below_the_current_message(void **state) {
    struct driver *driver = *state;
    struct store_sent first = ask(driver, (struct store_send){ 0 }, "one");
    struct store_sent second = ask(driver, (struct store_send){ .conversation = first.conversation }, "two");
    assert_string_equal(second.parent_id, first.assistant_message_id);
    struct changed chosen =
        change(driver, first.conversation,
               (struct store_change){ .what = STORE_CHANGE_CURRENT, .current = first.assistant_message_id });
    assert_int_equal(chosen.status, STATUS_OK);
    struct store_sent third = ask(driver, (struct store_send){ .conversation = first.conversation }, "three");
    assert_string_equal(third.parent_id, first.assistant_message_id);
    driver_reopen(driver);
    struct store_conversation *found = driver_load(driver, first.conversation, NULL);
    assert_string_equal(found->current, third.assistant_message_id);
    store_conversation_free(found);
}

static void test_a_message_that_is_not_there_cannot_be_current(void **state) {
    struct driver *driver = *state;
    struct store_sent one = ask(driver, (struct store_send){ 0 }, "one");
    struct store_sent other = ask(driver, (struct store_send){ 0 }, "other");
    struct store_change wanted = { .what = STORE_CHANGE_CURRENT, .current = other.user_message_id };
    assert_int_equal(change(driver, one.conversation, wanted).status, STATUS_NOT_FOUND);
}

static void test_another_answer_stands_beside_the_first_and_is_asked_for_once(void **state) {
    struct driver *driver = *state;
    struct store_sent first = ask(driver, (struct store_send){ 0 }, "one");
    struct store_sent again = ask_again(driver, &first, "again");
    assert_int_equal(again.status, STATUS_OK);
    assert_false(again.duplicate);
    assert_string_equal(again.user_message_id, "");
    assert_string_equal(again.parent_id, first.user_message_id);
    struct store_sent repeated = ask_again(driver, &first, "again");
    assert_true(repeated.duplicate);
    assert_string_equal(repeated.generation_id, again.generation_id);
    assert_int_equal(ask_again(driver, &first, NULL).status, STATUS_BUSY);
    struct store_send same_id = { .conversation = first.conversation,
                                  .client_msg_id = "again",
                                  .queues = true };
    assert_int_equal(driver_send(driver, same_id).status, STATUS_CONFLICT);
    driver_end(driver, again.generation_key, 2);
    struct store_conversation *found = driver_load(driver, first.conversation, NULL);
    assert_int_equal(found->n_messages, 3);
    assert_string_equal(found->messages[2].parent, first.user_message_id);
    assert_string_equal(found->current, again.assistant_message_id);
    store_conversation_free(found);
}

static void test_what_is_hidden_at_once_is_shown_again_at_once(void **state) {
    struct driver *driver = *state;
    struct store_sent first = ask(driver, (struct store_send){ 0 }, "stone");
    struct store_sent again = ask_again(driver, &first, NULL);
    driver_end(driver, again.generation_key, 2);
    struct store_sent below = ask(
        driver,
        (struct store_send){ .conversation = first.conversation, .parent = first.assistant_message_id }, "x");
    assert_int_equal(hide(driver, below.assistant_message_id).n_messages, 1);
    struct reshaped gone = hide(driver, first.assistant_message_id);
    assert_int_equal(gone.n_messages, 2);
    assert_string_equal(gone.current, again.assistant_message_id);
    assert_int_equal(hide(driver, first.assistant_message_id).n_messages, 0);
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "stone" }).n_rows, 0);
    assert_int_equal(show(driver, below.assistant_message_id).status, STATUS_CONFLICT);
    struct store_send hidden = { .conversation = first.conversation, .parent = first.assistant_message_id };
    assert_int_equal(driver_send(driver, hidden).status, STATUS_NOT_FOUND);
    driver_reopen(driver);
    struct store_conversation *found = driver_load(driver, first.conversation, NULL);
    assert_true(found->is_reshaped);
    assert_true(find(found, below.user_message_id)->deleted_ms > 0);
    store_conversation_free(found);
    struct reshaped back = show(driver, first.assistant_message_id);
    assert_int_equal(back.n_messages, 2);
    assert_string_equal(back.current, below.user_message_id);
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "stone" }).n_rows, 1);
    assert_int_equal(show(driver, below.assistant_message_id).n_messages, 1);
}

static void test_nothing_is_hidden_while_an_answer_is_written(void **state) {
    struct driver *driver = *state;
    struct store_sent first = ask(driver, (struct store_send){ 0 }, "one");
    struct store_sent again = ask_again(driver, &first, NULL);
    assert_int_equal(hide(driver, first.assistant_message_id).status, STATUS_BUSY);
    assert_int_equal(make_fork(driver, first.conversation, again.assistant_message_id).status, STATUS_BUSY);
    assert_int_equal(throw_away(driver, first.conversation, DRIVER_WALL_MS), STATUS_BUSY);
    assert_int_equal(hide(driver, "00000000000000000000000000000000").status, STATUS_NOT_FOUND);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM conversation"), 1);
}

static void test_all_may_be_hidden(void **state) {
    struct driver *driver = *state;
    struct store_sent first = ask(driver, (struct store_send){ 0 }, "one");
    struct reshaped gone = hide(driver, first.user_message_id);
    assert_int_equal(gone.n_messages, 2);
    assert_string_equal(gone.current, "");
    struct store_sent next = ask(driver, (struct store_send){ .conversation = first.conversation }, "two");
    assert_string_equal(next.parent_id, "");
}

static void test_what_was_hidden_long_ago_goes_and_nothing_else(void **state) {
    struct driver *driver = *state;
    struct driver_answer answer = { 0 };
    struct store_sent first = ask(driver, (struct store_send){ 0 }, "one");
    ask(driver, (struct store_send){ .conversation = first.conversation }, "two");
    struct store_sent third = ask(driver, (struct store_send){ .conversation = first.conversation }, "three");
    hide(driver, third.user_message_id);
    assert_int_equal(store_purge_messages(driver->store, DRIVER_WALL_MS, driver_on_done, &answer), STATUS_OK);
    driver_wait(driver, &answer.is_done);
    assert_int_equal(answer.status, STATUS_NOT_FOUND);
    answer = (struct driver_answer){ 0 };
    assert_int_equal(store_purge_messages(driver->store, DRIVER_WALL_MS + 10, driver_on_done, &answer),
                     STATUS_OK);
    driver_wait(driver, &answer.is_done);
    assert_int_equal(answer.status, STATUS_OK);
    assert_int_equal(show(driver, third.user_message_id).status, STATUS_NOT_FOUND);
    driver_close(driver);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message"), 4);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM generation"), 2);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message_words('three')"), 0);
    assert_int_equal(driver_number(driver, "SELECT count(*) FROM message_words('two')"), 1);
}

/* ---- A conversation made of a branch ---- */

static void test_a_fork_has_the_path_and_is_nobody_elses(void **state) {
    struct driver *driver = *state;
    struct store_sent first = ask(driver, (struct store_send){ .title = "a river" }, "one");
    struct store_end cut = { .reason = "interrupted",
                             .seq = 3,
                             .continuation_id = "000000000000000000000000000000c2" };
    struct store_sent second = driver_send(driver, (struct store_send){ .conversation = first.conversation });
    driver_append(driver, second.generation_key, 2, "wa");
    cut.generation_key = second.generation_key;
    int64_t next = driver_end_as(driver, cut).continuation_key;
    driver_append(driver, next, 2, "ter");
    driver_end(driver, next, 3);
    ask(driver, (struct store_send){ .conversation = first.conversation }, "three");
    struct changed forked = make_fork(driver, first.conversation, second.assistant_message_id);
    assert_int_equal(forked.status, STATUS_OK);
    assert_string_equal(forked.title, "a river");
    assert_int_equal(driver_delete(driver, first.conversation), STATUS_OK);
    driver_reopen(driver);
    struct store_conversation *found = driver_load(driver, forked.name, NULL);
    assert_int_equal(found->n_messages, 4);
    assert_string_equal(found->messages[3].content, "water");
    assert_int_equal(found->messages[3].n_generations, 2);
    assert_string_equal(found->messages[3].parent, found->messages[2].id);
    assert_string_equal(found->current, found->messages[3].id);
    assert_string_not_equal(found->messages[3].id, second.assistant_message_id);
    store_conversation_free(found);
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "water" }).n_rows, 1);
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "river" }).n_rows, 1);
}

/* ---- What it has of its own ---- */

static void test_a_change_changes_what_it_names(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(driver, (struct store_send){ .title = "old words" });
    const char *name = sent.conversation;
    change(driver, name, (struct store_change){ .what = STORE_CHANGE_PINNED, .is_pinned = true });
    change(driver, name, (struct store_change){ .what = STORE_CHANGE_FOLDER, .folder = "work" });
    change(driver, name,
           (struct store_change){ .what = STORE_CHANGE_SETTINGS,
                                  .settings = "{\"model\":\"m\",\"settings\":{\"seed\":1,\"top_k\":3}}" });
    struct changed now =
        change(driver, name,
               (struct store_change){ .what = STORE_CHANGE_SETTINGS | STORE_CHANGE_TITLE,
                                      .title = "new words",
                                      .title_by = STORE_TITLE_PERSON,
                                      .settings = "{\"model\":null,\"settings\":{\"seed\":null}}" });
    assert_int_equal(now.status, STATUS_OK);
    assert_true(now.own.is_pinned);
    assert_false(now.own.is_archived);
    assert_string_equal(now.folder, "work");
    assert_string_equal(now.title, "new words");
    assert_string_equal(now.settings, "{\"settings\":{\"top_k\":3}}");
    struct store_change by_model = { .what = STORE_CHANGE_TITLE,
                                     .title = "x",
                                     .title_by = STORE_TITLE_MODEL };
    assert_int_equal(change(driver, name, by_model).status, STATUS_CONFLICT);
    assert_int_equal(change(driver, NOBODY, by_model).status, STATUS_NOT_FOUND);
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "old" }).n_rows, 0);
    assert_int_equal(driver_list(driver, (struct store_list){ .query = "new" }).n_rows, 1);
    driver_reopen(driver);
    struct store_conversation *found = driver_load(driver, name, NULL);
    assert_string_equal(found->own.settings, "{\"settings\":{\"top_k\":3}}");
    assert_int_equal(found->own.title_by, STORE_TITLE_PERSON);
    store_conversation_free(found);
}

static void test_a_new_conversation_has_what_its_first_message_brings(void **state) {
    struct driver *driver = *state;
    struct store_sent sent = driver_send(
        driver,
        (struct store_send){ .folder = "work", .own_settings = "{\"model\":\"m\"}", .is_temporary = true });
    struct store_conversation *found = driver_load(driver, sent.conversation, NULL);
    assert_string_equal(found->own.folder, "work");
    assert_string_equal(found->own.settings, "{\"model\":\"m\"}");
    assert_true(found->own.is_temporary);
    store_conversation_free(found);
    assert_int_equal(driver_list(driver, (struct store_list){ .view = STORE_VIEW_ALL }).n_rows, 0);
}

/* ---- Views, the trash, folders ---- */

static void test_each_view_has_its_conversations(void **state) {
    struct driver *driver = *state;
    char usual[ID_CONVERSATION_BYTES], archived[ID_CONVERSATION_BYTES], trashed[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "a", "stone", "x", usual);
    driver_add_conversation(driver, "b", "stone", "x", archived);
    driver_add_conversation(driver, "c", "stone", "x", trashed);
    change(driver, usual, (struct store_change){ .what = STORE_CHANGE_FOLDER, .folder = "work" });
    change(driver, archived, (struct store_change){ .what = STORE_CHANGE_ARCHIVED, .is_archived = true });
    assert_int_equal(throw_away(driver, trashed, DRIVER_WALL_MS), STATUS_OK);
    for (int searches = 0; searches < 2; searches++) {
        const char *query = searches ? "stone" : NULL;
        struct driver_list list = driver_list(driver, (struct store_list){ .query = query });
        assert_int_equal(list.n_rows, 1);
        assert_string_equal(list.rows[0].name, usual);
        list = driver_list(driver, (struct store_list){ .query = query, .view = STORE_VIEW_ARCHIVED });
        assert_int_equal(list.n_rows, 1);
        assert_string_equal(list.rows[0].name, archived);
        list = driver_list(driver, (struct store_list){ .query = query, .view = STORE_VIEW_TRASH });
        assert_int_equal(list.n_rows, 1);
        assert_string_equal(list.rows[0].name, trashed);
        assert_int_equal(
            driver_list(driver, (struct store_list){ .query = query, .view = STORE_VIEW_ALL }).n_rows, 2);
        struct store_list folder = { .query = query, .view = STORE_VIEW_ALL, .folder = "work" };
        assert_int_equal(driver_list(driver, folder).n_rows, 1);
    }
}

static void test_what_is_in_the_trash_is_not_there_until_it_is_taken_out(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    enum status status;
    driver_add_conversation(driver, "a", "stone", "x", name);
    assert_int_equal(throw_away(driver, name, DRIVER_WALL_MS), STATUS_OK);
    assert_int_equal(throw_away(driver, name, DRIVER_WALL_MS), STATUS_NOT_FOUND);
    assert_null(driver_load(driver, name, &status));
    assert_int_equal(status, STATUS_NOT_FOUND);
    assert_int_equal(driver_send(driver, (struct store_send){ .conversation = name }).status,
                     STATUS_NOT_FOUND);
    assert_int_equal(change(driver, name, (struct store_change){ .what = STORE_CHANGE_TRASH }).status,
                     STATUS_OK);
    store_conversation_free(driver_load(driver, name, NULL));
    throw_away(driver, name, DRIVER_WALL_MS);
    assert_int_equal(driver_delete(driver, name), STATUS_OK);
    assert_int_equal(change(driver, name, (struct store_change){ .what = STORE_CHANGE_TRASH }).status,
                     STATUS_NOT_FOUND);
}

struct due {
    bool is_done;
    size_t n;
    char first[ID_CONVERSATION_BYTES];
};

static void on_due(void *ctx, enum status status, char (*names)[ID_CONVERSATION_BYTES], size_t n) {
    struct due *due = ctx;
    assert_int_equal(status, STATUS_OK);
    *due = (struct due){ .is_done = true, .n = n };
    if (n) {
        id_copy(due->first, sizeof due->first, names[0]);
    }
}

static struct due list_due(struct driver *driver, int64_t trash_ms, int64_t temporary_ms) {
    struct due due = { 0 };
    assert_int_equal(store_list_due(driver->store, trash_ms, temporary_ms, on_due, &due), STATUS_OK);
    driver_wait(driver, &due.is_done);
    return due;
}

static void test_what_is_due_is_named(void **state) {
    struct driver *driver = *state;
    char name[ID_CONVERSATION_BYTES];
    driver_add_conversation(driver, "a", "stone", "x", name);
    throw_away(driver, name, DRIVER_WALL_MS);
    struct store_sent short_lived = driver_send(driver, (struct store_send){ .is_temporary = true });
    assert_int_equal(list_due(driver, DRIVER_WALL_MS, DRIVER_WALL_MS).n, 0);
    struct due due = list_due(driver, DRIVER_WALL_MS + 1, DRIVER_WALL_MS);
    assert_int_equal(due.n, 1);
    assert_string_equal(due.first, name);
    due = list_due(driver, DRIVER_WALL_MS, DRIVER_WALL_MS + 60000);
    assert_int_equal(due.n, 1);
    assert_string_equal(due.first, short_lived.conversation);
}

struct folders {
    bool is_done;
    size_t n;
    char name[2][100];
    int64_t counts[2];
};

static void on_folders(void *ctx, enum status status, const struct store_folder *rows, size_t n_rows) {
    struct folders *folders = ctx;
    assert_int_equal(status, STATUS_OK);
    folders->is_done = true;
    folders->n = n_rows;
    for (size_t i = 0; i < n_rows && i < 2; i++) {
        copy_text(folders->name[i], sizeof folders->name[i], rows[i].name);
        folders->counts[i] = rows[i].n_conversations;
    }
}

static struct folders list_folders(struct driver *driver) {
    struct folders folders = { 0 };
    assert_int_equal(store_list_folders(driver->store, on_folders, &folders), STATUS_OK);
    driver_wait(driver, &folders.is_done);
    return folders;
}

static enum status rename_folder(struct driver *driver, const char *from, const char *to) {
    struct driver_answer answer = { 0 };
    assert_int_equal(store_rename_folder(driver->store, from, to, driver_on_done, &answer), STATUS_OK);
    driver_wait(driver, &answer.is_done);
    return answer.status;
}

static void test_a_folder_is_where_conversations_are(void **state) {
    struct driver *driver = *state;
    char names[3][ID_CONVERSATION_BYTES];
    for (size_t i = 0; i < 3; i++) {
        driver_add_conversation(driver, "a", "stone", "x", names[i]);
        change(driver, names[i],
               (struct store_change){ .what = STORE_CHANGE_FOLDER, .folder = i ? "work" : "home" });
    }
    throw_away(driver, names[2], DRIVER_WALL_MS);
    struct folders folders = list_folders(driver);
    assert_int_equal(folders.n, 2);
    assert_string_equal(folders.name[0], "home");
    assert_int_equal(folders.counts[1], 1);
    assert_int_equal(rename_folder(driver, "work", "home"), STATUS_OK);
    assert_int_equal(rename_folder(driver, "work", "home"), STATUS_NOT_FOUND);
    folders = list_folders(driver);
    assert_int_equal(folders.n, 1);
    assert_int_equal(folders.counts[0], 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, driver_setup, driver_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_sent_stands_below_the_current_message),
        TEST(test_a_message_that_is_not_there_cannot_be_current),
        TEST(test_another_answer_stands_beside_the_first_and_is_asked_for_once),
        TEST(test_what_is_hidden_at_once_is_shown_again_at_once),
        TEST(test_nothing_is_hidden_while_an_answer_is_written),
        TEST(test_all_may_be_hidden),
        TEST(test_what_was_hidden_long_ago_goes_and_nothing_else),
        TEST(test_a_fork_has_the_path_and_is_nobody_elses),
        TEST(test_a_change_changes_what_it_names),
        TEST(test_a_new_conversation_has_what_its_first_message_brings),
        TEST(test_each_view_has_its_conversations),
        TEST(test_what_is_in_the_trash_is_not_there_until_it_is_taken_out),
        TEST(test_what_is_due_is_named),
        TEST(test_a_folder_is_where_conversations_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
