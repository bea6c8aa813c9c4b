#include "chat/chat_world.h"

#include "base/mem.h"
#include "chat/chat_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORLD_KEY 1 /* of every generation */

/* What a callback of the store is, by the kind of its job. */
union callback {
    store_on_sent sent;
    store_on_continued continued;
    store_on_begun begun;
    store_on_ended ended;
    store_on_loaded loaded;
    store_on_found found;
    store_on_done done;
    store_on_changed changed;
};

struct job {
    struct list_node node;
    enum job_kind kind;
    union callback callback;
    void *ctx;
    char conversation[ID_CONVERSATION_BYTES];
    char generation_id[ID_HEX_BYTES]; /* of JOB_END: of what goes on with it */
    char user_message_id[ID_HEX_BYTES];
    char assistant_message_id[ID_HEX_BYTES];
    char *settings; /* of JOB_CHANGE */
};

struct engine {
    struct engine_options options;
    enum engine_state state;
};

struct loop_timer {
    int unused;
};

struct chat_world *world;

/* ---- The store: jobs ---- */

static struct job *post(enum job_kind kind, union callback callback, void *ctx) {
    struct job *job = mem_alloc(sizeof *job);
    job->kind = kind;
    job->callback = callback;
    job->ctx = ctx;
    list_append(&world->jobs, &job->node);
    return job;
}

static enum status post_named(enum job_kind kind, const char *name, union callback callback, void *ctx) {
    id_copy(post(kind, callback, ctx)->conversation, ID_CONVERSATION_BYTES, name);
    return STATUS_OK;
}

enum status store_send(struct store *store, const struct store_send *send, store_on_sent callback,
                       void *ctx) {
    (void)store;
    struct job *job = post(JOB_SEND, (union callback){ .sent = callback }, ctx);
    id_copy(job->conversation, sizeof job->conversation, send->conversation ? send->conversation : WORLD_NEW);
    id_copy(job->generation_id, sizeof job->generation_id, send->generation_id);
    id_copy(job->user_message_id, sizeof job->user_message_id, send->user_message_id);
    id_copy(job->assistant_message_id, sizeof job->assistant_message_id, send->assistant_message_id);
    return STATUS_OK;
}

enum status store_continue(struct store *store, const struct store_continue *wanted,
                           store_on_continued callback, void *ctx) {
    (void)store;
    struct job *job = post(JOB_CONTINUE, (union callback){ .continued = callback }, ctx);
    id_copy(job->generation_id, sizeof job->generation_id, wanted->generation_id);
    return STATUS_OK;
}

enum status store_begin_detached(struct store *store, const char *generation_id, store_on_begun callback,
                                 void *ctx) {
    (void)store;
    (void)generation_id;
    post(JOB_BEGIN_DETACHED, (union callback){ .begun = callback }, ctx);
    return STATUS_OK;
}

enum status store_end_generation(struct store *store, const struct store_end *end, store_on_ended callback,
                                 void *ctx) {
    (void)store;
    struct job *job = post(JOB_END, (union callback){ .ended = callback }, ctx);
    id_copy(job->generation_id, sizeof job->generation_id, end->continuation_id ? end->continuation_id : "");
    return STATUS_OK;
}

enum status store_load_conversation(struct store *store, const char *name, store_on_loaded callback,
                                    void *ctx) {
    (void)store;
    return post_named(JOB_LOAD, name, (union callback){ .loaded = callback }, ctx);
}

enum status store_find_generation(struct store *store, const char *generation_id, store_on_found callback,
                                  void *ctx) {
    (void)store;
    (void)generation_id;
    return post_named(JOB_FIND, WORLD_NAME, (union callback){ .found = callback }, ctx);
}

enum status store_delete_conversation(struct store *store, const char *name, store_on_done callback,
                                      void *ctx) {
    (void)store;
    return post_named(JOB_DELETE, name, (union callback){ .done = callback }, ctx);
}

