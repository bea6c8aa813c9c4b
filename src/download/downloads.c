#include "download/downloads.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "download/downloads_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define REPO_BYTES_MAX 200
/* Shorter spans say nothing about the speed. */
#define MEASURE_MS 1000

/* ---- The list ---- */

struct download *download_new(struct downloads *downloads) {
    struct download *download = mem_alloc(sizeof *download);
    download->downloads = downloads;
    download->number = ++downloads->last_number;
    id_make_hex(download->id);
    list_append(&downloads->list, &download->node);
    downloads->n++;
    return download;
}

static void download_free(struct download *download) {
    list_remove(&download->node);
    download->downloads->n--;
    free(download);
}

static struct download *find(const struct downloads *downloads, const char *id) {
    LIST_EACH(node, &downloads->list) {
        if (strcmp(download_of(node)->id, id) == 0) {
            return download_of(node);
        }
    }
    return NULL;
}

static struct download *find_number(const struct downloads *downloads, uint64_t number) {
    LIST_EACH(node, &downloads->list) {
        if (download_of(node)->number == number) {
            return download_of(node);
        }
    }
    return NULL;
}

static void tell(const struct downloads *downloads) {
    if (downloads->on_change) {
        downloads->on_change(downloads->listener);
    }
}

static void save(const struct downloads *downloads) {
    char *text = downloads_saved_text(downloads);
    downloads->options.save(downloads->options.ctx, text);
    free(text);
}

static void enter(struct download *download, enum download_state state, const char *text) {
    download->state = state;
    download->measured_ms = 0;
    download->bytes_per_s = 0;
    if (text != download->text) {
        snprintf(download->text, sizeof download->text, "%s", text);
    }
}

static char *path_of(const struct download *download, const char *suffix) {
    return mem_format("%s/%s%s", download->downloads->options.folder, download->name, suffix);
}

#define PART_SUFFIX ".download"

static void remove_part(const struct download *download) {
    char *part = path_of(download, PART_SUFFIX);
    unlink(part);
    free(part);
}

/* ---- Orders to the thread ---- */

static void wake(void *ctx) {
    struct downloads *downloads = ctx;
    uint64_t one = 1;
    ssize_t ignored = write(downloads->wake, &one, sizeof one);
    (void)ignored;
}

static bool need_fetch(struct downloads *downloads) {
    if (downloads->fetch == NULL) {
        downloads->fetch = fetch_open(wake, downloads);
    }
    return downloads->fetch != NULL;
}

static bool order(struct download *download, enum fetch_order kind) {
    struct downloads *downloads = download->downloads;
    char *path = path_of(download, "");
    struct fetch_job *job = mem_alloc(sizeof *job);
    job->order = kind;
    job->number = download->number;
    job->needs_magic = strcmp(downloads->options.suffix, ".gguf") == 0;
    job->is_hub = download->is_hub;
    if (download->is_hub && downloads->options.hub_token) {
        snprintf(job->token, sizeof job->token, "%s", downloads->options.hub_token);
    }
    job->safe = download->safe;
    job->total = download->total;
    memcpy(job->validator, download->validator, sizeof job->validator);
    memcpy(job->sha256, download->sha256, sizeof job->sha256);
    memcpy(job->url, download->url, sizeof job->url);
    snprintf(job->path, sizeof job->path, "%s", path);
    snprintf(job->part, sizeof job->part, "%s" PART_SUFFIX, path);
    free(path);
    bool is_taken = need_fetch(downloads) && fetch_post(downloads->fetch, job) == STATUS_OK;
    if (!is_taken) {
        free(job);
    }
    return is_taken;
}

static bool is_under_way(const struct download *download) {
    return download->is_fetching || download->state == DOWNLOAD_CHECKING;
}

static void fetch_next(struct downloads *downloads) {
    struct download *next = NULL;
    LIST_EACH(node, &downloads->list) {
        struct download *download = download_of(node);
        if (is_under_way(download)) {
            return;
        }
        next = next == NULL && download->state == DOWNLOAD_QUEUED ? download : next;
    }
    if (next == NULL || downloads->is_stopped) {
        return;
    }
    next->is_fetching = order(next, FETCH_BEGIN);
    if (next->is_fetching) {
        enter(next, DOWNLOAD_RUNNING, "");
    } else {
        enter(next, DOWNLOAD_FAILED, "the server cannot start a thread for it: resume to try again");
    }
}

