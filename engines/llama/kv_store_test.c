/* The KV cache on disk with made-up payloads: what is put is read again, also by the next life; what is broken, foreign or too much goes. */
#include "kv_store.h"

#include "kv_folder.h"
#include "model_id.h"

#include "base/clock.h"
#include "base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS       20000
#define PAYLOAD_BYTES 5000

struct world {
    char folder[64];
    char model[96];
    struct kv_store *store;
};

/* ---- The folder ---- */

static void write_model(const struct world *world, const char *text) {
    FILE *file = fopen(world->model, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Calls `visit` for each file of the cache; returns how many there are. */
static int each_file(const struct world *world, void (*visit)(const char *path)) {
    char command[160];
    char path[PATH_MAX];
    int n = 0;
    snprintf(command, sizeof command, "find %s/kv -type f | sort", world->folder);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    while (fgets(path, sizeof path, list)) {
        path[strcspn(path, "\n")] = '\0';
        n++;
        if (visit) {
            visit(path);
        }
    }
    pclose(list);
    return n;
}

static void check_private(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void flip_last_byte(const char *path) {
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, -1, SEEK_END);
    int byte = fgetc(file);
    fseek(file, -1, SEEK_END);
    fputc(byte ^ 1, file);
    fclose(file);
}

static void make_old(const char *path) {
    const struct timespec hour_ago[2] = { { .tv_sec = time(NULL) - 3600 }, { .tv_sec = time(NULL) - 3600 } };
    assert_int_equal(utimensat(AT_FDCWD, path, hour_ago, 0), 0);
}

static void cut(const char *path) {
    assert_int_equal(truncate(path, KV_FILE_HEAD_BYTES + 3), 0);
}

static void grow(const char *path) {
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputc(0, file);
    fclose(file);
}

static void change_version(const char *path) {
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 8, SEEK_SET);
    fputc(KV_FILE_VERSION + 1, file);
    fclose(file);
}

/* ---- Its life ---- */

static void wait_until(struct kv_store *store, bool (*is_done)(void *ctx), void *ctx) {
    uint64_t until_ms = clock_now_ms() + WAIT_MS;
    while (!is_done(ctx)) {
        struct pollfd pollfd = { .fd = kv_store_fd(store), .events = POLLIN };
        assert_true(clock_now_ms() < until_ms);
        poll(&pollfd, 1, 100);
        kv_store_drain(store);
    }
}

static bool is_open(void *ctx) {
    return kv_store_is_open(ctx);
}

static struct kv_store *open_store(const struct world *world, int64_t bytes_max, struct kv_id stamp) {
    char folder[80];
    snprintf(folder, sizeof folder, "%s/kv", world->folder);
    struct kv_store *store = kv_store_open(&(struct kv_store_options){
        .folder = folder, .bytes_max = bytes_max, .model_path = world->model, .stamp = stamp });
    assert_non_null(store);
    return store;
}

static void begin(struct world *world, int64_t bytes_max) {
    world->store = open_store(world, bytes_max, model_id_stamp(world->model));
    if (bytes_max != 0) {
        wait_until(world->store, is_open, world->store);
    }
}

static void end(struct world *world) {
    kv_store_close(world->store, WAIT_MS);
}

static void make(struct world *world) {
    snprintf(world->folder, sizeof world->folder, "/tmp/runnel-kv-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->model, sizeof world->model, "%s/model", world->folder);
    write_model(world, "a model");
}

static void destroy(const struct world *world) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", world->folder);
    assert_int_equal(system(command), 0);
}

/* Keeps the tokens behind what is there, with a payload that says where they are. */
static void put_for(struct world *world, const char *conversation, const int32_t *tokens, int n_tokens) {
    struct kv_id owner = kv_id_of(conversation, strlen(conversation));
    int n_before = kv_store_find_end(world->store, tokens, n_tokens);
    size_t n_head = kv_file_head_bytes(n_tokens - n_before);
    uint8_t *data = mem_alloc(n_head + PAYLOAD_BYTES);
    memset(data + n_head, n_before % 251, PAYLOAD_BYTES);
    kv_store_put(world->store, &owner, tokens, n_before, n_tokens, data, n_head + PAYLOAD_BYTES);
}

static void fill(int32_t *tokens, int n, int salt) {
    for (int i = 0; i < n; i++) {
        tokens[i] = salt * 1000 + i;
    }
}

static int reach(const struct world *world, const int32_t *tokens, int n_tokens) {
    size_t n_parts;
    int n_reached;
    free(kv_store_find(world->store, tokens, n_tokens, 0, &n_parts, &n_reached));
    return n_reached;
}

struct reading {
    int n_came;
    int n_good;
    int expected; /* of the payload's bytes; −1: it cannot be read */
};

static void on_read(void *ctx, uint8_t *file, const uint8_t *payload, size_t n_bytes, uint64_t took_ns) {
    struct reading *reading = ctx;
    bool is_good =
        file == NULL ? reading->expected < 0 : n_bytes == PAYLOAD_BYTES && payload[0] == reading->expected;
    (void)took_ns;
    reading->n_came++;
    reading->n_good += is_good;
    free(file);
}

static bool has_come(void *ctx) {
    return ((struct reading *)ctx)->n_came > 0;
}

/* Reads the file of the tokens from n_from on. */
static void check_read(struct world *world, const int32_t *tokens, int n_tokens, int n_from, int expected) {
    size_t n_parts;
    int n_reached;
    struct reading reading = { .expected = expected };
    struct kv_part *parts = kv_store_find(world->store, tokens, n_tokens, n_from, &n_parts, &n_reached);
    assert_non_null(parts);
    assert_non_null(kv_store_read(world->store, &parts[0], on_read, &reading));
    wait_until(world->store, has_come, &reading);
    assert_int_equal(reading.n_good, 1);
    free(parts);
}

struct written {
    const struct world *world;
    const int32_t *tokens;
};

static bool is_written(void *ctx) {
    const struct written *written = ctx;
    return reach(written->world, written->tokens, 50) == 50;
}

/* ---- The tests ---- */

static void test_what_is_put_is_read_by_the_next_life(void **state) {
    (void)state;
    struct world world;
    int32_t tokens[300];
    fill(tokens, 300, 1);
    make(&world);
    begin(&world, 1 << 20);
    put_for(&world, "a", tokens, 100);
    put_for(&world, "a", tokens, 250);
    end(&world);
    assert_int_equal(each_file(&world, check_private), 2);
    begin(&world, 1 << 20);
    assert_int_equal(reach(&world, tokens, 300), 250);
    assert_int_equal(reach(&world, tokens, 170), 170); /* the beginning of a file will do */
    check_read(&world, tokens, 300, 0, 0);
    check_read(&world, tokens, 300, 100, 100);
    tokens[120] = -1;
    assert_int_equal(reach(&world, tokens, 300), 120);
    assert_int_equal(kv_store_find_end(world.store, tokens, 300), 100);
    end(&world);
    destroy(&world);
}

static void test_another_model_or_other_parameters_find_nothing(void **state) {
    (void)state;
    struct world world;
    int32_t tokens[50];
    fill(tokens, 50, 1);
    make(&world);
    begin(&world, 1 << 20);
    put_for(&world, "a", tokens, 50);
    end(&world);
    write_model(&world, "another one");
    begin(&world, 1 << 20);
    assert_int_equal(reach(&world, tokens, 50), 0);
    end(&world);
    write_model(&world, "a model");
    begin(&world, 1 << 20);
    assert_int_equal(reach(&world, tokens, 50), 50);
    end(&world);
    destroy(&world);
}

static void check_broken(void (*break_file)(const char *path), bool is_seen_at_once) {
    struct world world;
    int32_t tokens[50];
    fill(tokens, 50, 1);
    make(&world);
    begin(&world, 1 << 20);
    put_for(&world, "a", tokens, 50);
    end(&world);
    assert_int_equal(each_file(&world, break_file), 1);
    begin(&world, 1 << 20);
    if (!is_seen_at_once) {
        check_read(&world, tokens, 50, 0, -1);
    }
    assert_int_equal(reach(&world, tokens, 50), 0);
    end(&world);
    assert_int_equal(each_file(&world, NULL), 0);
    destroy(&world);
}

static void test_what_is_broken_is_removed(void **state) {
    (void)state;
    check_broken(cut, true);
    check_broken(change_version, true);
    check_broken(flip_last_byte, false);
}

/* Between the look at the folder and the reading of a file. */
static void test_a_file_that_changes_its_size_is_not_read(void **state) {
    (void)state;
    struct world world;
    int32_t tokens[50];
    fill(tokens, 50, 1);
    make(&world);
    begin(&world, 1 << 20);
    put_for(&world, "a", tokens, 50);
    end(&world);
    begin(&world, 1 << 20);
    assert_int_equal(each_file(&world, grow), 1);
    check_read(&world, tokens, 50, 0, -1);
    end(&world);
    assert_int_equal(each_file(&world, NULL), 0);
    destroy(&world);
}

/* What was computed with one model must not be kept as another's, whose file took its name meanwhile. */
static void test_a_model_that_was_replaced_has_no_store(void **state) {
    (void)state;
    struct world world;
    make(&world);
    struct kv_id stamp = model_id_stamp(world.model);
    write_model(&world, "another one");
    world.store = open_store(&world, 1 << 20, stamp);
    kv_store_wait(world.store, WAIT_MS);
    assert_false(kv_store_is_open(world.store));
    end(&world);
    destroy(&world);
}

/* Two processes write into one folder: each sees now and then what the other has. */
static void test_the_budget_is_kept_over_all_engines(void **state) {
    (void)state;
    struct world world;
    int32_t tokens[50];
    const int64_t bytes_max = 16 * (PAYLOAD_BYTES + 500);
    make(&world);
    begin(&world, bytes_max);
    struct kv_store *first = world.store;
    begin(&world, bytes_max);
    struct kv_store *second = world.store;
    for (int i = 0; i < 40; i++) {
        fill(tokens, 50, i + 1);
        world.store = i % 2 ? first : second;
        put_for(&world, "a", tokens, 50);
        wait_until(world.store, is_written, &(struct written){ &world, tokens });
        kv_store_drain(world.store);
    }
    kv_store_close(first, WAIT_MS);
    kv_store_close(second, WAIT_MS);
    int n = each_file(&world, NULL);
    assert_true(n >= 8 && n <= 16 + 2 * (16 / KV_STORE_LIST_PARTS + 1));
    destroy(&world);
}

/* The end may cut the writing short, but not the removal of a conversation that was deleted. */
static void test_what_is_to_be_removed_is_also_in_a_hurry(void **state) {
    (void)state;
    struct world world;
    int32_t tokens[50];
    struct kv_id a = kv_id_of("a", 1);
    make(&world);
    begin(&world, 1 << 20);
    fill(tokens, 50, 1);
    put_for(&world, "a", tokens, 50);
    end(&world);
    begin(&world, 1 << 20);
    for (int i = 0; i < 100; i++) {
        fill(tokens, 50, i + 2);
        put_for(&world, "b", tokens, 50);
    }
    kv_store_forget(world.store, &a);
    kv_store_close(world.store, 0);
    begin(&world, 1 << 20);
    fill(tokens, 50, 1);
    assert_int_equal(reach(&world, tokens, 50), 0);
    end(&world);
    destroy(&world);
}

/* The files of other models count, and the ones that were not used for the longest time go first. */
static void test_the_budget_is_kept_over_all_models(void **state) {
    (void)state;
    struct world world;
    int32_t tokens[3][50];
    make(&world);
    for (int i = 0; i < 3; i++) {
        fill(tokens[i], 50, i + 1);
    }
    begin(&world, 1 << 20);
    put_for(&world, "a", tokens[0], 50);
    end(&world);
    write_model(&world, "another one");
    each_file(&world, make_old);
    begin(&world, 2 * (PAYLOAD_BYTES + 500));
    put_for(&world, "b", tokens[1], 50);
    end(&world);
    assert_int_equal(each_file(&world, NULL), 2);
    begin(&world, 2 * (PAYLOAD_BYTES + 500));
    put_for(&world, "c", tokens[2], 50);
    assert_int_equal(reach(&world, tokens[1], 50), 50);
    end(&world);
    write_model(&world, "a model");
    begin(&world, 2 * (PAYLOAD_BYTES + 500));
    assert_int_equal(reach(&world, tokens[0], 50), 0);
    end(&world);
    assert_int_equal(each_file(&world, NULL), 2);
    destroy(&world);
}

static bool has_none(void *ctx) {
    const struct world *world = ctx;
    return each_file(world, NULL) == 0;
}

static void test_a_budget_of_nothing_removes_everything(void **state) {
    (void)state;
    struct world world;
    int32_t tokens[50];
    fill(tokens, 50, 1);
    make(&world);
    begin(&world, 1 << 20);
    put_for(&world, "a", tokens, 50);
    end(&world);
    begin(&world, 0);
    wait_until(world.store, has_none, &world);
    assert_false(kv_store_can_write(world.store, 1));
    end(&world);
    destroy(&world);
}

static bool is_paused(void *ctx) {
    return !kv_store_can_write(ctx, 1);
}

/* A disk that takes no more: nothing is half written, and writing stops. */
static void test_a_full_disk_stops_the_writing(void **state) {
    (void)state;
    struct world world;
    int32_t tokens[50];
    struct rlimit before;
    fill(tokens, 50, 1);
    make(&world);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    begin(&world, 1 << 20);
    assert_int_equal(
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){ .rlim_cur = 1000, .rlim_max = before.rlim_max }), 0);
    put_for(&world, "a", tokens, 50);
    wait_until(world.store, is_paused, world.store);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(reach(&world, tokens, 50), 0);
    assert_int_equal(kv_store_find_end(world.store, tokens, 50), 0);
    end(&world);
    assert_int_equal(each_file(&world, NULL), 0);
    destroy(&world);
}

