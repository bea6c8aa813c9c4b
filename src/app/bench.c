#include "app/bench.h"

#include "app/bench_advice.h"
#include "app/engine_program.h"
#include "base/clock.h"
#include "base/machine.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "net/net.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_NO_FIGURES 2
#define ANSWER_TOKENS   160
#define SEVERAL_TOKENS  96
#define PROMPT_WORDS    450 /* about 600 tokens */
#define NS_PER_S        1e9

/* One answer. */
struct stream {
    char id[ID_HEX_BYTES];
    uint64_t began_ns;
    uint64_t first_ns; /* 0: no token yet */
    uint64_t last_ns;
    uint32_t n_tokens;
    uint32_t n_prompt;
    bool is_over;
};

struct bench {
    const struct config *config;
    char program[PATH_MAX];
    char model[PATH_MAX];
    struct net *net;
    struct engine *engine;
    struct loop_timer *timer;
    struct stream streams[BENCH_STREAMS];
    size_t n_streams;
    uint32_t n_asked; /* questions so far: no two begin alike, so none is taken from the cache */
    bool is_late;     /* the time of a figure is over */
    char fault[FAULT_TEXT_BYTES];
    struct bench_figures figures;
};

/* ---- Which model ---- */

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static int is_model(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > 5 && strcmp(entry->d_name + length - 5, ".gguf") == 0;
}

static bool find_first(const struct config *config, char out[PATH_MAX]) {
    bool is_found = false;
    for (size_t i = 0; config->models[i] && !is_found; i++) {
        struct dirent **names = NULL;
        int n = scandir(config->models[i], &names, is_model, alphasort);
        for (int k = 0; k < n; k++) {
            if (!is_found) {
                snprintf(out, PATH_MAX, "%s/%s", config->models[i], names[k]->d_name);
                is_found = is_file(out);
            }
            free(names[k]);
        }
        free(names);
    }
    return is_found;
}

/* By the name that the list of models has, or that of the file. */
static bool find_named(const struct config *config, const char *name, char out[PATH_MAX]) {
    static const char *const suffixes[] = { "", ".gguf", ".json" };
    for (size_t i = 0; config->models[i]; i++) {
        for (size_t k = 0; k < sizeof suffixes / sizeof suffixes[0]; k++) {
            snprintf(out, PATH_MAX, "%s/%s%s", config->models[i], name, suffixes[k]);
            if (is_file(out)) {
                return true;
            }
        }
    }
    return false;
}

static bool find_model(struct bench *bench, const char *wanted) {
    const struct config *config = bench->config;
    const char *name = wanted ? wanted : config->model;
    if (name == NULL) {
        snprintf(bench->fault, sizeof bench->fault, "there is no model yet: put a .gguf file into %.200s",
                 config->models[0]);
        return find_first(config, bench->model);
    }
    snprintf(bench->fault, sizeof bench->fault,
             "there is no model \"%.120s\": give the path of a file, or its name in %.150s", name,
             config->models[0]);
    return realpath(name, bench->model) ? is_file(bench->model) : find_named(config, name, bench->model);
}

/* ---- What the engine says ---- */

static struct stream *find_stream(struct bench *bench, const char *id) {
    for (size_t i = 0; i < bench->n_streams; i++) {
        if (strcmp(bench->streams[i].id, id) == 0) {
            return &bench->streams[i];
        }
    }
    return NULL;
}

static void on_state(void *ctx, struct engine *engine) {
    (void)ctx;
    (void)engine; /* run looks at it */
}

static void on_queued(void *ctx, const char *id, uint32_t position) {
    (void)ctx;
    (void)id;
    (void)position;
}

static void on_prefill(void *ctx, const char *id, uint32_t done, uint32_t total, uint32_t cached) {
    struct stream *stream = find_stream(ctx, id);
    (void)done;
    if (stream) {
        stream->n_prompt = total - cached;
    }
}

static void on_step(void *ctx, uint64_t t_ns, const struct engine_piece *pieces, size_t n_pieces) {
    uint64_t now_ns = clock_now_ns(); /* as a person sees it: delivered */
    (void)t_ns;
    for (size_t i = 0; i < n_pieces; i++) {
        struct stream *stream = find_stream(ctx, pieces[i].id);
        if (stream && pieces[i].token >= 0) {
            stream->first_ns = stream->n_tokens == 0 ? now_ns : stream->first_ns;
            stream->last_ns = now_ns;
            stream->n_tokens++;
        }
    }
}

static void on_end(void *ctx, const char *id, const struct engine_end *end) {
    struct bench *bench = ctx;
    struct stream *stream = find_stream(bench, id);
    if (stream == NULL) {
        return;
    }
    stream->is_over = true;
    if (end->error_text && strcmp(end->reason, "cancelled") != 0) {
        snprintf(bench->fault, sizeof bench->fault, "%s", end->error_text);
    }
}

static const struct engine_handlers handlers = { .on_state = on_state,
                                                 .on_queued = on_queued,
                                                 .on_prefill = on_prefill,
                                                 .on_step = on_step,
                                                 .on_end = on_end };