/* ---- Ends ---- */

/* What it was told meanwhile is done now. True: it is gone. */
static bool obey(struct download *download) {
    if (download->wish == DOWNLOAD_CANCEL) {
        remove_part(download);
        download_free(download);
        return true;
    }
    if (download->wish == DOWNLOAD_PAUSE) {
        download->wish = DOWNLOAD_GO_ON;
        enter(download, DOWNLOAD_PAUSED, "");
    }
    return false;
}

static void fail(struct download *download, const char *text) {
    LOG_WARN("download_failed", "file=%s why=\"%s\"", download->name, text);
    enter(download, DOWNLOAD_FAILED, text);
}

struct checking {
    struct downloads *downloads;
    uint64_t number;
};

static void forget_part(struct download *download) {
    remove_part(download);
    download->done = download->safe = download->total = 0;
    download->validator[0] = '\0';
}

/* The file's head has been read. It takes its name on the thread, for that waits for the disk. */
static void on_checked(void *ctx, enum status status, const char *text) {
    struct checking *checking = ctx;
    struct downloads *downloads = checking->downloads;
    struct download *download = find_number(downloads, checking->number);
    free(checking);
    if (downloads->is_stopped || download == NULL) {
        return; /* the next start checks it again */
    }
    if (obey(download)) {
        /* It is gone. */
    } else if (status == STATUS_CORRUPT) {
        forget_part(download);
        fail(download, text);
    } else if (status) {
        fail(download, text);
    } else if (download->state == DOWNLOAD_CHECKING) {
        download->is_fetching = order(download, FETCH_INSTALL);
    }
    save(downloads);
    fetch_next(downloads);
    tell(downloads);
}

static void check(struct download *download) {
    struct downloads *downloads = download->downloads;
    struct checking *checking = mem_alloc(sizeof *checking);
    *checking = (struct checking){ .downloads = downloads, .number = download->number };
    char *part = path_of(download, PART_SUFFIX);
    enter(download, DOWNLOAD_CHECKING, "");
    if (downloads->options.check(downloads->options.ctx, part, on_checked, checking) != STATUS_OK) {
        free(checking);
        fail(download, "many model files are being read already: resume in a moment");
    }
    free(part);
}

/* Of a download: its head is read next. Of the name that it took: it is done. */
static void on_complete(struct download *download) {
    bool is_installed = download->state == DOWNLOAD_CHECKING;
    if (is_installed) {
        LOG_INFO("download_done", "file=%s bytes=%llu", download->name, (unsigned long long)download->done);
        enter(download, DOWNLOAD_DONE, "");
        if (download->wish == DOWNLOAD_CANCEL) {
            download_free(download); /* it came too late for the file */
        } else {
            download->wish = DOWNLOAD_GO_ON;
        }
    } else if (!obey(download) && download->state != DOWNLOAD_PAUSED && !download->downloads->is_stopped) {
        check(download);
    }
}

/* ---- News of the thread ---- */

static void measure(struct download *download) {
    uint64_t now_ms = clock_now_ms();
    uint64_t span_ms = now_ms - download->measured_ms;
    if (download->measured_ms == 0 || download->done < download->measured_done) {
        download->measured_ms = now_ms;
        download->measured_done = download->done;
    } else if (span_ms >= MEASURE_MS) {
        download->bytes_per_s = (double)(download->done - download->measured_done) * 1000 / (double)span_ms;
        download->measured_ms = now_ms;
        download->measured_done = download->done;
    }
}

/* True: it is to be saved. */
static bool take(struct download *download, const struct fetch_news *news) {
    bool is_safer = news->safe != download->safe;
    download->done = news->done;
    download->total = news->total;
    download->safe = news->safe;
    memcpy(download->validator, news->validator, sizeof download->validator);
    memcpy(download->sha256, news->sha256, sizeof download->sha256);
    switch (news->kind) {
    case FETCH_HEAD:
    case FETCH_PROGRESS:
        if (download->state != DOWNLOAD_RUNNING) {
            enter(download, DOWNLOAD_RUNNING, "");
        }
        measure(download);
        return news->kind == FETCH_HEAD || is_safer;
    case FETCH_RETRYING:
        enter(download, DOWNLOAD_RETRYING, news->text);
        return false;
    case FETCH_VERIFYING:
        enter(download, DOWNLOAD_VERIFYING, "");
        return false;
    default:
        return true;
    }
}

