#include "api/access_log.h"

#include "api/api_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct access_log {
    char *path;
    int fd; /* −1: it could not be opened again */
    dev_t device;
    ino_t inode;
    uint64_t n_dropped;
    bool is_failing; /* it was said */
};

/* ---- The file ---- */

/* A pipe that nobody reads does not hold the loop up. */
static int open_file(const char *path) {
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
}

static bool take(struct access_log *log, int fd) {
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        return false;
    }
    if (log->fd >= 0) {
        close(log->fd);
    }
    log->fd = fd;
    log->device = info.st_dev;
    log->inode = info.st_ino;
    return true;
}

enum status access_log_open(const char *path, struct access_log **out, struct fault *fault) {
    struct access_log *log = mem_alloc(sizeof *log);
    log->fd = -1;
    log->path = mem_copy_string(path);
    if (!take(log, open_file(path))) {
        fault_set(fault, STATUS_IO, "--access-log %.200s cannot be written: %s", path, strerror(errno));
        access_log_close(log);
        return STATUS_IO;
    }
    *out = log;
    return STATUS_OK;
}

void access_log_close(struct access_log *log) {
    if (log == NULL) {
        return;
    }
    if (log->fd >= 0) {
        close(log->fd);
    }
    free(log->path);
    free(log);
}

uint64_t access_log_dropped(const struct access_log *log) {
    return log ? log->n_dropped : 0;
}

/* Said once, until it can be written again. */
static void note_failure(struct access_log *log, bool fails, int error) {
    if (fails && !log->is_failing) {
        LOG_ERROR("access_log", "file=%s error=\"%s\"", log->path, strerror(error));
    }
    log->is_failing = fails;
}

void access_log_tick(struct access_log *log) {
    struct stat info;
    if (log == NULL || (log->fd >= 0 && stat(log->path, &info) == 0 && info.st_dev == log->device &&
                        info.st_ino == log->inode)) {
        return;
    }
    bool is_new = take(log, open_file(log->path));
    note_failure(log, !is_new, errno);
}

/* ---- Lines ---- */

/* Half a line, where the disk became full in the middle of it, is ended by the next one. */
static void write_line(struct access_log *log, const struct bytes *line) {
    ssize_t n = log->fd >= 0 ? write(log->fd, line->data, line->size) : -1;
    bool is_whole = n == (ssize_t)line->size;
    log->n_dropped += !is_whole;
    note_failure(log, !is_whole, n < 0 ? errno : ENOSPC);
    if (n > 0 && !is_whole) {
        n = write(log->fd, "\n", 1);
    }
}

static const char *method_name(enum net_method method) {
    static const char *const names[] = {
        [NET_GET] = "GET",       [NET_HEAD] = "HEAD", [NET_POST] = "POST",
        [NET_DELETE] = "DELETE", [NET_PUT] = "PUT",   [NET_OTHER] = "OTHER",
    };
    return names[method];
}

struct entry {
    const uint8_t *peer;
    const char *method;
    const char *route;
    const char *key; /* "": none */
    int status;
    uint64_t number; /* of the connection; 0: there was none */
    uint64_t n_bytes;
    uint64_t age_ms;
    bool is_tls;
};

static void add_entry(struct access_log *log, const struct entry *entry) {
    char time[CLOCK_ISO_BYTES];
    char client[NET_ADDRESS_BYTES];
    struct bytes line;
    bytes_init(&line, 1024);
    clock_format_iso(clock_wall_ms(), time);
    net_format_peer(entry->peer, client);
    bytes_add_format(
        &line,
        "{\"time\":\"%s\",\"conn\":%llu,\"client\":\"%s\",\"tls\":%s,\"method\":\"%s\",\"route\":\"%s\","
        "\"status\":%d,\"bytes\":%llu,\"ms\":%llu,\"key\":",
        time, (unsigned long long)entry->number, client, entry->is_tls ? "true" : "false", entry->method,
        entry->route, entry->status, (unsigned long long)entry->n_bytes, (unsigned long long)entry->age_ms);
    bytes_add_json_string(&line, entry->key, strlen(entry->key));
    bytes_add_text(&line, "}\n");
    write_line(log, &line);
    bytes_deinit(&line);
}

void access_log_request(struct access_log *log, struct access *access, const struct net_conn *net) {
    struct access_caller caller;
    if (log == NULL) {
        return;
    }
    bool is_known = access_find(access, net_conn_mark(net), &caller);
    add_entry(log, &(struct entry){ .peer = net_conn_peer(net),
                                    .method = method_name(net_conn_method(net)),
                                    .route = router_kind_name(net_conn_kind(net)),
                                    .key = is_known ? caller.name : "",
                                    .status = net_conn_status(net),
                                    .number = net_conn_number(net),
                                    .n_bytes = net_conn_bytes_sent(net),
                                    .age_ms = net_conn_age_ms(net),
                                    .is_tls = net_conn_is_tls(net) });
}

void access_log_refused(struct access_log *log, const uint8_t *peer, int status) {
    if (log) {
        add_entry(log,
                  &(struct entry){ .peer = peer, .method = "", .route = "", .key = "", .status = status });
    }
}
