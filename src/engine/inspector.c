#include "engine/inspector.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/channel.h"
#include "engine/codec.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define BROKEN_TEXT "the engine broke its protocol while it read the model file: look at the log"

struct question {
    struct list_node node;
    inspector_on_answer on_answer;
    void *ctx;
    char path[];
};

/* The process comes with the first question, and goes with the last. `timer` is when to begin (0), when the answer is too late, or when to
 * let the process go. */
struct inspector {
    const struct loop *loop;
    struct loop_timer *timer;
    char *program;
    bool is_sandboxed;
    const char *const *folders;
    uint32_t answer_ms;
    struct list_node questions; /* the first is the one that was asked */
    size_t n_questions;
    struct channel *channel; /* NULL: no process */
    bool is_asked;           /* the first question is with the process */
    bool is_broken;          /* the process talked nonsense: nothing more is asked of it */
    bool is_fresh;           /* it has answered nothing yet */
    char link[PATH_MAX];     /* a file outside the folders that this process may read; empty: none */
};

static struct question *first(const struct inspector *inspector) {
    return list_is_empty(&inspector->questions)
               ? NULL
               : CONTAINER_OF(inspector->questions.next, struct question, node);
}

static void drop_process(struct inspector *inspector) {
    channel_close(inspector->channel);
    inspector->channel = NULL;
    inspector->is_broken = false;
}

/* Answers the first question, and goes on with the next turn of the loop. */
static void answer(struct inspector *inspector, enum status status, const json_t *info, const char *text) {
    struct question *question = first(inspector);
    list_remove(&question->node);
    inspector->n_questions--;
    inspector->is_asked = false;
    inspector->loop->timer_set(inspector->timer, inspector->n_questions ? 0 : INSPECTOR_IDLE_MS);
    question->on_answer(question->ctx, status, info, text);
    free(question);
}

static void answer_failure(struct inspector *inspector, enum status status, const char *how) {
    char *text =
        mem_format("%s while it read the model file: it may be damaged: %s", how, first(inspector)->path);
    LOG_WARN("inspect_failed", "text=%.300s", text);
    answer(inspector, status, NULL, text);
    free(text);
}

/* ---- What the process says ---- */

static enum status status_of_code(const char *code) {
    static const struct {
        const char *code;
        enum status status;
    } known[] = {
        { "model_not_found", STATUS_NOT_FOUND },
        { "model_corrupt", STATUS_CORRUPT },
        { "bad_request", STATUS_INVALID },
        { "no_memory", STATUS_NOMEM },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(code, known[i].code) == 0) {
            return known[i].status;
        }
    }
    return STATUS_IO;
}

/* Nothing that it says is heard any more; on_gone follows. */
static void refuse_process(struct inspector *inspector) {
    inspector->is_broken = true;
    channel_mute(inspector->channel);
    channel_kill(inspector->channel);
    if (inspector->is_asked) {
        answer(inspector, STATUS_IO, NULL, BROKEN_TEXT);
    }
}

static void on_line(void *ctx, const char *line, size_t n_bytes) {
    struct inspector *inspector = ctx;
    struct codec_event event;
    struct fault fault;
    if (codec_decode(line, n_bytes, &event, &fault)) {
        refuse_process(inspector);
        return;
    }
    bool is_answer = event.kind == CODEC_INSPECT || event.kind == CODEC_FAILED;
    inspector->is_fresh = inspector->is_fresh && !is_answer;
    if (inspector->is_asked && event.kind == CODEC_INSPECT) {
        answer(inspector, STATUS_OK, event.inspect.info, "");
    } else if (inspector->is_asked && event.kind == CODEC_FAILED) {
        answer(inspector, status_of_code(event.failed.code), NULL, event.failed.text);
    }
    codec_event_deinit(&event);
}

static void on_too_long(void *ctx) {
    refuse_process(ctx);
}

/* The time-out or on_gone is next. */
static void on_closed(void *ctx) {
    (void)ctx;
}

/* One that had answered before may have died of that: the question is asked again of a new one. */
static void on_gone(void *ctx, int wait_status) {
    struct inspector *inspector = ctx;
    (void)wait_status;
    drop_process(inspector);
    if (inspector->is_asked && inspector->is_fresh) {
        answer_failure(inspector, STATUS_CORRUPT, "the engine stopped");
    } else if (inspector->is_asked) {
        inspector->is_asked = false;
        inspector->loop->timer_set(inspector->timer, 0);
    }
}

/* ---- Asking it ---- */

static bool is_below(const char *path, const char *folder) {
    char real[PATH_MAX];
    size_t length = realpath(folder, real) ? strlen(real) : 0;
    return length > 0 && strncmp(path, real, length) == 0 && path[length] == '/';
}

