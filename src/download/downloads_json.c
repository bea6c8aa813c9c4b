/* downloads_json.c - the list of downloads as it is told [W71], and as it is kept over a restart. */
#include "base/mem.h"
#include "download/downloads_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {
    [DOWNLOAD_QUEUED] = "queued",       [DOWNLOAD_RUNNING] = "running",   [DOWNLOAD_RETRYING] = "retrying",
    [DOWNLOAD_VERIFYING] = "verifying", [DOWNLOAD_CHECKING] = "checking", [DOWNLOAD_PAUSED] = "paused",
    [DOWNLOAD_FAILED] = "failed",       [DOWNLOAD_DONE] = "done",
};

static json_t *text_or_null(const char *text) {
    return text[0] ? json_string(text) : json_null();
}

/* Behind "?" an address may have what opens it. */
static json_t *encode(const struct download *download) {
    bool is_moving = download->state == DOWNLOAD_RUNNING;
    return json_pack("{s:s, s:s, s:s%, s:s, s:I, s:o, s:o, s:o, s:o}", "id", download->id, "file",
                     download->name, "url", download->url, strcspn(download->url, "?#"), "state",
                     state_names[download->state], "done", (json_int_t)download->done, "total",
                     download->total ? json_integer((json_int_t)download->total) : json_null(),
                     "bytes_per_second",
                     is_moving ? json_integer((json_int_t)download->bytes_per_s) : json_null(), "sha256",
                     text_or_null(download->sha256), "error", text_or_null(download->text));
}

json_t *downloads_json(const struct downloads *downloads) {
    json_t *list = json_array();
    LIST_EACH(node, &downloads->list) {
        json_array_append_new(list, encode(download_of(node)));
    }
    return list;
}

/* ---- Over a restart ---- */

char *downloads_saved_text(const struct downloads *downloads) {
    json_t *list = json_array();
    LIST_EACH(node, &downloads->list) {
        const struct download *download = download_of(node);
        if (download->state != DOWNLOAD_DONE && download->wish != DOWNLOAD_CANCEL) {
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I}", "id", download->id,
                                "url", download->url, "file", download->name, "state",
                                state_names[download->state], "validator", download->validator, "sha256",
                                download->sha256, "error", download->text, "hub", download->is_hub, "total",
                                (json_int_t)download->total, "safe", (json_int_t)download->safe));
        }
    }
    char *text = json_text(list);
    json_decref(list);
    return text;
}

static void copy(char *out, size_t out_bytes, const json_t *object, const char *key) {
    snprintf(out, out_bytes, "%s", json_get_text(object, key, ""));
}

static void load_one(struct downloads *downloads, const json_t *saved) {
    struct download *download = download_new(downloads);
    const char *state = json_get_text(saved, "state", "");
    copy(download->id, sizeof download->id, saved, "id");
    copy(download->url, sizeof download->url, saved, "url");
    copy(download->name, sizeof download->name, saved, "file");
    copy(download->validator, sizeof download->validator, saved, "validator");
    copy(download->sha256, sizeof download->sha256, saved, "sha256");
    copy(download->text, sizeof download->text, saved, "error");
    download->is_hub = json_is_true(json_object_get(saved, "hub"));
    download->total = (uint64_t)json_integer_value(json_object_get(saved, "total"));
    download->safe = (uint64_t)json_integer_value(json_object_get(saved, "safe"));
    download->done = download->safe;
    download->state = strcmp(state, state_names[DOWNLOAD_PAUSED]) == 0   ? DOWNLOAD_PAUSED
                      : strcmp(state, state_names[DOWNLOAD_FAILED]) == 0 ? DOWNLOAD_FAILED
                                                                         : DOWNLOAD_QUEUED;
}

void downloads_load(struct downloads *downloads, const char *text) {
    json_t *list = text ? json_loads(text, 0, NULL) : NULL;
    for (size_t i = 0; i < json_array_size(list) && i < DOWNLOADS_MAX; i++) {
        load_one(downloads, json_array_get(list, i));
    }
    json_decref(list);
}
