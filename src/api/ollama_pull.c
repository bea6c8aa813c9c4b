/* ollama_pull.c - [W102] Ollama's POST /api/pull: a download of the list of [W71], told in lines as it goes.
 *
 * A client that leaves stops it, as Ollama does: it is paused, and pulling it again goes on where it was. What somebody else began goes on without its watchers.
 */
#include "api/fields.h"
#include "api/ollama.h"
#include "api/request.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_HEADERS API_HEADERS "X-Accel-Buffering: no\r\n"
#define DIGEST_SHOWN   12 /* letters of a digest in a status, as Ollama's */

struct pull {
    struct api_conn conn;
    struct api_watcher watcher; /* in api->download_watchers */
    char id[ID_HEX_BYTES];
    bool is_stream;
    bool is_ours; /* a client of this interface began it */
    bool is_begun;
    bool is_verifying;
    bool is_complete;
    json_int_t told; /* of its bytes; −1: nothing yet */
};

static struct pull *pull_of_node(struct list_node *node) {
    return CONTAINER_OF(CONTAINER_OF(node, struct api_watcher, node), struct pull, watcher);
}

/* ---- The list of downloads ---- */

/* The one where `key` is `value`, a new reference; NULL: there is none. */
static json_t *find(const struct api *api, const char *key, const char *value) {
    json_t *list = downloads_json(api->options.downloads);
    json_t *found = NULL;
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item) {
        /* A name may be there twice: the last is the one that counts. */
        if (strcmp(json_get_text(item, key, ""), value) == 0) {
            json_decref(found);
            found = json_incref(item);
        }
    }
    json_decref(list);
    return found;
}

static bool is_in(const json_t *download, const char *state) {
    return strcmp(json_get_text(download, "state", ""), state) == 0;
}

/* ---- Lines ---- */

static void add_status(struct bytes *frame, const char *status) {
    ollama_add_line(frame, json_pack("{s:s}", "status", status));
}

static void add_progress(struct pull *self, struct bytes *frame, const json_t *download) {
    const char *sha256 = json_get_text(download, "sha256", NULL);
    json_int_t done = json_integer_value(json_object_get(download, "done"));
    json_t *total = json_object_get(download, "total");
    if (done == self->told) {
        return;
    }
    self->told = done;
    char *status = sha256 ? mem_format("pulling %.*s", DIGEST_SHOWN, sha256)
                          : mem_format("pulling %s", json_get_text(download, "file", ""));
    json_t *line = json_pack("{s:s, s:I}", "status", status, "completed", done);
    if (sha256) {
        char *digest = mem_format("sha256:%s", sha256);
        json_object_set_new(line, "digest", json_string(digest));
        free(digest);
    }
    if (json_is_integer(total)) {
        json_object_set(line, "total", total);
    }
    ollama_add_line(frame, line);
    free(status);
}

static void add_verifying(struct pull *self, struct bytes *frame, const json_t *download) {
    if (!self->is_verifying) {
        self->is_verifying = true;
        add_progress(self, frame, download);
        add_status(frame, "verifying sha256 digest");
    }
}

/* Why it will not come; NULL: it may. */
static const char *failure_of(const json_t *download) {
    return download == NULL            ? "the download was cancelled: pull it again"
           : is_in(download, "paused") ? "the download was paused: pull it again to go on"
           : is_in(download, "failed") ? json_get_text(download, "error", "the download failed")
                                       : NULL;
}

static void add_news(struct pull *self, struct bytes *frame, const json_t *download) {
    const char *failure = failure_of(download);
    if (!self->is_begun) {
        self->is_begun = true;
        add_status(frame, "pulling manifest");
    }
    if (failure) {
        self->is_complete = true;
        ollama_add_line(frame, json_pack("{s:s}", "error", failure));
    } else if (is_in(download, "verifying") || is_in(download, "checking")) {
        add_verifying(self, frame, download);
    } else if (is_in(download, "done")) {
        self->is_complete = true;
        add_verifying(self, frame, download);
        add_status(frame, "writing manifest");
        add_status(frame, "success");
    } else if (!is_in(download, "queued")) {
        add_progress(self, frame, download);
    }
}

/* ---- The connection ---- */

static void on_writable(struct api_conn *conn) {
    struct pull *self = (struct pull *)conn;
    struct bytes *frame = &conn->api->frame;
    json_t *download = find(conn->api, "id", self->id);
    bytes_clear(frame);
    if (!self->is_complete) {
        add_news(self, frame, download);
    }
    json_decref(download);
    if (frame->size) {
        net_conn_write(conn->net, frame->data, frame->size);
    }
    if (self->is_complete) {
        net_stream_end(conn->net);
    }
}

static void on_silence(struct api_conn *conn) {
    net_conn_send(conn->net, " ", 1);
}

static void reply_success(struct net_conn *net) {
    reply_json(net, 200, json_pack("{s:s}", "status", "success"));
}

static void reply_whole(struct pull *self) {
    json_t *download = find(self->conn.api, "id", self->id);
    const char *failure = failure_of(download);
    self->is_complete = failure || is_in(download, "done");
    if (failure) {
        reply_error(self->conn.net, 500, failure);
    } else if (self->is_complete) {
        reply_success(self->conn.net);
    }
    json_decref(download);
}

static void on_change(void *ctx) {
    struct pull *self = ctx;
    if (self->is_complete) {
        return;
    }
    if (self->is_stream) {
        net_conn_want_write(self->conn.net);
    } else {
        reply_whole(self);
    }
}