static void test_what_a_deleted_conversation_has_alone_is_removed(void **state) {
    (void)state;
    struct world world;
    int32_t common[60];
    int32_t own[60];
    fill(common, 60, 1);
    fill(own, 60, 2);
    make(&world);
    begin(&world, 1 << 20);
    put_for(&world, "a", common, 30); /* a system prompt, first seen with a */
    put_for(&world, "b", common, 60);
    put_for(&world, "a", own, 60);
    struct kv_id a = kv_id_of("a", 1);
    kv_store_forget(world.store, &a);
    assert_int_equal(kv_store_find_end(world.store, own, 60), 0);
    assert_int_equal(kv_store_find_end(world.store, common, 60), 60);
    end(&world);
    begin(&world, 1 << 20);
    assert_int_equal(reach(&world, own, 60), 0);
    check_read(&world, common, 60, 0, 0);
    struct kv_id b = kv_id_of("b", 1);
    kv_store_forget(world.store, &b);
    end(&world);
    assert_int_equal(each_file(&world, NULL), 0);
    destroy(&world);
}

/* Without the model, and of every model. */
static void test_forgetting_needs_no_model(void **state) {
    (void)state;
    struct world world;
    char folder[80];
    int32_t tokens[60];
    struct kv_id a = kv_id_of("a", 1);
    fill(tokens, 60, 1);
    make(&world);
    snprintf(folder, sizeof folder, "%s/kv", world.folder);
    for (int i = 0; i < 2; i++) {
        write_model(&world, i ? "a model" : "another one");
        begin(&world, 1 << 20);
        put_for(&world, "a", tokens, 30);
        put_for(&world, i ? "b" : "a", tokens, 60);
        end(&world);
    }
    assert_int_equal(each_file(&world, NULL), 4);
    kv_folder_forget(folder, &a, NULL);
    assert_int_equal(each_file(&world, NULL), 2);
    begin(&world, 1 << 20);
    check_read(&world, tokens, 60, 0, 0);
    kv_store_forget(world.store, &(struct kv_id){ 0 });
    end(&world);
    destroy(&world);
}

