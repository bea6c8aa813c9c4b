/* store_test_driver.h - a store in a directory of its own, driven as a loop would: post, wait for the wake,
 * drain.
 *
 * The driver_ functions that return an answer wait for it, and fail the test when it does not come. */
#ifndef RUNNEL_STORE_STORE_TEST_DRIVER_H
#define RUNNEL_STORE_STORE_TEST_DRIVER_H

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DRIVER_WALL_MS  1795381510123 /* 2026-11-22T21:05:10.123Z */
#define DRIVER_ROWS_MAX 50

struct driver {
    struct store *store;
    char directory[32];
    char path[64]; /* of the database */
    int wake_fd;
    int64_t retry_ms;
    int64_t load_bytes_max;
    bool goes_on; /* what store_recover is told */
};

/* For cmocka_unit_test_setup_teardown: *state is a struct driver with an open store. */
int driver_setup(void **state);
int driver_teardown(void **state);

/* driver_open opens and recovers. */
enum status driver_open(struct driver *driver, struct fault *fault);
void driver_close(struct driver *driver);
void driver_reopen(struct driver *driver);

/* driver_wait drains until *is_done. */
void driver_wait(struct driver *driver, const bool *is_done);

/* driver_number runs a query on the database of a closed store. */
int64_t driver_number(const struct driver *driver, const char *sql);

/* driver_exec changes the database of a closed store. */
void driver_exec(const struct driver *driver, const char *sql);

/* An answer that is one status; pass &answer as ctx. */
struct driver_answer {
    bool is_done;
    enum status status;
};
void driver_on_done(void *ctx, enum status status);

struct driver_ended {
    bool is_done;
    enum status status;
    int64_t continuation_key;
};
void driver_on_ended(void *ctx, enum status status, int64_t continuation_key);

struct driver_sent {
    bool is_done;
    struct store_sent sent;
};
void driver_on_sent(void *ctx, const struct store_sent *sent);

/* driver_fill_send gives what is missing: fresh ids, a text, a title, a model, the wall time. */
struct driver_ids {
    char user[ID_HEX_BYTES];
    char assistant[ID_HEX_BYTES];
    char generation[ID_HEX_BYTES];
};
void driver_fill_send(struct store_send *send, struct driver_ids *ids);

struct store_sent driver_send(struct driver *driver, struct store_send send);
enum status driver_append(struct driver *driver, int64_t generation_key, uint64_t seq, const char *text);
enum status driver_end(struct driver *driver, int64_t generation_key, uint64_t seq);

/* driver_end_as gives what is missing: the reason "stop", the wall time. */
struct driver_ended driver_end_as(struct driver *driver, struct store_end end);
struct store_continued driver_continue(struct driver *driver, struct store_continue wanted);
enum status driver_delete(struct driver *driver, const char *name);
enum status driver_put_setting(struct driver *driver, const char *name, const char *json);
int64_t driver_begin_detached(struct driver *driver);

/* NULL unless STATUS_OK. */
struct store_conversation *driver_load(struct driver *driver, const char *name, enum status *status);

struct driver_list {
    bool is_done;
    enum status status;
    size_t n_rows;
    struct {
        char name[ID_CONVERSATION_BYTES];
        char title[100];
        char snippet[300];
        bool has_snippet;
        int64_t created_ms;
        int64_t updated_ms;
    } rows[DRIVER_ROWS_MAX];
};
struct driver_list driver_list(struct driver *driver, struct store_list list);

/* driver_add_conversation stores a question and an answer that has ended, and returns the name. */
void driver_add_conversation(struct driver *driver, const char *title, const char *question,
                             const char *answer, char name[ID_CONVERSATION_BYTES]);

#endif
