#include "access/sessions.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SESSIONS_FILE_BYTES_MAX (256u << 10)

static bool parse(const json_t *row, struct session *out) {
    return secret_parse_hash(json_get_text(row, "hash", ""), &out->hash) &&
           secret_parse_hash(json_get_text(row, "holder", ""), &out->holder) &&
           json_take_int(row, "expires", 1, INT64_MAX, &out->expires_s, NULL) == STATUS_OK;
}

void sessions_read(struct sessions *sessions, const char *directory, uint64_t *number) {
    struct bytes text;
    json_t *object = NULL;
    bytes_init(&text, SESSIONS_FILE_BYTES_MAX);
    sessions->path = mem_format("%s/" SESSIONS_FILE_NAME, directory);
    enum status status = file_read(sessions->path, &text, NULL);
    if (status == STATUS_OK) {
        status = json_parse_object(text.data ? text.data : "", text.size, &object, NULL);
    }
    const json_t *rows = json_object_get(object, "sessions");
    for (size_t i = 0; i < json_array_size(rows) && sessions->n < ACCESS_SESSIONS_MAX; i++) {
        struct session *session = &sessions->rows[sessions->n];
        if (parse(json_array_get(rows, i), session)) {
            session->number = (*number)++;
            sessions->n++;
        }
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        LOG_WARN("sessions_not_read", "file=%s status=%s", sessions->path, status_name(status));
    }
    json_decref(object);
    bytes_deinit(&text);
}

void sessions_deinit(struct sessions *sessions) {
    free(sessions->path);
    sessions->path = NULL;
}

static json_t *session_json(const struct session *session) {
    char hash[SECRET_HEX_BYTES];
    char holder[SECRET_HEX_BYTES];
    secret_format_hash(&session->hash, hash);
    secret_format_hash(&session->holder, holder);
    return json_pack("{s:s, s:s, s:I}", "hash", hash, "holder", holder, "expires",
                     (json_int_t)session->expires_s);
}

static void write_file(const struct sessions *sessions) {
    struct fault fault;
    json_t *rows = json_array();
    for (size_t i = 0; i < sessions->n; i++) {
        json_array_append_new(rows, session_json(&sessions->rows[i]));
    }
    json_t *object = json_pack("{s:o}", "sessions", rows);
    char *text = json_text(object);
    if (file_replace(sessions->path, text, strlen(text), false, &fault) != STATUS_OK) {
        LOG_WARN("sessions_not_written", "error=\"%s\"", fault.text);
    }
    json_decref(object);
    free(text);
}

/* Its own oldest, so that one key that signs in again and again signs nobody else out; else the oldest of all. */
static size_t find_place(const struct sessions *sessions, const struct secret_hash *holder) {
    for (size_t i = 0; i < sessions->n; i++) {
        if (secret_is_same(&sessions->rows[i].holder, holder)) {
            return i;
        }
    }
    return 0;
}

void sessions_add(struct sessions *sessions, const struct session *session) {
    if (sessions->n == ACCESS_SESSIONS_MAX) {
        size_t place = find_place(sessions, &session->holder);
        sessions->n--;
        memmove(&sessions->rows[place], &sessions->rows[place + 1],
                (sessions->n - place) * sizeof sessions->rows[0]);
    }
    sessions->rows[sessions->n++] = *session;
    write_file(sessions);
}

bool sessions_keep(struct sessions *sessions, bool (*is_wanted)(const struct session *session, void *ctx),
                   void *ctx) {
    size_t n_kept = 0;
    for (size_t i = 0; i < sessions->n; i++) {
        if (is_wanted(&sessions->rows[i], ctx)) {
            sessions->rows[n_kept++] = sessions->rows[i];
        }
    }
    bool has_forgotten = n_kept < sessions->n;
    sessions->n = n_kept;
    if (has_forgotten) {
        write_file(sessions);
    }
    return has_forgotten;
}