/* ---- Measuring ---- */

static void on_late(void *ctx) {
    struct bench *bench = ctx;
    bench->is_late = true;
}

static json_t *make_question(struct bench *bench, unsigned n_words) {
    static const char *const words[] = { "river", "stone", "light", "wind", "mill", "boat", "hill", "rain" };
    char *text = mem_format("%u. Tell a long story about the sea.", ++bench->n_asked);
    for (unsigned i = 0; i < n_words; i++) {
        char *longer = mem_format("%s %s", text, words[(i * 5 + bench->n_asked) % 8]);
        free(text);
        text = longer;
    }
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", text);
    free(text);
    return messages;
}

static bool are_over(const struct bench *bench) {
    for (size_t i = 0; i < bench->n_streams; i++) {
        if (!bench->streams[i].is_over) {
            return false;
        }
    }
    return true;
}

static bool ask(struct bench *bench, struct stream *stream, unsigned n_words, int64_t n_tokens) {
    json_t *messages = make_question(bench, n_words);
    json_t *sampling = json_pack("{s:s}", "sampler_type", "Greedy");
    *stream = (struct stream){ .began_ns = clock_now_ns() };
    id_make_hex(stream->id);
    enum status status = engine_generate(bench->engine, &(struct engine_job){ .id = stream->id,
                                                                              .cache_key = "",
                                                                              .messages = messages,
                                                                              .sampling = sampling,
                                                                              .n_tokens_max = n_tokens,
                                                                              .ignore_eos = true });
    json_decref(messages);
    json_decref(sampling);
    if (status) {
        snprintf(bench->fault, sizeof bench->fault, "the engine takes no question: %s",
                 engine_fault_text(bench->engine));
    }
    return status == STATUS_OK;
}

/* So many answers at once, until they have so many tokens or the time is over. */
static bool measure(struct bench *bench, size_t n_streams, unsigned n_words, int64_t n_tokens) {
    bench->n_streams = n_streams;
    bench->is_late = false;
    for (size_t i = 0; i < n_streams; i++) {
        if (!ask(bench, &bench->streams[i], n_words, n_tokens)) {
            return false;
        }
    }
    const struct loop *loop = net_loop(bench->net);
    loop->timer_set(bench->timer, BENCH_STEP_MS);
    for (bool is_cancelled = false; !are_over(bench);) {
        net_run_once(bench->net);
        for (size_t i = 0; bench->is_late && !is_cancelled && i < n_streams; i++) {
            engine_cancel(bench->engine, bench->streams[i].id);
        }
        is_cancelled = bench->is_late;
    }
    loop->timer_set(bench->timer, -1);
    for (size_t i = 0; bench->fault[0] == '\0' && i < n_streams; i++) {
        if (bench->streams[i].n_tokens < 2) {
            snprintf(bench->fault, sizeof bench->fault,
                     "the model said nothing in %d s: it is too large for this machine",
                     BENCH_STEP_MS / 1000);
        }
    }
    return bench->fault[0] == '\0';
}

static double first_s(const struct stream *stream) {
    return (double)(stream->first_ns - stream->began_ns) / NS_PER_S;
}

/* Of all streams together: they begin and end at about the same time. */
static double speed(const struct bench *bench) {
    double sum = 0;
    for (size_t i = 0; i < bench->n_streams; i++) {
        const struct stream *stream = &bench->streams[i];
        double s = (double)(stream->last_ns - stream->first_ns) / NS_PER_S;
        sum += s > 0 ? (stream->n_tokens - 1) / s : 0;
    }
    return sum;
}

static bool load(struct bench *bench) {
    const struct config *config = bench->config;
    double busy = 0;
    long n_processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (getloadavg(&busy, 1) == 1 && n_processors > 0) {
        bench->figures.busy = busy / (double)n_processors;
    }
    uint64_t began_ns = clock_now_ns();
    bench->engine = engine_start(&(struct engine_options){ .loop = net_loop(bench->net),
                                                           .program = bench->program,
                                                           .log_level = "error",
                                                           .is_sandboxed = !config->no_sandbox,
                                                           .model_path = bench->model,
                                                           .context_size = config->context,
                                                           .n_threads = config->threads,
                                                           .step_ms = config->step_ms,
                                                           .n_gpu_layers = -1,
                                                           .hang_ms = config->engine_hang_ms,
                                                           .handlers = &handlers,
                                                           .ctx = bench });
    while (engine_state(bench->engine) == ENGINE_STARTING || engine_state(bench->engine) == ENGINE_LOADING) {
        net_run_once(bench->net);
    }
    bench->figures.load_s = (double)(clock_now_ns() - began_ns) / NS_PER_S;
    snprintf(bench->fault, sizeof bench->fault, "%s", engine_fault_text(bench->engine));
    return engine_state(bench->engine) == ENGINE_READY;
}

