/* main.c - opens the parts in order, runs the loop, closes them in reverse.
 *
 * The first word may be a command (command.h) instead.
 *
 * Exit codes: 0 stopped as asked; 2 wrong options, or a file that cannot be used; 3 something is taken (port, data directory) or the
 * database cannot be opened; 4 stopped, though the disk did not answer: what it has not taken is as after a crash.
 */
#include "api/access_log.h"
#include "api/api.h"
#include "app/command.h"
#include "app/config.h"
#include "app/engine_program.h"
#include "app/folder.h"
#include "app/listeners.h"
#include "app/model_downloads.h"
#include "base/clock.h"
#include "base/fault_point.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/chat.h"
#include "net/net.h"
#include "store/store.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_TAKEN 3
#define EXIT_DISK  4
/* Ending every stream durably takes milliseconds; a disk that needs longer than this is not waited for. */
#define STOP_MS_MAX 3000
/* After the streams ended, so long for the last frames and the close frames. */
#define FAREWELL_MS_MAX 1000
/* All of a stop, the disk included. */
#define CLOSE_MS_MAX 4600
/* Of it for engines that write what they keep: a little more than they get before they are killed. */
#define ENGINES_MS_MAX 2300

struct app {
    struct config config;
    struct net *net;
    struct store *store;
    struct chat *chat;
    struct access *access;
    struct access_log *access_log; /* NULL: none */
    struct model_downloads downloads;
    struct api *api;
    struct listeners listeners;
    char program[PATH_MAX];
    char *model_folder; /* of --model */
    char *cache_dir;    /* of the engines, in the data folder */
    char *attachments_dir;
    int signals;
    struct loop_watch *signal_watch;
    bool stop_asked;
    uint64_t stop_ms; /* when that was */
};

static void on_store_wake(void *ctx) {
    struct app *app = ctx;
    net_wake(app->net);
}