enum status store_change_conversation(struct store *store, const struct store_change *change,
                                      store_on_changed callback, void *ctx) {
    (void)store;
    struct job *job = post(JOB_CHANGE, (union callback){ .changed = callback }, ctx);
    id_copy(job->conversation, ID_CONVERSATION_BYTES, change->name);
    job->settings = mem_copy_string(change->settings);
    return STATUS_OK;
}

enum status store_fork(struct store *store, const char *name, const char *message, int64_t wall_ms,
                       store_on_changed callback, void *ctx) {
    (void)store;
    (void)name;
    (void)message;
    (void)wall_ms;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_hide(struct store *store, const char *message, int64_t wall_ms, store_on_reshaped callback,
                       void *ctx) {
    (void)store;
    (void)message;
    (void)wall_ms;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_show(struct store *store, const char *message, store_on_reshaped callback, void *ctx) {
    (void)store;
    (void)message;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_list_folders(struct store *store, store_on_folders callback, void *ctx) {
    (void)store;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_rename_folder(struct store *store, const char *from, const char *to, store_on_done callback,
                                void *ctx) {
    (void)store;
    (void)from;
    (void)to;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_list_due(struct store *store, int64_t trash_ms, int64_t temporary_ms, store_on_due callback,
                           void *ctx) {
    (void)store;
    (void)trash_ms;
    (void)temporary_ms;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_purge_messages(struct store *store, int64_t before_ms, store_on_done callback, void *ctx) {
    (void)store;
    (void)before_ms;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_put_setting(struct store *store, const char *name, const char *json, store_on_done callback,
                              void *ctx) {
    (void)store;
    (void)name;
    (void)json;
    post(JOB_PUT_SETTING, (union callback){ .done = callback }, ctx);
    return STATUS_OK;
}

/* ---- The store: what is not asked in these tests, or answered at once ---- */

enum status store_append_tokens(struct store *store, const struct store_tokens *batch, store_on_done callback,
                                void *ctx) {
    (void)store;
    (void)batch;
    (void)callback;
    (void)ctx;
    fail_msg("the engine of these tests says no token");
    return STATUS_INVALID;
}

enum status store_list_conversations(struct store *store, const struct store_list *list,
                                     store_on_listed callback, void *ctx) {
    (void)store;
    (void)list;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_backup(struct store *store, store_on_backed_up callback, void *ctx) {
    (void)store;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

/* ---- Search, files and import: nobody asks for them here ---- */

enum status store_search(struct store *store, const struct store_search *search, store_on_searched callback,
                         void *ctx) {
    (void)store;
    (void)search;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_aside(struct store *store, void (*work)(void *ctx), store_on_done callback, void *ctx) {
    (void)store;
    (void)work;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_put_attachment(struct store *store, const struct store_attachment *attachment,
                                 int64_t wall_ms, store_on_done callback, void *ctx) {
    (void)store;
    (void)attachment;
    (void)wall_ms;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_set_attachment_text(struct store *store, const char *id, const char *text,
                                      store_on_done callback, void *ctx) {
    (void)store;
    (void)id;
    (void)text;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_find_attachment(struct store *store, const char *id, store_on_attachment callback,
                                  void *ctx) {
    (void)store;
    (void)id;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_sweep_attachments(struct store *store, int64_t wall_ms, store_on_swept callback,
                                    void *ctx) {
    (void)store;
    (void)wall_ms;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_forget_attachments(struct store *store, const struct store_swept *swept,
                                     store_on_done callback, void *ctx) {
    (void)store;
    (void)swept;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_import(struct store *store, struct store_import *import, store_on_imported callback,
                         void *ctx) {
    (void)store;
    (void)import;
    (void)callback;
    (void)ctx;
    return STATUS_UNAVAILABLE;
}

enum status store_recover(struct store *store, bool goes_on, struct fault *fault) {
    (void)store;
    (void)goes_on;
    (void)fault;
    return STATUS_OK;
}

const struct store_waiting *store_waiting(const struct store *store, size_t *n) {
    (void)store;
    *n = world->n_waiting;
    return world->waiting;
}

char *store_setting(const struct store *store, const char *name) {
    (void)store;
    (void)name;
    return NULL;
}

const char *store_epoch(const struct store *store) {
    (void)store;
    return "00000000000000aa";
}

enum store_trouble store_trouble(const struct store *store) {
    (void)store;
    return STORE_FINE;
}

const struct histogram *store_commit_times(const struct store *store) {
    (void)store;
    return NULL;
}

const struct histogram *store_sync_times(const struct store *store) {
    (void)store;
    return NULL;
}

size_t store_pending(const struct store *store) {
    (void)store;
    return 0;
}

void store_drain(struct store *store) {
    (void)store;
}

/* ---- The store: answers ---- */

static struct job *find_job(enum job_kind kind) {
    LIST_EACH(node, &world->jobs) {
        struct job *job = CONTAINER_OF(node, struct job, node);
        if (job->kind == kind) {
            return job;
        }
    }
    return NULL;
}

size_t world_waits(enum job_kind kind) {
    size_t n = 0;
    LIST_EACH(node, &world->jobs) {
        n += CONTAINER_OF(node, struct job, node)->kind == kind;
    }
    return n;
}

const char *world_asked(enum job_kind kind) {
    const struct job *job = find_job(kind);
    assert_non_null(job);
    return job->generation_id;
}

/* Freed by the caller, who answers first. */
static struct job *take_job(enum job_kind kind) {
    struct job *job = find_job(kind);
    if (job == NULL) {
        fail_msg("the store was not asked for a job of the kind %d", (int)kind);
    } else {
        list_remove(&job->node);
    }
    return job;
}

void world_sent(enum status status) {
    struct job *job = take_job(JOB_SEND);
    struct store_sent sent = { .status = status, .generation_key = status ? 0 : WORLD_KEY };
    id_copy(sent.conversation, sizeof sent.conversation, job->conversation);
    id_copy(sent.user_message_id, sizeof sent.user_message_id, job->user_message_id);
    id_copy(sent.assistant_message_id, sizeof sent.assistant_message_id, job->assistant_message_id);
    id_copy(sent.generation_id, sizeof sent.generation_id, job->generation_id);
    job->callback.sent(job->ctx, &sent);
    free(job);
}

void world_continued(enum status status) {
    struct job *job = take_job(JOB_CONTINUE);
    struct store_continued continued = { .status = status, .generation_key = status ? 0 : WORLD_KEY };
    id_copy(continued.generation_id, sizeof continued.generation_id, job->generation_id);
    job->callback.continued(job->ctx, &continued);
    free(job);
}

void world_begun(enum status status) {
    struct job *job = take_job(JOB_BEGIN_DETACHED);
    job->callback.begun(job->ctx, status, WORLD_KEY);
    free(job);
}

void world_ended(void) {
    struct job *job = take_job(JOB_END);
    job->callback.ended(job->ctx, STATUS_OK, job->generation_id[0] ? WORLD_KEY : 0);
    free(job);
}

void world_found(void) {
    struct job *job = take_job(JOB_FIND);
    job->callback.found(job->ctx, STATUS_OK, job->conversation);
    free(job);
}

static void answer_done(enum job_kind kind, enum status status) {
    struct job *job = take_job(kind);
    job->callback.done(job->ctx, status);
    free(job);
}

void world_deleted(enum status status) {
    answer_done(JOB_DELETE, status);
}

void world_changed(enum status status) {
    struct job *job = take_job(JOB_CHANGE);
    struct store_listed row = { .title = "", .own.settings = job->settings };
    id_copy(row.name, sizeof row.name, job->conversation);
    job->callback.changed(job->ctx, status, status ? NULL : &row);
    free(job->settings);
    free(job);
}

static void make_answer(struct store_message *message, const char *generation_id, const char *reason) {
    struct store_generation *generation = mem_alloc(sizeof *generation);
    generation->key = WORLD_KEY;
    generation->n_text_ends = reason ? 2 : 1;
    generation->text_ends = mem_alloc(generation->n_text_ends * sizeof *generation->text_ends);
    generation->ended = reason != NULL;
    generation->reason = mem_copy_string(reason);
    generation->model = mem_copy_string(WORLD_MODEL);
    id_copy(generation->id, sizeof generation->id, generation_id);
    message->generations = generation;
    message->n_generations = 1;
}

void world_loaded(const char *generation_id, const char *reason, const char *settings) {
    struct job *job = take_job(JOB_LOAD);
    struct store_conversation *found = mem_alloc(sizeof *found);
    id_copy(found->name, sizeof found->name, job->conversation);
    found->title = mem_copy_string("Rivers");
    found->own.settings = mem_copy_string(settings);
    found->n_messages = 2;
    found->messages = mem_alloc(2 * sizeof found->messages[0]);
    for (size_t i = 0; i < 2; i++) {
        struct store_message *message = &found->messages[i];
        message->role = i ? STORE_ROLE_ASSISTANT : STORE_ROLE_USER;
        message->content = mem_copy_string(i ? "" : "Hi");
        message->content_size = i ? 0 : 2;
        id_copy(message->id, sizeof message->id, i ? "a1" : "u1");
    }
    make_answer(&found->messages[1], generation_id, reason);
    job->callback.loaded(job->ctx, STATUS_OK, found);
    free(job);
}

void world_not_loaded(enum status status) {
    struct job *job = take_job(JOB_LOAD);
    job->callback.loaded(job->ctx, status, NULL);
    free(job);
}

/* ---- The engine ---- */

struct engine *engine_start(const struct engine_options *options) {
    struct engine *engine = mem_alloc(sizeof *engine);
    engine->options = *options;
    engine->options.model_path = mem_copy_string(options->model_path);
    engine->state = ENGINE_LOADING;
    world->engine = engine;
    world->n_loads++;
    return engine;
}

void engine_free(struct engine *engine) {
    if (engine) {
        free((char *)(uintptr_t)engine->options.model_path);
        free(engine);
    }
}

static void end_with(struct engine *engine, const char *reason, const char *code) {
    char id[ID_HEX_BYTES];
    id_copy(id, sizeof id, world->given);
    world->given[0] = '\0';
    world->is_cancelled = false;
    if (id[0]) {
        engine->options.handlers->on_end(
            engine->options.ctx, id,
            &(struct engine_end){ .reason = reason, .error_code = code, .error_text = code ? "" : NULL });
    }
}

void world_engine_ready(void) {
    assert_non_null(world->engine);
    world->engine->state = ENGINE_READY;
    world->engine->options.handlers->on_state(world->engine->options.ctx, world->engine);
}

void world_engine_ends(const char *reason) {
    assert_true(world->given[0] != '\0');
    end_with(world->engine, reason, NULL);
}

void engine_stop(struct engine *engine) {
    end_with(engine, "interrupted", "engine_stopped");
    engine->state = ENGINE_STOPPED;
    world->engine = NULL;
}

enum status engine_generate(struct engine *engine, const struct engine_job *job) {
    (void)engine;
    if (world->given[0]) {
        return STATUS_FULL;
    }
    id_copy(world->given, sizeof world->given, job->id);
    return STATUS_OK;
}

enum status engine_ask(struct engine *engine, const char *op, const char *id, const json_t *members) {
    (void)engine;
    (void)op;
    (void)id;
    (void)members;
    return STATUS_FULL;
}

void engine_cancel(struct engine *engine, const char *id) {
    (void)engine;
    world->is_cancelled = world->is_cancelled || strcmp(world->given, id) == 0;
}

void engine_go(struct engine *engine) {
    (void)engine;
}

void engine_retry(struct engine *engine) {
    engine->state = ENGINE_LOADING;
}

void engine_pause(struct engine *engine, bool paused) {
    (void)engine;
    (void)paused;
}

enum engine_state engine_state(const struct engine *engine) {
    return engine->state;
}

const char *engine_model_path(const struct engine *engine) {
    return engine->options.model_path;
}

const char *engine_fault_text(const struct engine *engine) {
    (void)engine;
    return "";
}

const char *engine_fault_code(const struct engine *engine) {
    (void)engine;
    return "";
}

double engine_load_progress(const struct engine *engine) {
    (void)engine;
    return 1;
}

const char *engine_load_stage(const struct engine *engine) {
    (void)engine;
    return "";
}

const json_t *engine_model_info(const struct engine *engine) {
    (void)engine;
    return NULL;
}

const json_t *engine_memory_info(const struct engine *engine) {
    (void)engine;
    return NULL;
}

bool engine_draft(struct engine *engine, const struct engine_job *job) {
    (void)engine;
    (void)job;
    return false;
}

void engine_cancel_draft(struct engine *engine, const char *id) {
    (void)engine;
    (void)id;
}

bool engine_forget(struct engine *engine, const char *cache_key) {
    (void)engine;
    (void)cache_key;
    return true;
}

struct engine_forgetting *engine_forget_all(const struct loop *loop, const char *program,
                                            const char *cache_dir, const json_t *cache_keys,
                                            uint32_t timeout_ms, void (*on_done)(void *ctx), void *ctx) {
    (void)loop;
    (void)program;
    (void)cache_dir;
    (void)cache_keys;
    (void)timeout_ms;
    (void)on_done;
    (void)ctx;
    return NULL;
}

void engine_forget_abandon(struct engine_forgetting *forgetting) {
    (void)forgetting;
}

uint32_t engine_context_size(const struct engine *engine) {
    (void)engine;
    return 4096;
}

uint32_t engine_slot_count(const struct engine *engine) {
    (void)engine;
    return 1;
}

pid_t engine_pid(const struct engine *engine) {
    (void)engine;
    return 0;
}

uint64_t engine_memory_bytes(const struct engine *engine) {
    (void)engine;
    return 0;
}

size_t engine_running(const struct engine *engine) {
    (void)engine;
    return world->given[0] != '\0';
}

uint64_t engine_last_used_ms(const struct engine *engine) {
    (void)engine;
    return 0;
}

/* ---- The loop ---- */

static struct loop_timer *timer_new(void *self, void (*on_time)(void *ctx), void *ctx) {
    (void)self;
    (void)on_time;
    (void)ctx;
    return mem_alloc(sizeof(struct loop_timer));
}

static void timer_set(struct loop_timer *timer, int64_t delay_ms) {
    (void)timer;
    (void)delay_ms;
}

static void timer_free(struct loop_timer *timer) {
    free(timer);
}

/* ---- The test's side ---- */

int chat_world_set_up(void **state) {
    static const struct loop loop = { .timer_new = timer_new,
                                      .timer_set = timer_set,
                                      .timer_free = timer_free };
    (void)state;
    world = mem_alloc(sizeof *world);
    list_init(&world->jobs);
    world->chat = chat_open(&(struct chat_options){
        .loop = &loop,
        .store = (struct store *)world, /* never looked at */
        .engine_program = "",
        .engine_name = "fake",
        .model_folders = { "/nowhere" },
        .model_path = WORLD_MODEL,
        .log_level = "info",
    });
    return 0;
}

/* As a store that closes: each job is answered. */
static void answer_rest(void) {
    while (!list_is_empty(&world->jobs)) {
        switch (CONTAINER_OF(world->jobs.next, struct job, node)->kind) {
        case JOB_SEND:
            world_sent(STATUS_IO);
            break;
        case JOB_CONTINUE:
            world_continued(STATUS_IO);
            break;
        case JOB_BEGIN_DETACHED:
            world_begun(STATUS_IO);
            break;
        case JOB_END:
            world_ended();
            break;
        case JOB_LOAD:
            world_not_loaded(STATUS_IO);
            break;
        case JOB_FIND:
            world_found();
            break;
        case JOB_DELETE:
            world_deleted(STATUS_IO);
            break;
        case JOB_CHANGE:
            world_changed(STATUS_IO);
            break;
        case JOB_PUT_SETTING:
            answer_done(JOB_PUT_SETTING, STATUS_OK);
            break;
        }
    }
}

int chat_world_tear_down(void **state) {
    (void)state;
    answer_rest();
    chat_stop(world->chat);
    answer_rest();
    assert_true(chat_is_idle(world->chat));
    chat_close(world->chat);
    free(world);
    return 0;
}
