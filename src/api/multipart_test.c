#include "api/multipart.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    char name[MULTIPART_NAME_BYTES];
    struct bytes file;
    int n_files;
    enum status refuse;
};

static enum status on_file(void *ctx, const char *file_name) {
    struct seen *seen = ctx;
    seen->n_files++;
    memcpy(seen->name, file_name, strlen(file_name) + 1);
    return seen->refuse;
}

static enum status on_bytes(void *ctx, const char *bytes, size_t n_bytes) {
    struct seen *seen = ctx;
    return bytes_add(&seen->file, bytes, n_bytes);
}

static const struct multipart_handlers handlers = { .on_file = on_file, .on_bytes = on_bytes };

#define TYPE       "multipart/form-data; boundary=B0"
#define HEAD(name) "Content-Disposition: form-data; name=\"file\"; filename=\"" name "\"\r\n"

/* Feeds the body in pieces of n_piece bytes. */
static enum status feed(struct seen *seen, const char *body, size_t size, size_t n_piece, bool *is_complete) {
    struct multipart multipart;
    bytes_init(&seen->file, 1 << 20);
    assert_int_equal(multipart_init(&multipart, TYPE, &handlers, seen), STATUS_OK);
    enum status status = STATUS_OK;
    for (size_t at = 0; at < size && status == STATUS_OK; at += n_piece) {
        status = multipart_feed(&multipart, body + at, size - at < n_piece ? size - at : n_piece);
    }
    *is_complete = multipart_is_complete(&multipart);
    multipart_deinit(&multipart);
    return status;
}

static void expect_file(const char *body, size_t size, const char *name, const char *file, size_t file_size) {
    for (size_t n_piece = 1; n_piece <= size; n_piece++) {
        struct seen seen = { 0 };
        bool is_complete;
        assert_int_equal(feed(&seen, body, size, n_piece, &is_complete), STATUS_OK);
        assert_true(is_complete);
        assert_int_equal(seen.n_files, 1);
        assert_string_equal(seen.name, name);
        assert_int_equal(seen.file.size, file_size);
        assert_memory_equal(seen.file.data ? seen.file.data : "", file, file_size);
        bytes_deinit(&seen.file);
    }
}

static void expect_wrong(const char *body) {
    struct seen seen = { 0 };
    bool is_complete;
    assert_int_equal(feed(&seen, body, strlen(body), 7, &is_complete), STATUS_INVALID);
    assert_false(is_complete);
    bytes_deinit(&seen.file);
}

static void test_a_file_is_found_whatever_the_pieces_are(void **state) {
    (void)state;
    static const char body[] = "--B0\r\n" HEAD(
        "a.gguf") "Content-Type: application/octet-stream\r\n\r\nGGUF\0\r\n--B\r\n-\r\n--B0--\r\n";
    expect_file(body, sizeof body - 1, "a.gguf", "GGUF\0\r\n--B\r\n-", 13);
}

static void test_fields_a_preamble_and_padding_are_skipped(void **state) {
    (void)state;
    static const char body[] =
        "preamble\r\n--B0 \t\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nfilename=\"no\"\r\n--B0\r\n"
        "\r\nno headers\r\n--B0\r\ncontent-disposition: form-data; FileName=plain.gguf\r\n\r\nabc\r\n--B0--";
    expect_file(body, sizeof body - 1, "plain.gguf", "abc", 3);
}

static void test_an_empty_file_is_a_file(void **state) {
    (void)state;
    static const char body[] = "--B0\r\n" HEAD("e") "\r\n\r\n--B0--\r\nepilogue";
    expect_file(body, sizeof body - 1, "e", "", 0);
}

static void test_what_is_no_multipart_body_is_refused(void **state) {
    (void)state;
    expect_wrong("--B0x\r\n" HEAD("a") "\r\nabc\r\n--B0--");
    expect_wrong("--B0\r\n" HEAD("a") "\r\nabc\r\n--B0\r\n" HEAD("b") "\r\ndef\r\n--B0--");
    char *endless = mem_alloc(40000);
    memset(endless, 'x', 39999);
    memcpy(endless, "--B0\r\n", 6);
    expect_wrong(endless);
    free(endless);
}

static void test_a_body_without_its_last_boundary_is_incomplete(void **state) {
    (void)state;
    static const char body[] = "--B0\r\n" HEAD("a") "\r\nabc\r\n--B0";
    struct seen seen = { 0 };
    bool is_complete;
    assert_int_equal(feed(&seen, body, sizeof body - 1, 5, &is_complete), STATUS_OK);
    assert_false(is_complete);
    bytes_deinit(&seen.file);
    struct seen none = { 0 };
    assert_int_equal(feed(&none, "--B0--", 6, 6, &is_complete), STATUS_OK);
    assert_false(is_complete);
}

static void test_a_refusal_of_the_receiver_ends_it(void **state) {
    (void)state;
    static const char body[] = "--B0\r\n" HEAD("a") "\r\nabc\r\n--B0--";
    struct seen seen = { .refuse = STATUS_CONFLICT };
    bool is_complete;
    assert_int_equal(feed(&seen, body, sizeof body - 1, 5, &is_complete), STATUS_CONFLICT);
    assert_int_equal(seen.file.size, 0);
}

static void test_parameters_are_tokens_or_quoted(void **state) {
    (void)state;
    char out[16];
    assert_true(multipart_take_parameter("form-data; name=\"a;b=\\\"c\"; filename=\"d\\e\"", "filename", out,
                                         sizeof out));
    assert_string_equal(out, "d\\e");
    assert_true(multipart_take_parameter("form-data; name=\"a;b=\\\"c\"", "NAME", out, sizeof out));
    assert_string_equal(out, "a;b=\"c");
    assert_true(multipart_take_parameter("x;boundary=q;y=1", "boundary", out, sizeof out));
    assert_string_equal(out, "q");
    assert_false(multipart_take_parameter("x; filename*=utf-8''y", "filename", out, sizeof out));
    assert_false(multipart_take_parameter("x; name=\"unterminated", "name", out, sizeof out));
    assert_false(multipart_take_parameter("x; name=\"far too long for this\"", "name", out, sizeof out));
    assert_false(multipart_take_parameter("x", "name", out, sizeof out));
    assert_false(multipart_take_parameter("", "name", out, sizeof out));
}

static void test_a_boundary_is_needed(void **state) {
    (void)state;
    struct multipart multipart;
    assert_int_equal(multipart_init(&multipart, "multipart/form-data", &handlers, NULL), STATUS_INVALID);
    assert_int_equal(multipart_init(&multipart, "multipart/form-data; boundary=", &handlers, NULL),
                     STATUS_INVALID);
    multipart_deinit(&multipart);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_found_whatever_the_pieces_are),
        cmocka_unit_test(test_fields_a_preamble_and_padding_are_skipped),
        cmocka_unit_test(test_an_empty_file_is_a_file),
        cmocka_unit_test(test_what_is_no_multipart_body_is_refused),
        cmocka_unit_test(test_a_body_without_its_last_boundary_is_incomplete),
        cmocka_unit_test(test_a_refusal_of_the_receiver_ends_it),
        cmocka_unit_test(test_parameters_are_tokens_or_quoted),
        cmocka_unit_test(test_a_boundary_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