static void on_signal(void *ctx) {
    struct app *app = ctx;
    struct signalfd_siginfo info;
    while (read(app->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        LOG_INFO("stop_asked", "signal=%u", info.ssi_signo);
        app->stop_asked = true;
        app->stop_ms = clock_now_ms();
    }
}

static enum status find_engine(struct app *app, struct fault *fault) {
    if (engine_program_find(app->config.engine, app->program)) {
        return STATUS_OK;
    }
    if (!app->config.engine_is_default) {
        return fault_set(fault, STATUS_NOT_FOUND, "--engine %.60s: there is no program %.250s",
                         app->config.engine, app->program);
    }
    LOG_WARN("engine_missing", "program=%s", app->program);
    return STATUS_OK;
}

static bool is_inline_model(const struct app *app) {
    return strcmp(app->config.engine, "fake") == 0 && strncmp(app->config.model, "fake:", 5) == 0;
}

static enum status check_model(struct app *app, struct fault *fault) {
    if (app->config.model == NULL || is_inline_model(app)) {
        return STATUS_OK;
    }
    char real[PATH_MAX];
    struct stat info;
    if (realpath(app->config.model, real) == NULL || stat(real, &info) != 0 || access(real, R_OK) != 0) {
        return fault_set(fault, STATUS_NOT_FOUND, "--model %.200s cannot be read: %s", app->config.model,
                         strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return fault_set(fault, STATUS_INVALID, "--model %.200s is no file: name a model file",
                         app->config.model);
    }
    free(app->config.model);
    app->config.model = mem_copy_string(real);
    app->model_folder = mem_copy_string(dirname(real));
    return STATUS_OK;
}

static enum status open_store(struct app *app, struct fault *fault) {
    return store_open(
        &(struct store_options){ .directory = app->config.data, .wake = on_store_wake, .ctx = app },
        &app->store, fault);
}

/* The folder of --model is a model folder too, unless it is one already. */
static const char *extra_model_folder(const struct app *app) {
    char real[PATH_MAX];
    for (size_t i = 0; app->model_folder && app->config.models[i]; i++) {
        if (realpath(app->config.models[i], real) && strcmp(real, app->model_folder) == 0) {
            return NULL;
        }
    }
    return app->model_folder;
}

static enum status open_access_log(struct app *app, struct fault *fault) {
    const char *path = app->config.access_log;
    return path ? access_log_open(path, &app->access_log, fault) : STATUS_OK;
}

static enum status open_access(struct app *app, struct fault *fault) {
    struct access_options options = { .directory = app->config.data,
                                      .token = app->config.token,
                                      .is_exposed = config_is_exposed(&app->config),
                                      .rate = app->config.rate,
                                      .concurrent = app->config.concurrent };
    return access_open(&options, &app->access, fault);
}

static void open_chat(struct app *app) {
    app->cache_dir = mem_format("%s/kv", app->config.data);
    app->attachments_dir = mem_format("%s/attachments", app->config.data);
    struct chat_options options = {
        .loop = net_loop(app->net),
        .store = app->store,
        .engine_program = app->program,
        .engine_name = app->config.engine,
        .model_path = app->config.model,
        .log_level = app->config.log,
        .cache_dir = app->cache_dir,
        .attachments_dir = app->attachments_dir,
        .is_sandboxed = !app->config.no_sandbox,
        .no_titles = app->config.no_titles,
        .context_size = app->config.context,
        .n_threads = app->config.threads,
        .step_ms = app->config.step_ms,
        .speculation = app->config.speculation,
        .engine_hang_ms = app->config.engine_hang_ms,
        .memory_mb = app->config.memory_mb,
        .n_models_max = app->config.loaded,
        .unload_after_s = app->config.unload_after_s,
        .n_turns_max = app->config.queue,
    };
    size_t n = 0;
    for (; app->config.models[n] && n < MODELS_FOLDERS_MAX - 2; n++) {
        options.model_folders[n] = app->config.models[n];
    }
    options.model_folders[n] = extra_model_folder(app);
    app->chat = chat_open(&options);
}

static void open_api(struct app *app) {
    struct api_options options = { .chat = app->chat,
                                   .downloads = app->downloads.downloads,
                                   .access = app->access,
                                   .access_log = app->access_log,
                                   .version = RUNNEL_VERSION };
    for (size_t i = 0; app->config.allow_hosts[i]; i++) {
        options.allow_hosts[i] = app->config.allow_hosts[i];
    }
    for (size_t i = 0; app->config.allow_origins[i]; i++) {
        options.allow_origins[i] = app->config.allow_origins[i];
    }
    app->api = api_open(&options);
}

static enum status listen_to_clients(struct app *app, struct fault *fault) {
    struct net_handlers handlers = api_handlers();
    uint32_t slow_ms = 0;
#ifdef RUNNEL_FAULTS
    slow_ms = app->config.slow_ms;
#endif
    net_serve(app->net, &handlers, app->api, slow_ms);
    api_listening(app->api, app->net);
    return listeners_open(&app->listeners, &app->config, app->net, fault);
}

/* nohup(1) starts a program that is to outlive its terminal with SIGHUP ignored. */
static bool outlives_terminal(void) {
    struct sigaction action;
    return sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* From here on a signal is a wish. Before, it ends the start where it is, which is as harmless as any crash, and quicker than a
 * migration. The threads of the store take none. */
static void watch_signals(struct app *app) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (!outlives_terminal()) {
        sigaddset(&set, SIGHUP);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    app->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    const struct loop *loop = net_loop(app->net);
    app->signal_watch = loop->watch_fd(loop->self, app->signals, on_signal, NULL, app);
}

static void ignore_signals(void) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of the write */
}

static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        rlim_t wanted = NET_CONNECTIONS_MAX + 128;
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void open_browser(const struct app *app, const char *url) {
    if (app->config.no_open || (getenv("DISPLAY") == NULL && getenv("WAYLAND_DISPLAY") == NULL)) {
        return;
    }
    /* The grandchild is nobody's to wait for. */
    pid_t child = fork();
    if (child > 0) {
        waitpid(child, NULL, 0);
    } else if (child == 0 && fork() == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        close_range(3, ~0u, 0);
        execlp("xdg-open", "xdg-open", url, (char *)NULL);
        _exit(127);
    } else if (child == 0) {
        _exit(0);
    }
}

static void run_until(struct app *app, bool (*is_done)(const struct app *app), uint64_t ms_max) {
    uint64_t until_ms = clock_now_ms() + ms_max;
    while (!is_done(app) && (ms_max == 0 || clock_now_ms() < until_ms)) {
        net_run_once(app->net);
        chat_drain(app->chat);
    }
}

static bool is_stop_asked(const struct app *app) {
    return app->stop_asked;
}

static bool is_idle(const struct app *app) {
    return chat_is_idle(app->chat);
}

static bool is_quiet(const struct app *app) {
    return chat_is_quiet(app->chat);
}

static bool is_empty(const struct app *app) {
    return net_conn_count(app->net) == 0;
}

static void on_stop_tick(void *ctx) {
    /* Makes net_run_once return, so that run_until looks at the clock. */
    struct app *app = ctx;
    net_wake(app->net);
}

static void wait_for_engines(struct app *app, struct loop_timer *tick) {
    uint64_t until_ms = app->stop_ms + ENGINES_MS_MAX;
    uint64_t now_ms = clock_now_ms();
    if (now_ms < until_ms) {
        net_loop(app->net)->timer_set(tick, (int64_t)(until_ms - now_ms));
        run_until(app, is_quiet, until_ms - now_ms);
    }
}

static void stop(struct app *app) {
    const struct loop *loop = net_loop(app->net);
    struct loop_timer *ticks[2];
    for (size_t i = 0; i < 2; i++) {
        ticks[i] = loop->timer_new(loop->self, on_stop_tick, app);
        loop->timer_set(ticks[i], i == 0 ? STOP_MS_MAX : STOP_MS_MAX + FAREWELL_MS_MAX);
    }
    chat_stop(app->chat);
    run_until(app, is_idle, STOP_MS_MAX);
    net_stop(app->net);
    loop->timer_set(ticks[1], FAREWELL_MS_MAX);
    run_until(app, is_empty, FAREWELL_MS_MAX);
    wait_for_engines(app, ticks[1]);
    loop->timer_free(ticks[0]);
    loop->timer_free(ticks[1]);
}

/* Where a key is needed, whoever reads the log gets in once without. */
static void say_how_to_sign_in(const struct app *app) {
    char once[SECRET_HEX_BYTES];
    if (access_is_guarded(app->access)) {
        access_make_once(app->access, once);
        LOG_INFO("sign_in_once", "url=%s/#once=%s minutes=%d", app->listeners.url, once, ACCESS_ONCE_S / 60);
    }
}

static void serve(struct app *app) {
    const char *url = app->listeners.url;
    LOG_INFO("ready", "url=%s version=%s pid=%d", url, RUNNEL_VERSION, (int)getpid());
    say_how_to_sign_in(app);
    store_publish_url(app->store, app->listeners.control_url);
    printf("ready %s\n", url);
    fflush(stdout);
    open_browser(app, url);
    run_until(app, is_stop_asked, 0);
    stop(app);
}

static enum status open_all(struct app *app, struct fault *fault) {
    enum status status = folder_make(app->config.data, 0700, fault);
    if (status == STATUS_OK) {
        status = folder_make(app->config.models[0], 0755, fault);
    }
    if (status == STATUS_OK) {
        status = net_open(&app->net, fault);
    }
    if (status == STATUS_OK) {
        status = open_store(app, fault);
    }
    if (status) {
        return status;
    }
    open_chat(app);
    model_downloads_open(&app->downloads, net_loop(app->net), app->store, app->chat, app->config.hub_token);
    open_api(app);
    status = listen_to_clients(app, fault);
    if (status == STATUS_OK) {
        status = chat_start(app->chat, fault);
    }
    watch_signals(app);
    return status;
}

/* A thread that waits for the disk can neither be asked nor told: the kernel takes what it holds, and the engines go with this process. */
static void close_store(struct app *app) {
    uint64_t now_ms = clock_now_ms();
    uint64_t until_ms = (app->stop_asked ? app->stop_ms : now_ms) + CLOSE_MS_MAX;
    if (!store_close(app->store, until_ms > now_ms ? (int64_t)(until_ms - now_ms) : 0)) {
        fprintf(stderr,
                "runnel: stopped, but the disk of %s does not answer: what it has not taken is as after a "
                "crash\n",
                app->config.data);
        /* _exit itself, in a build with a sanitizer, asks for threads that were not joined. */
        syscall(SYS_exit_group, EXIT_DISK);
    }
}

/* Clients hold conversations, the chat watches its engines in the loop: clients, store, chat, loop. Downloads say their last to the store, and the
 * engines that read their files answer for the last time when the chat is closed. */
static void close_all(struct app *app) {
    if (app->net) {
        net_drop_clients(app->net);
    }
    if (app->downloads.downloads) {
        downloads_stop(app->downloads.downloads);
    }
    close_store(app);
    chat_close(app->chat);
    downloads_close(app->downloads.downloads);
    api_close(app->api);
    access_close(app->access);
    access_log_close(app->access_log);
    if (app->signal_watch) {
        net_loop(app->net)->unwatch(app->signal_watch);
        close(app->signals);
    }
    net_close(app->net);
    listeners_close(&app->listeners);
    free(app->model_folder);
    free(app->cache_dir);
    free(app->attachments_dir);
    config_deinit(&app->config);
}

static int fail(struct app *app, const struct fault *fault, int code) {
    fprintf(stderr, "runnel: %s\n", fault->text);
    close_all(app);
    return code;
}

static enum status arm_faults(const struct app *app, struct fault *fault) {
    enum status status = STATUS_OK;
#ifdef RUNNEL_FAULTS
    for (size_t i = 0; status == STATUS_OK && app->config.faults[i]; i++) {
        status = fault_point_arm(app->config.faults[i], fault);
    }
#else
    (void)app;
    (void)fault;
#endif
    return status;
}

int main(int argc, char **argv) {
    struct app app = { 0 };
    struct fault fault;
    json_use_mem();
    store_use_mem();
    struct command command = command_take(&argc, argv);
    if (config_read(argc, argv, &app.config, &fault) != STATUS_OK) {
        return fail(&app, &fault, EXIT_USAGE);
    }
    if (app.config.help || app.config.version) {
        app.config.help ? config_print_help() : (void)printf("runnel %s\n", RUNNEL_VERSION);
        config_deinit(&app.config);
        return EXIT_SUCCESS;
    }
    enum log_level level = LOG_LEVEL_INFO;
    log_parse_level(app.config.log, &level);
    log_set_level(level);
    if (arm_faults(&app, &fault) != STATUS_OK) {
        return fail(&app, &fault, EXIT_USAGE);
    }
    if (command.name) {
        log_set_level(LOG_LEVEL_ERROR); /* its own lines are for people */
        int code = command_run(&command, &app.config);
        config_deinit(&app.config);
        return code;
    }
    ignore_signals();
    raise_file_limit();
    unsetenv("RUNNEL_TOKEN"); /* it is no business of the engines and of the browser */
    if (find_engine(&app, &fault) != STATUS_OK || check_model(&app, &fault) != STATUS_OK ||
        listeners_prepare(&app.config, &app.listeners, &fault) != STATUS_OK ||
        open_access(&app, &fault) != STATUS_OK || open_access_log(&app, &fault) != STATUS_OK) {
        return fail(&app, &fault, EXIT_USAGE);
    }
    if (open_all(&app, &fault) != STATUS_OK) {
        return fail(&app, &fault, EXIT_TAKEN);
    }
    serve(&app);
    close_all(&app);
    return EXIT_SUCCESS;
}
