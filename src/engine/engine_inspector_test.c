/* The inspector: many questions of one process, and files that are bad for it. */
#include "engine/inspector.h"

#include "base/mem.h"
#include "engine/engine_test_driver.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELLO "echo '{\"ev\":\"hello\",\"protocol\":1,\"engine\":\"sh\",\"version\":\"0\"}'\n"
/* Answers with its own process id as the name. */
#define ANSWER        "echo '{\"ev\":\"inspect\",\"model\":\"m\",\"info\":{\"name\":\"'$$'\"}}'\n"
#define QUESTIONS_MAX 8

struct answered {
    int n_calls;
    enum status status;
    char name[64];
    char text[FAULT_TEXT_BYTES];
};

struct fixture {
    struct test_loop *loop;
    struct inspector *inspector;
    struct answered answers[QUESTIONS_MAX];
    size_t n_asked;
};

static const char *const folders[] = { DRIVER_FOLDER, NULL };

static void on_answer(void *ctx, enum status status, const json_t *info, const char *text) {
    struct answered *answered = ctx;
    answered->n_calls++;
    answered->status = status;
    assert_int_equal(status == STATUS_OK, info != NULL);
    snprintf(answered->name, sizeof answered->name, "%s", json_get_text(info, "name", ""));
    snprintf(answered->text, sizeof answered->text, "%s", text);
}

static void begin(struct fixture *fixture, const char *program, uint32_t answer_ms) {
    *fixture = (struct fixture){ .loop = test_loop_new() };
    fixture->inspector =
        inspector_new(&(struct inspector_options){ .loop = test_loop_get(fixture->loop),
                                                   .program = program ? program : RUNNEL_TEST_ENGINE,
                                                   .folders = folders,
                                                   .answer_ms = answer_ms });
}

static void ask(struct fixture *fixture, const char *path) {
    struct answered *answered = &fixture->answers[fixture->n_asked++];
    assert_int_equal(inspector_ask(fixture->inspector, path, on_answer, answered), STATUS_OK);
    assert_int_equal(answered->n_calls, 0);
}

static bool are_answered(void *ctx) {
    const struct fixture *fixture = ctx;
    size_t n = 0;
    for (size_t i = 0; i < fixture->n_asked; i++) {
        n += fixture->answers[i].n_calls > 0;
    }
    return n == fixture->n_asked;
}

/* All answers, each once. */
static const struct answered *wait(struct fixture *fixture) {
    assert_true(test_loop_run(fixture->loop, are_answered, fixture, DRIVER_WAIT_MS));
    test_loop_turn(fixture->loop, 0);
    for (size_t i = 0; i < fixture->n_asked; i++) {
        assert_int_equal(fixture->answers[i].n_calls, 1);
    }
    return fixture->answers;
}

static void end(struct fixture *fixture) {
    inspector_free(fixture->inspector);
    test_loop_free(fixture->loop); /* and nothing is left behind */
}

static void expect_one(const char *program, const char *path, uint32_t answer_ms, enum status status,
                       const char *words) {
    struct fixture fixture;
    begin(&fixture, program, answer_ms);
    ask(&fixture, path);
    const struct answered *answered = wait(&fixture);
    assert_int_equal(answered->status, status);
    assert_non_null(strstr(answered->text, words));
    end(&fixture);
}

static void test_many_files_are_read_by_one_process(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, driver_write_program("answers", HELLO "while read -r line; do " ANSWER "done\n"), 0);
    for (size_t i = 0; i < 5; i++) {
        ask(&fixture, "m.gguf");
    }
    const struct answered *answers = wait(&fixture);
    assert_true(answers[0].name[0] != '\0');
    for (size_t i = 1; i < 5; i++) {
        assert_string_equal(answers[i].name, answers[0].name);
    }
    end(&fixture);
}

static void test_the_fake_engine_answers(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, NULL, 0);
    ask(&fixture, "fake:{\"name\":\"tiny\"}");
    ask(&fixture, "/nowhere/model.json");
    ask(&fixture, "fake:garbage");
    ask(&fixture, "fake:{\"name\":\"last\"}");
    const struct answered *answers = wait(&fixture);
    assert_string_equal(answers[0].name, "tiny");
    assert_int_equal(answers[1].status, STATUS_NOT_FOUND);
    assert_non_null(strstr(answers[1].text, "/nowhere/model.json"));
    assert_int_equal(answers[2].status, STATUS_CORRUPT);
    assert_string_equal(answers[3].name, "last");
    end(&fixture);
}

static void test_a_file_that_kills_the_process_is_named_and_costs_no_other(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture,
          driver_write_program("dying", HELLO "while read -r line; do\n"
                                              "case $line in *bad*) kill -SEGV $$;; esac\n" ANSWER "done\n"),
          0);
    ask(&fixture, "good.gguf");
    ask(&fixture, "bad.gguf");
    ask(&fixture, "fine.gguf");
    const struct answered *answers = wait(&fixture);
    assert_int_equal(answers[0].status, STATUS_OK);
    assert_int_equal(answers[1].status, STATUS_CORRUPT);
    assert_non_null(strstr(answers[1].text, "bad.gguf"));
    assert_int_equal(answers[2].status, STATUS_OK);
    end(&fixture);
}