/* Where a path leads, when that is outside the folders; else "". */
static void find_link(const struct inspector *inspector, const char *path, char out[PATH_MAX]) {
    bool is_inside = realpath(path, out) == NULL;
    for (const char *const *folder = inspector->folders; *folder && !is_inside; folder++) {
        is_inside = is_below(out, *folder);
    }
    if (is_inside) {
        out[0] = '\0';
    }
}

static void open_process(struct inspector *inspector, struct fault *fault) {
    static const struct channel_handlers handlers = {
        .on_line = on_line, .on_too_long = on_too_long, .on_closed = on_closed, .on_gone = on_gone
    };
    struct spawn_options options = { .program = inspector->program,
                                     .log_level = "warn",
                                     .is_sandboxed = inspector->is_sandboxed };
    size_t n = 0;
    while (inspector->folders[n] && n < SPAWN_READS_MAX - 1) {
        options.reads[n] = inspector->folders[n];
        n++;
    }
    options.reads[n] = inspector->link[0] ? inspector->link : NULL;
    inspector->channel = channel_open(
        &(struct channel_options){
            .loop = inspector->loop, .spawn = &options, .handlers = &handlers, .ctx = inspector },
        fault);
}

/* A process that may read the file, or none with a fault. */
static void need_process(struct inspector *inspector, const char *path, struct fault *fault) {
    char link[PATH_MAX] = "";
    if (inspector->is_sandboxed) {
        find_link(inspector, path, link);
    }
    bool is_outside = link[0] && strcmp(link, inspector->link) != 0;
    if (inspector->channel && (inspector->is_broken || is_outside)) {
        drop_process(inspector);
    }
    if (inspector->channel == NULL) {
        memcpy(inspector->link, link, sizeof link);
        inspector->is_fresh = true;
        open_process(inspector, fault);
    }
}

static void ask_first(struct inspector *inspector) {
    struct fault fault;
    struct question *question = first(inspector);
    need_process(inspector, question->path, &fault);
    inspector->is_asked = true;
    if (inspector->channel == NULL) {
        answer(inspector, fault.status, NULL, fault.text);
        return;
    }
    struct bytes line;
    bytes_init(&line, ENGINE_LINE_BYTES_MAX);
    codec_encode_inspect(question->path, &line);
    enum status status = line.failed ? STATUS_TOO_LARGE
                                     : channel_send(inspector->channel, CHANNEL_NORMAL, line.data, line.size);
    bytes_deinit(&line);
    inspector->loop->timer_set(inspector->timer, inspector->answer_ms);
    if (status) {
        answer(inspector, STATUS_TOO_LARGE, NULL, "the path of the model file is too long");
    }
}

static void on_timer(void *ctx) {
    struct inspector *inspector = ctx;
    if (inspector->is_asked) {
        drop_process(inspector);
        answer_failure(inspector, STATUS_IO, "the engine took too long");
    } else if (first(inspector)) {
        ask_first(inspector);
    } else {
        drop_process(inspector);
    }
}

enum status inspector_ask(struct inspector *inspector, const char *path, inspector_on_answer on_answer,
                          void *ctx) {
    if (inspector->n_questions == INSPECTOR_QUESTIONS_MAX) {
        return STATUS_FULL;
    }
    size_t path_bytes = strlen(path) + 1;
    struct question *question = mem_alloc(sizeof *question + path_bytes);
    *question = (struct question){ .on_answer = on_answer, .ctx = ctx };
    memcpy(question->path, path, path_bytes);
    list_append(&inspector->questions, &question->node);
    inspector->n_questions++;
    if (!inspector->is_asked) {
        inspector->loop->timer_set(inspector->timer, 0);
    }
    return STATUS_OK;
}

/* ---- Life ---- */

struct inspector *inspector_new(const struct inspector_options *options) {
    struct inspector *inspector = mem_alloc(sizeof *inspector);
    inspector->loop = options->loop;
    inspector->program = mem_copy_string(options->program);
    inspector->is_sandboxed = options->is_sandboxed;
    inspector->folders = options->folders;
    inspector->answer_ms = options->answer_ms ? options->answer_ms : INSPECTOR_ANSWER_MS;
    inspector->timer = inspector->loop->timer_new(inspector->loop->self, on_timer, inspector);
    list_init(&inspector->questions);
    return inspector;
}

void inspector_free(struct inspector *inspector) {
    if (inspector == NULL) {
        return;
    }
    drop_process(inspector);
    while (first(inspector)) {
        answer(inspector, STATUS_UNAVAILABLE, NULL, "the server is stopping: ask again when it has started");
    }
    inspector->loop->timer_free(inspector->timer);
    free(inspector->program);
    free(inspector);
}