static void end(struct download *download, const struct fetch_news *news) {
    download->is_fetching = false;
    if (news->kind == FETCH_COMPLETE) {
        on_complete(download);
        return;
    }
    if (obey(download) || download->state == DOWNLOAD_PAUSED) {
        return;
    }
    if (news->kind == FETCH_STOPPED) {
        enter(download, DOWNLOAD_QUEUED, "");
        return;
    }
    fail(download, news->text);
    if (news->is_useless) {
        forget_part(download);
    }
}

static bool is_last(enum fetch_kind kind) {
    return kind == FETCH_COMPLETE || kind == FETCH_STOPPED || kind == FETCH_FAILED;
}

static void take_news(struct downloads *downloads) {
    bool is_to_be_saved = false;
    struct fetch_news *news = fetch_take(downloads->fetch);
    bool is_changed = news != NULL;
    for (struct fetch_news *next; news; news = next) {
        next = (struct fetch_news *)news->mail.next;
        struct download *download = find_number(downloads, news->number);
        if (download) {
            is_to_be_saved = take(download, news) || is_to_be_saved;
            if (is_last(news->kind)) {
                end(download, news);
            }
        }
        free(news);
    }
    if (is_to_be_saved) {
        save(downloads);
    }
    fetch_next(downloads);
    if (is_changed) {
        tell(downloads);
    }
}

static void on_wake(void *ctx) {
    struct downloads *downloads = ctx;
    uint64_t n;
    ssize_t ignored = read(downloads->wake, &n, sizeof n);
    (void)ignored;
    if (!downloads->is_stopped) {
        take_news(downloads);
    }
}

/* ---- What is asked for ---- */

static enum status check_url(const char *url, struct fault *fault) {
    bool is_http = strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
    const char *host = is_http ? strstr(url, "://") + 3 : "";
    size_t n_host = strcspn(host, "/?#");
    if (!is_http || n_host == 0) {
        return fault_set(fault, STATUS_INVALID, "the address must begin with http:// or https:// and a host");
    }
    if (memchr(host, '@', n_host)) {
        return fault_set(fault, STATUS_INVALID, "the address must have no name or password in it");
    }
    if (strlen(url) >= FETCH_URL_BYTES) {
        return fault_set(fault, STATUS_INVALID, "the address must have fewer than %d bytes", FETCH_URL_BYTES);
    }
    for (const char *at = url; *at; at++) {
        if (!isgraph((unsigned char)*at)) {
            return fault_set(fault, STATUS_INVALID,
                             "the address must have no spaces and no letters but those of English: write the "
                             "others with %%");
        }
    }
    return STATUS_OK;
}