/* Another client of this interface that waits for it. */
static const struct pull *find_other(const struct pull *self) {
    LIST_EACH(node, &self->conn.api->download_watchers) {
        const struct pull *other = pull_of_node(node);
        if (other != self && strcmp(other->id, self->id) == 0) {
            return other;
        }
    }
    return NULL;
}

static void on_close(struct api_conn *conn) {
    struct pull *self = (struct pull *)conn;
    struct fault fault;
    list_remove(&self->watcher.node);
    /* What a server that stops leaves behind goes on with its next start. */
    if (self->is_ours && !self->is_complete && !find_other(self) && !chat_is_stopping(conn->api->chat)) {
        enum status status = downloads_act(conn->api->options.downloads, self->id, DOWNLOADS_PAUSE, &fault);
        (void)status; /* it is done, or gone */
    }
    free(self);
}

static void begin(struct api *api, struct net_conn *net, const char *id, bool is_ours, bool is_stream) {
    static const struct api_conn_ops ops = { .on_writable = on_writable,
                                             .on_silence = on_silence,
                                             .on_close = on_close };
    struct pull *self = mem_alloc(sizeof *self);
    api_conn_attach(&self->conn, &ops, api, net);
    id_copy(self->id, sizeof self->id, id);
    self->watcher = (struct api_watcher){ .on_change = on_change, .ctx = self };
    self->is_stream = is_stream;
    self->told = -1;
    list_append(&api->download_watchers, &self->watcher.node);
    const struct pull *other = find_other(self);
    self->is_ours = is_ours || (other && other->is_ours);
    if (is_stream) {
        net_stream_begin(net, "application/x-ndjson", STREAM_HEADERS);
        net_conn_want_write(net);
    } else {
        reply_whole(self);
    }
}

/* ---- The request ---- */

static void reply_there(struct net_conn *net, bool is_stream) {
    static const char lines[] = "{\"status\":\"pulling manifest\"}\n{\"status\":\"success\"}\n";
    if (is_stream) {
        reply_text(net, 200, "application/x-ndjson", lines, sizeof lines - 1);
    } else {
        reply_success(net);
    }
}

/* Goes on with one of that file that is in the list. STATUS_NOT_FOUND: there is none. */
static enum status resume(const struct api *api, const char *file, char id[ID_HEX_BYTES], bool *is_ours,
                          struct fault *fault) {
    json_t *known = find(api, "file", file);
    bool is_idle = known && (is_in(known, "paused") || is_in(known, "failed"));
    enum status status = known && !is_in(known, "done") ? STATUS_OK : STATUS_NOT_FOUND;
    if (status == STATUS_OK) {
        id_copy(id, ID_HEX_BYTES, json_get_text(known, "id", ""));
        *is_ours = is_idle;
        status = is_idle ? downloads_act(api->options.downloads, id, DOWNLOADS_RESUME, fault) : STATUS_OK;
    }
    json_decref(known);
    return status;
}

static void fetch(struct api *api, struct net_conn *net, const struct ollama_hub_name *name, bool is_stream) {
    const char *hub = chat_settings(api->chat)->hub_url;
    struct downloads_wish wish = { .hub = hub ? hub : name->hub, .repo = name->repo, .file = name->file };
    const char *slash = strrchr(name->file, '/');
    char id[ID_HEX_BYTES];
    bool is_ours = true;
    struct fault fault;
    enum status status = resume(api, slash ? slash + 1 : name->file, id, &is_ours, &fault);
    if (status == STATUS_NOT_FOUND) {
        status = downloads_add(api->options.downloads, &wish, id, &fault);
    }
    if (status) {
        reply_error(net, status == STATUS_CONFLICT ? 409 : reply_http_status(status), fault.text);
    } else {
        begin(api, net, id, is_ours, is_stream);
    }
}

/* What cannot be pulled: the names of Ollama's own library. */
static void refuse(const struct api *api, struct net_conn *net, const char *name) {
    const struct models *models = chat_models(api->chat);
    struct fault fault;
    enum status status = fault_set(
        &fault, STATUS_INVALID,
        "\"%.80s\" cannot be pulled, Ollama's own library is not known here: name a file of a hub, as "
        "HOST/OWNER/REPO:QUANTISATION or HOST/OWNER/REPO/FILE%s, or put a %s file into %.150s",
        name, models_suffix(models), models_suffix(models), models_folder(models));
    reply_status(net, status, fault.text);
}

static void pull(struct api *api, struct net_conn *net, const json_t *body) {
    const struct models *models = chat_models(api->chat);
    struct openai_error error;
    struct ollama_hub_name hub;
    char given[NAME_MAX + 1];
    char name[NAME_MAX + 1];
    char path[PATH_MAX];
    bool is_stream = true;
    struct fault fault;
    const char *key = json_get_text(body, "model", NULL) ? "model" : "name";
    if (!fields_check(&fields_ollama_pull, net, body, &error)) {
        reply_error(net, error.status, error.text);
    } else if (json_take_bool(body, "stream", &is_stream, &fault)) {
        reply_status(net, STATUS_INVALID, fault.text);
    } else if (!ollama_take_name(body, key, given, &error) || !ollama_take_model(api, body, name, &error)) {
        reply_error(net, error.status, error.text);
    } else if (models_resolve(models, name, path, NULL) == STATUS_OK) {
        reply_there(net, is_stream);
    } else if (ollama_name_parse(given, models_suffix(models), &hub)) {
        fetch(api, net, &hub, is_stream);
    } else {
        refuse(api, net, given);
    }
}

void ollama_pull_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    if (body) {
        pull(api, net, body);
    }
    json_decref(body);
}