/* It may have been the file before, or nothing of the kind. */
static void test_a_process_that_dies_between_two_files_blames_neither(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, driver_write_program("once", HELLO "read -r line\n" ANSWER "exit 3\n"), 0);
    ask(&fixture, "one.gguf");
    ask(&fixture, "two.gguf");
    const struct answered *answers = wait(&fixture);
    assert_int_equal(answers[0].status, STATUS_OK);
    assert_int_equal(answers[1].status, STATUS_OK);
    assert_string_not_equal(answers[0].name, answers[1].name);
    end(&fixture);
}

static void test_programs_that_are_wrong(void **state) {
    (void)state;
    expect_one("/nowhere/program", "m", 0, STATUS_NOT_FOUND, "/nowhere/program");
    expect_one(driver_write_program("silent", HELLO "while read -r line; do :; done\n"), "m.gguf", 100,
               STATUS_IO, "m.gguf");
    expect_one(driver_write_program("rude", "echo nonsense\nwhile read -r line; do :; done\n"), "m", 0,
               STATUS_IO, "protocol");
}

static void test_after_nonsense_the_next_file_is_asked_of_another(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture,
          driver_write_program("mixed",
                               HELLO "while read -r line; do\n"
                                     "case $line in *bad*) echo nonsense;; *) " ANSWER ";; esac\ndone\n"),
          0);
    ask(&fixture, "bad.gguf");
    ask(&fixture, "fine.gguf");
    const struct answered *answers = wait(&fixture);
    assert_int_equal(answers[0].status, STATUS_IO);
    assert_int_equal(answers[1].status, STATUS_OK);
    end(&fixture);
}

/* Links that lead out of the folders: the program is told, by name, what it may read besides. */
static void test_a_link_is_followed_by_a_process_that_may(void **state) {
    (void)state;
    struct fixture fixture = { .loop = test_loop_new() };
    char *program = mem_copy_string(driver_write_program(
        "named", "all=$*\n" HELLO "while read -r line; do\n"
                 "echo '{\"ev\":\"inspect\",\"model\":\"m\",\"info\":{\"name\":\"'${all##*/}'\"}}'\ndone\n"));
    char target[] = "/tmp/runnel-link-XXXXXX";
    int fd = mkstemp(target);
    assert_true(fd >= 0);
    const char *link = driver_path("link.gguf");
    assert_int_equal(symlink(target, link), 0);
    fixture.inspector = inspector_new(&(struct inspector_options){
        .loop = test_loop_get(fixture.loop), .program = program, .is_sandboxed = true, .folders = folders });
    ask(&fixture, link);
    ask(&fixture, program); /* a file of the folder: the same process reads it */
    const struct answered *answers = wait(&fixture);
    assert_string_equal(answers[0].name, target + strlen("/tmp/"));
    assert_string_equal(answers[1].name, target + strlen("/tmp/"));
    end(&fixture);
    close(fd);
    unlink(target);
    free(program);
}

/* What the server's environment has besides, a token maybe, is none of its business; nor does it leave a core file. */
static void test_the_program_is_given_only_what_it_needs(void **state) {
    (void)state;
    struct fixture fixture;
    setenv("RUNNEL_TOKEN", "secret", 1);
    setenv("GGML_TEST", "ggml", 1);
    const char *program = driver_write_program(
        "environment",
        HELLO "while read -r line; do\n"
              "echo '{\"ev\":\"inspect\",\"model\":\"m\",\"info\":{\"name\":\"'$RUNNEL_TOKEN$GGML_TEST"
              "$(ulimit -c)'\"}}'\ndone\n");
    begin(&fixture, program, 0);
    ask(&fixture, "m.gguf");
    assert_string_equal(wait(&fixture)->name, "ggml0");
    end(&fixture);
    unsetenv("RUNNEL_TOKEN");
    unsetenv("GGML_TEST");
}

/* A server that stops: whoever asked frees what it has for the answer. */
static void test_what_waits_is_answered_when_it_is_freed(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, NULL, 0);
    ask(&fixture, "fake:{}");
    ask(&fixture, "fake:{}");
    end(&fixture);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fixture.answers[i].n_calls, 1);
        assert_int_equal(fixture.answers[i].status, STATUS_UNAVAILABLE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_files_are_read_by_one_process),
        cmocka_unit_test(test_the_fake_engine_answers),
        cmocka_unit_test(test_a_file_that_kills_the_process_is_named_and_costs_no_other),
        cmocka_unit_test(test_a_process_that_dies_between_two_files_blames_neither),
        cmocka_unit_test(test_programs_that_are_wrong),
        cmocka_unit_test(test_after_nonsense_the_next_file_is_asked_of_another),
        cmocka_unit_test(test_a_link_is_followed_by_a_process_that_may),
        cmocka_unit_test(test_the_program_is_given_only_what_it_needs),
        cmocka_unit_test(test_what_waits_is_answered_when_it_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