static int hex_value(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The last part of the path, with %20 as what it stands for; new memory. */
static char *name_in_url(const char *url) {
    const char *path = strstr(url, "://") + 3;
    size_t n = strcspn(path, "?#");
    size_t from = n;
    while (from > 0 && path[from - 1] != '/') {
        from--;
    }
    char *name = mem_copy_bytes(path + from, n - from);
    char *out = name;
    for (const char *at = name; *at; at++) {
        bool is_coded = at[0] == '%' && hex_value(at[1]) >= 0 && hex_value(at[2]) >= 0;
        *out++ = is_coded ? (char)(hex_value(at[1]) * 16 + hex_value(at[2])) : *at;
        at += is_coded ? 2 : 0;
    }
    *out = '\0';
    return name;
}

static enum status take_name(struct download *download, const char *given, struct fault *fault) {
    const char *suffix = download->downloads->options.suffix;
    const char *name = file_safe_name(given);
    size_t length = name ? strlen(name) : 0;
    size_t suffix_length = strlen(suffix);
    if (length <= suffix_length || strcmp(name + length - suffix_length, suffix) != 0) {
        return fault_set(
            fault, STATUS_INVALID,
            "the file's name must end in %s, begin with no point, and have at most %d bytes: say with "
            "\"file\" how it is to be called",
            suffix, FILE_NAME_BYTES_MAX);
    }
    memcpy(download->name, name, length + 1);
    return STATUS_OK;
}

static enum status take_hash(struct download *download, const char *sha256, struct fault *fault) {
    size_t length = sha256 ? strlen(sha256) : 0;
    if (length > 0 &&
        (length != TRANSFER_HASH_BYTES - 1 || strspn(sha256, "0123456789abcdefABCDEF") != length)) {
        return fault_set(fault, STATUS_INVALID, "\"sha256\" must have 64 hexadecimal digits");
    }
    for (size_t i = 0; i < length; i++) {
        download->sha256[i] = (char)tolower((unsigned char)sha256[i]);
    }
    return STATUS_OK;
}

/* Names of repositories, branches and folders; none leads upwards. */
static bool is_path_in_hub(const char *path) {
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/+ ";
    return path[0] != '\0' && path[0] != '/' && strlen(path) <= REPO_BYTES_MAX &&
           strspn(path, good) == strlen(path) && strstr(path, "..") == NULL && strstr(path, "//") == NULL;
}

static void add_escaped(struct bytes *out, const char *path) {
    for (; *path; path++) {
        bytes_add_format(out, *path == ' ' || *path == '+' ? "%%%02X" : "%c", (unsigned char)*path);
    }
}

static enum status take_hub(struct download *download, const struct downloads_wish *wish,
                            struct fault *fault) {
    const char *revision = wish->revision ? wish->revision : "main";
    if (wish->hub == NULL) {
        return fault_set(fault, STATUS_INVALID,
                         "no hub is known: set \"hub_url\" in the settings, or give \"url\"");
    }
    if (wish->file == NULL || !is_path_in_hub(wish->repo) || !is_path_in_hub(revision) ||
        !is_path_in_hub(wish->file)) {
        return fault_set(
            fault, STATUS_INVALID,
            "\"repo\", \"file\" and \"revision\" must be names of letters, digits and . _ - + /, as "
            "owner/name and model.gguf");
    }
    struct bytes url;
    bytes_init(&url, FETCH_URL_BYTES - 1);
    size_t n_hub = strlen(wish->hub);
    bytes_add(&url, wish->hub, n_hub - (n_hub > 0 && wish->hub[n_hub - 1] == '/'));
    bytes_add_char(&url, '/');
    add_escaped(&url, wish->repo);
    bytes_add_text(&url, "/resolve/");
    add_escaped(&url, revision);
    bytes_add_char(&url, '/');
    add_escaped(&url, wish->file);
    snprintf(download->url, sizeof download->url, "%s", url.failed ? "" : url.data);
    bytes_deinit(&url);
    download->is_hub = true;
    return check_url(download->url, fault);
}

static enum status take_source(struct download *download, const struct downloads_wish *wish,
                               struct fault *fault) {
    enum status status = wish->url ? check_url(wish->url, fault) : take_hub(download, wish, fault);
    if (status) {
        return status;
    }
    if (wish->url) {
        snprintf(download->url, sizeof download->url, "%s", wish->url);
    }
    char *found = wish->file ? NULL : name_in_url(wish->url);
    status = take_name(download, wish->file ? wish->file : found, fault);
    free(found);
    return status;
}

static enum status check_free(const struct download *download, struct fault *fault) {
    LIST_EACH(node, &download->downloads->list) {
        const struct download *other = download_of(node);
        if (other != download && other->state != DOWNLOAD_DONE && strcmp(other->name, download->name) == 0) {
            return fault_set(fault, STATUS_CONFLICT,
                             "a file of this name is in the list of downloads already: resume it, or "
                             "cancel it first");
        }
    }
    char *path = path_of(download, "");
    bool is_there = access(path, F_OK) == 0;
    free(path);
    return is_there
               ? fault_set(
                     fault, STATUS_CONFLICT,
                     "there is a file of this name already: say with \"file\" how this one is to be called")
               : STATUS_OK;
}

/* Of those that are done the oldest make room. */
static void make_room(struct downloads *downloads) {
    LIST_EACH(node, &downloads->list) {
        if (downloads->n >= DOWNLOADS_MAX && download_of(node)->state == DOWNLOAD_DONE) {
            download_free(download_of(node));
        }
    }
}

enum status downloads_add(struct downloads *downloads, const struct downloads_wish *wish,
                          char id[ID_HEX_BYTES], struct fault *fault) {
    make_room(downloads);
    if (downloads->n >= DOWNLOADS_MAX) {
        return fault_set(fault, STATUS_FULL, "%d downloads are in the list: cancel some first",
                         DOWNLOADS_MAX);
    }
    struct download *download = download_new(downloads);
    enum status status = take_source(download, wish, fault);
    status = status ? status : take_hash(download, wish->sha256, fault);
    status = status ? status : check_free(download, fault);
    if (status) {
        download_free(download);
        return status;
    }
    memcpy(id, download->id, ID_HEX_BYTES);
    LOG_INFO("download", "file=%s", download->name);
    save(downloads);
    fetch_next(downloads);
    tell(downloads);
    return STATUS_OK;
}

static void stop_for(struct download *download, enum download_wish wish) {
    download->wish = wish;
    if (download->is_fetching && download->state != DOWNLOAD_CHECKING && !order(download, FETCH_STOP)) {
        download->wish = DOWNLOAD_GO_ON; /* too many orders: it can be said again */
    }
}

static void act_cancel(struct download *download) {
    if (is_under_way(download)) {
        stop_for(download, DOWNLOAD_CANCEL);
        return;
    }
    if (download->state != DOWNLOAD_DONE) {
        remove_part(download);
    }
    download_free(download);
}

static void act_pause(struct download *download) {
    if (is_under_way(download)) {
        stop_for(download, DOWNLOAD_PAUSE);
    } else if (download->state == DOWNLOAD_QUEUED) {
        enter(download, DOWNLOAD_PAUSED, "");
    }
}

static void act_resume(struct download *download) {
    if (is_under_way(download)) {
        download->wish = DOWNLOAD_GO_ON; /* it is stopped and queued again */
    } else if (download->state == DOWNLOAD_PAUSED || download->state == DOWNLOAD_FAILED) {
        enter(download, DOWNLOAD_QUEUED, "");
    }
}

enum status downloads_act(struct downloads *downloads, const char *id, enum downloads_action action,
                          struct fault *fault) {
    static void (*const acts[])(struct download * download) = {
        [DOWNLOADS_PAUSE] = act_pause, [DOWNLOADS_RESUME] = act_resume, [DOWNLOADS_CANCEL] = act_cancel
    };
    struct download *download = find(downloads, id);
    if (download == NULL) {
        return fault_set(fault, STATUS_NOT_FOUND, "there is no such download: look at the list of downloads");
    }
    if (download->wish == DOWNLOAD_CANCEL && action != DOWNLOADS_CANCEL) {
        return fault_set(fault, STATUS_BUSY, "it is being cancelled");
    }
    if (download->state == DOWNLOAD_DONE && action != DOWNLOADS_CANCEL) {
        return fault_set(fault, STATUS_BUSY, "it is done: cancel takes it out of the list");
    }
    acts[action](download);
    save(downloads);
    fetch_next(downloads);
    tell(downloads);
    return STATUS_OK;
}

/* ---- Life ---- */

/* The name was taken, and the server ended before it was noted. */
static void find_installed(struct downloads *downloads) {
    LIST_EACH(node, &downloads->list) {
        struct download *download = download_of(node);
        char *path = path_of(download, "");
        char *part = path_of(download, PART_SUFFIX);
        bool was_whole = download->total > 0 && download->safe == download->total;
        if (was_whole && access(part, F_OK) != 0 && access(path, F_OK) == 0) {
            enter(download, DOWNLOAD_DONE, "");
        }
        free(path);
        free(part);
    }
}

struct downloads *downloads_open(const struct downloads_options *options) {
    struct downloads *downloads = mem_alloc(sizeof *downloads);
    downloads->options = *options;
    list_init(&downloads->list);
    downloads->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    downloads->watch =
        options->loop->watch_fd(options->loop->self, downloads->wake, on_wake, NULL, downloads);
    downloads_load(downloads, options->saved);
    downloads->options.saved = NULL;
    find_installed(downloads);
    fetch_next(downloads);
    return downloads;
}

void downloads_listen(struct downloads *downloads, void (*on_change)(void *ctx), void *ctx) {
    downloads->on_change = on_change;
    downloads->listener = ctx;
}

void downloads_stop(struct downloads *downloads) {
    downloads->is_stopped = true;
    downloads->on_change = NULL;
    if (downloads->fetch) {
        fetch_stop(downloads->fetch);
        take_news(downloads);
        fetch_free(downloads->fetch);
        downloads->fetch = NULL;
    }
}

void downloads_close(struct downloads *downloads) {
    if (downloads == NULL) {
        return;
    }
    LIST_EACH(node, &downloads->list) {
        download_free(download_of(node));
    }
    if (downloads->watch) {
        downloads->options.loop->unwatch(downloads->watch);
    }
    close(downloads->wake);
    free(downloads);
}