static bool measure_all(struct bench *bench) {
    struct bench_figures *figures = &bench->figures;
    const struct stream *first = &bench->streams[0];
    /* The first answer warms up what the load did not, and is not counted. */
    if (!measure(bench, 1, 0, 16) || !measure(bench, 1, 0, ANSWER_TOKENS)) {
        return false;
    }
    figures->first_s = first_s(first);
    figures->one = speed(bench);
    if (!measure(bench, 1, PROMPT_WORDS, 4)) {
        return false;
    }
    figures->n_prompt = first->n_prompt;
    figures->long_first_s = first_s(first);
    figures->prompt = first_s(first) > 0 ? first->n_prompt / first_s(first) : 0;
    if (!measure(bench, BENCH_STREAMS, 0, SEVERAL_TOKENS)) {
        return false;
    }
    figures->several = speed(bench);
    uint64_t left = machine_available_bytes("");
    uint64_t taken = machine_private_bytes(engine_pid(bench->engine));
    figures->memory_bytes = engine_memory_bytes(bench->engine);
    figures->available_bytes = left == UINT64_MAX ? left : left + taken;
    const json_t *model = engine_model_info(bench->engine);
    figures->size_bytes = (uint64_t)json_integer_value(json_object_get(model, "size_bytes"));
    figures->n_parameters = (uint64_t)json_integer_value(json_object_get(model, "parameters"));
    return true;
}

/* ---- Telling ---- */

#define MB 1e6

static void print_json(const struct bench *bench, const json_t *advice) {
    const struct bench_figures *figures = &bench->figures;
    json_t *model = json_copy((json_t *)(uintptr_t)engine_model_info(bench->engine));
    json_t *path = json_string(bench->model);
    json_object_set_new(model, "path", path ? path : json_null());
    json_t *all = json_pack(
        "{s:o, s:f, s:f, s:{s:f}, s:{s:i, s:f}, s:{s:i, s:f, s:f}, s:f, s:o, s:O}", "model", model, "load_s",
        figures->load_s, "first_token_s", figures->first_s, "one_stream", "tokens_per_second", figures->one,
        "several_streams", "streams", BENCH_STREAMS, "tokens_per_second", figures->several, "prompt",
        "tokens", (int)figures->n_prompt, "tokens_per_second", figures->prompt, "first_token_s",
        figures->long_first_s, "memory_mb", (double)figures->memory_bytes / MB, "available_mb",
        figures->available_bytes == UINT64_MAX ? json_null()
                                               : json_real((double)figures->available_bytes / MB),
        "advice", (json_t *)(uintptr_t)advice);
    char *text = json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    printf("%s\n", text);
    free(text);
    json_decref(all);
}

static void print_text(const struct bench *bench, const json_t *advice) {
    const struct bench_figures *figures = &bench->figures;
    printf("%s\n\n", bench->model);
    printf("one answer             %8.1f tokens/s\n", figures->one);
    printf("%d answers at once      %8.1f tokens/s together, %.1f each\n", BENCH_STREAMS, figures->several,
           figures->several / BENCH_STREAMS);
    printf("reading a prompt       %8.0f tokens/s\n", figures->prompt);
    printf("first token            %8.2f s after a short question\n", figures->first_s);
    printf("                       %8.2f s after %u tokens\n", figures->long_first_s, figures->n_prompt);
    printf("load                   %8.1f s\n", figures->load_s);
    printf("memory                 %8.0f MB", (double)figures->memory_bytes / MB);
    if (figures->available_bytes != UINT64_MAX) {
        printf(" of %.0f that can be had", (double)figures->available_bytes / MB);
    }
    printf("\n\n");
    for (size_t i = 0; i < json_array_size(advice); i++) {
        printf("%s\n", json_string_value(json_array_get(advice, i)));
    }
}

static void tell(const struct bench *bench) {
    json_t *advice = bench_advice(&bench->figures);
    if (bench->config->json) {
        print_json(bench, advice);
    } else {
        print_text(bench, advice);
    }
    json_decref(advice);
}

int bench_run(const char *model, const struct config *config) {
    struct bench *bench = mem_alloc(sizeof *bench);
    struct fault fault = { 0 };
    bench->config = config;
    bool is_good = find_model(bench, model);
    if (is_good && !engine_program_find(config->engine, bench->program)) {
        is_good = false;
        snprintf(bench->fault, sizeof bench->fault, "there is no program %.300s", bench->program);
    }
    if (is_good && net_open(&bench->net, &fault)) {
        is_good = false;
        snprintf(bench->fault, sizeof bench->fault, "%s", fault.text);
    }
    if (is_good) {
        const struct loop *loop = net_loop(bench->net);
        bench->timer = loop->timer_new(loop->self, on_late, bench);
        is_good = load(bench) && measure_all(bench);
    }
    if (is_good) {
        tell(bench);
    } else {
        fprintf(stderr, "runnel: %s\n", bench->fault);
    }
    engine_free(bench->engine);
    if (bench->timer) {
        net_loop(bench->net)->timer_free(bench->timer);
    }
    net_close(bench->net);
    free(bench);
    return is_good ? EXIT_SUCCESS : EXIT_NO_FIGURES;
}