/* What a process that died left half written goes after a while; what is not ours stays. */
static void test_only_our_own_leftovers_are_removed(void **state) {
    (void)state;
    struct world world;
    int32_t tokens[50];
    fill(tokens, 50, 1);
    make(&world);
    begin(&world, 1 << 20);
    put_for(&world, "a", tokens, 50);
    end(&world);
    char *command = mem_format("cd %s/kv/*/ && old=$(ls | head -1) && touch note.txt other.kv && "
                               "touch -d '2 hours ago' ${old%%.kv}.12.tmp",
                               world.folder);
    assert_int_equal(system(command), 0);
    free(command);
    assert_int_equal(each_file(&world, NULL), 4);
    begin(&world, 1 << 20);
    end(&world);
    assert_int_equal(each_file(&world, NULL), 3);
    destroy(&world);
}

static void test_a_folder_that_cannot_be_had_is_no_store(void **state) {
    (void)state;
    assert_null(
        kv_store_open(&(struct kv_store_options){ .folder = "/proc/nowhere", .model_path = "/dev/null" }));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_put_is_read_by_the_next_life),
        cmocka_unit_test(test_another_model_or_other_parameters_find_nothing),
        cmocka_unit_test(test_what_is_broken_is_removed),
        cmocka_unit_test(test_a_file_that_changes_its_size_is_not_read),
        cmocka_unit_test(test_a_model_that_was_replaced_has_no_store),
        cmocka_unit_test(test_the_budget_is_kept_over_all_models),
        cmocka_unit_test(test_the_budget_is_kept_over_all_engines),
        cmocka_unit_test(test_what_is_to_be_removed_is_also_in_a_hurry),
        cmocka_unit_test(test_a_budget_of_nothing_removes_everything),
        cmocka_unit_test(test_a_full_disk_stops_the_writing),
        cmocka_unit_test(test_what_a_deleted_conversation_has_alone_is_removed),
        cmocka_unit_test(test_forgetting_needs_no_model),
        cmocka_unit_test(test_only_our_own_leftovers_are_removed),
        cmocka_unit_test(test_a_folder_that_cannot_be_had_is_no_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
