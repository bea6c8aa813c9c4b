#include "base/mem.h"
#include "store/store.h"
#include "store/store_attachment.h"
#include "store/store_job.h"
#include "store/store_write.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

struct send_job {
    struct store_job job;
    store_on_sent callback;
    struct store_send send;
    struct store_sent sent;
    int64_t conversation_key; /* 0: to be made */
    int64_t parent_key;       /* 0: a root */
    int64_t attached_keys[STORE_ATTACHED_MAX];
};

#define IDS_BYTES (STORE_ATTACHED_MAX * STORE_HASH_BYTES)

/* As the statements write those of a message. */
static const char *attached_ids(const struct store_send *send, char ids[IDS_BYTES]) {
    char *at = ids;
    for (size_t i = 0; i < send->n_attached; i++) {
        at = stpcpy(stpcpy(at, i ? "," : ""), send->attached[i].id);
    }
    *at = '\0';
    return ids;
}

/* The conversation that the send names, or the one that this very send made before: a client that lost the
 * answer to its first message does not know the name (P10). */
static int find_conversation(struct store_db *db, struct send_job *job) {
    const struct store_send *send = &job->send;
    sqlite3_stmt *find;
    if (send->conversation) {
        find = store_db_use(db, SQL_CONVERSATION_FIND_LIVING);
        store_db_bind_text(find, 1, send->conversation);
        int result = store_db_find_number(find, &job->conversation_key);
        job->sent.status = job->conversation_key ? STATUS_OK : STATUS_NOT_FOUND;
        id_copy(job->sent.conversation, ID_CONVERSATION_BYTES, send->conversation);
        return result;
    }
    if (send->client_msg_id == NULL) {
        return SQLITE_OK;
    }
    find = store_db_use(db, SQL_CONVERSATION_FIND_MADE_BY);
    store_db_bind_text(find, 1, send->client_msg_id);
    char ids[IDS_BYTES];
    store_db_bind_text(find, 2, send->text);
    store_db_bind_text(find, 3, attached_ids(send, ids));
    int result = sqlite3_step(find);
    if (result == SQLITE_ROW) {
        job->conversation_key = sqlite3_column_int64(find, 0);
        store_db_copy_text(find, 1, job->sent.conversation, ID_CONVERSATION_BYTES);
    }
    sqlite3_reset(find);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static int find_duplicate(struct store_db *db, struct send_job *job) {
    struct store_sent *sent = &job->sent;
    if (job->send.client_msg_id == NULL) {
        return SQLITE_OK;
    }
    bool is_answer = job->send.text == NULL;
    sqlite3_stmt *find = store_db_use(db, is_answer ? SQL_MESSAGE_FIND_ANSWER : SQL_MESSAGE_FIND_CLIENT);
    sqlite3_bind_int64(find, 1, job->conversation_key);
    store_db_bind_text(find, 2, job->send.client_msg_id);
    char ids[IDS_BYTES];
    store_db_bind_text(find, 3, is_answer ? job->send.parent : job->send.text);
    if (!is_answer) {
        store_db_bind_text(find, 4, attached_ids(&job->send, ids));
    }
    int result = sqlite3_step(find);
    if (result == SQLITE_ROW && sqlite3_column_int(find, 0) == 0) {
        sent->status = STATUS_CONFLICT;
    } else if (result == SQLITE_ROW) {
        int column = is_answer ? 1 : 2;
        sent->duplicate = true;
        if (!is_answer) {
            store_db_copy_text(find, 1, sent->user_message_id, ID_HEX_BYTES);
        }
        store_db_copy_text(find, column, sent->parent_id, ID_HEX_BYTES);
        store_db_copy_text(find, column + 1, sent->assistant_message_id, ID_HEX_BYTES);
        store_db_copy_text(find, column + 2, sent->generation_id, ID_HEX_BYTES);
        sent->generation_key = sqlite3_column_int64(find, column + 3);
    }
    sqlite3_reset(find);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static int find_parent(struct store_db *db, struct send_job *job) {
    const char *parent = job->send.parent;
    if (parent && parent[0] == '\0') {
        return SQLITE_OK;
    }
    sqlite3_stmt *find = store_db_use(db, parent ? SQL_MESSAGE_FIND : SQL_MESSAGE_FIND_CURRENT);
    sqlite3_bind_int64(find, 1, job->conversation_key);
    if (parent) {
        store_db_bind_text(find, 2, parent);
        int result = store_db_find_number(find, &job->parent_key);
        job->sent.status = job->parent_key ? STATUS_OK : STATUS_NOT_FOUND;
        id_copy(job->sent.parent_id, ID_HEX_BYTES, parent);
        return result;
    }
    int result = sqlite3_step(find);
    if (result == SQLITE_ROW) {
        job->parent_key = sqlite3_column_int64(find, 0);
        store_db_copy_text(find, 1, job->sent.parent_id, ID_HEX_BYTES);
    }
    sqlite3_reset(find);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static int check_unended(struct store_db *db, struct send_job *job) {
    int64_t n = 0;
    int result = store_write_count_unended(db, job->conversation_key, &n);
    if (n > 0 && !job->send.queues) {
        job->sent.status = STATUS_BUSY;
    } else if (n >= STORE_QUEUE_MAX) {
        job->sent.status = STATUS_FULL;
    }
    return result;
}

static int check_attached(struct store_db *db, struct send_job *job) {
    size_t n = job->send.n_attached;
    if (n == 0 || job->sent.status != STATUS_OK || job->sent.duplicate) {
        return SQLITE_OK;
    }
    job->sent.attachments = mem_alloc(n * sizeof job->sent.attachments[0]);
    job->sent.n_attachments = n;
    return store_attachment_take(db, job->send.attached, n, job->sent.attachments, job->attached_keys,
                                 &job->sent.status);
}

/* Everything about the conversation that may refuse the send. */
static int check_place(struct store_db *db, struct send_job *job) {
    struct store_sent *sent = &job->sent;
    int result = find_conversation(db, job);
    if (result != SQLITE_OK || sent->status != STATUS_OK) {
        return result;
    }
    if (job->conversation_key == 0) {
        /* A new conversation has no message that could be the parent. */
        sent->status = job->send.parent && job->send.parent[0] ? STATUS_NOT_FOUND : STATUS_OK;
        return SQLITE_OK;
    }
    result = find_duplicate(db, job);
    if (result == SQLITE_OK && sent->status == STATUS_OK && !sent->duplicate) {
        result = check_unended(db, job);
    }
    if (result == SQLITE_OK && sent->status == STATUS_OK && !sent->duplicate) {
        result = find_parent(db, job);
    }
    return result;
}

static int insert_conversation(struct store_db *db, struct send_job *job) {
    struct store_new_conversation row = { .title = job->send.title,
                                          .made_by = job->send.client_msg_id,
                                          .folder = job->send.folder,
                                          .settings = job->send.own_settings,
                                          .is_temporary = job->send.is_temporary,
                                          .wall_ms = job->send.wall_ms };
    return store_write_insert_conversation(db, &row, job->sent.conversation, &job->conversation_key);
}

/* Inserts below job->parent_key and moves it to the new message, so that the next one is its child. */
static int insert_row(struct store_db *db, struct send_job *job, const char *id, enum store_role role,
                      const char *content, const char *client_msg_id) {
    sqlite3_stmt *insert = store_db_use(db, SQL_MESSAGE_INSERT);
    store_db_bind_text(insert, 1, id);
    sqlite3_bind_int64(insert, 2, job->conversation_key);
    if (job->parent_key) {
        sqlite3_bind_int64(insert, 3, job->parent_key);
    }
    sqlite3_bind_int(insert, 4, (int)role);
    store_db_bind_text(insert, 5, content);
    sqlite3_bind_int64(insert, 6, job->send.wall_ms);
    store_db_bind_text(insert, 7, client_msg_id);
    int result = store_db_run(insert);
    job->parent_key = sqlite3_last_insert_rowid(db->sqlite);
    return result;
}

/* And its words. */
static int insert_message(struct store_db *db, struct send_job *job, const char *id, enum store_role role,
                          const char *content, const char *client_msg_id) {
    int result = insert_row(db, job, id, role, content, client_msg_id);
    if (result != SQLITE_OK) {
        return result;
    }
    sqlite3_stmt *insert = store_db_use(db, SQL_MESSAGE_WORDS_INSERT);
    sqlite3_bind_int64(insert, 1, job->parent_key);
    return store_db_run(insert);
}

/* Everything that may refuse the send, before anything is written. */
static int check_send(struct store_db *db, struct send_job *job) {
    int result = check_place(db, job);
    return result == SQLITE_OK ? check_attached(db, job) : result;
}

static int insert_attached(struct store_db *db, const struct send_job *job) {
    int result = SQLITE_OK;
    for (size_t i = 0; i < job->sent.n_attachments && result == SQLITE_OK; i++) {
        result = store_attachment_insert(db, job->parent_key, i, job->attached_keys[i],
                                         job->sent.attachments[i].name);
    }
    return result;
}

static int write_send(struct store_db *db, struct send_job *job) {
    const struct store_send *send = &job->send;
    struct store_sent *sent = &job->sent;
    bool is_new = job->conversation_key == 0;
    int result = is_new ? insert_conversation(db, job)
                        : store_write_touch_conversation(db, job->conversation_key, job->send.wall_ms);
    if (result == SQLITE_OK && is_new && send->system_text) {
        result = insert_message(db, job, send->system_message_id, STORE_ROLE_SYSTEM, send->system_text, NULL);
        id_copy(sent->parent_id, ID_HEX_BYTES, send->system_message_id);
    }
    for (size_t i = 0; i < send->n_before && result == SQLITE_OK; i++) {
        const struct store_said *said = &send->before[i];
        result = insert_message(db, job, said->id, said->role, said->text, NULL);
    }
    if (result == SQLITE_OK && send->text) {
        result =
            insert_message(db, job, send->user_message_id, STORE_ROLE_USER, send->text, send->client_msg_id);
        id_copy(sent->user_message_id, ID_HEX_BYTES, send->user_message_id);
    }
    if (result == SQLITE_OK) {
        result = insert_attached(db, job);
    }
    if (result == SQLITE_OK) {
        /* Its words are added at its end. */
        result = insert_row(db, job, send->assistant_message_id, STORE_ROLE_ASSISTANT, "",
                            send->text ? NULL : send->client_msg_id);
    }
    if (result == SQLITE_OK) {
        sqlite3_stmt *current = store_db_use(db, SQL_CONVERSATION_SET_CURRENT);
        sqlite3_bind_int64(current, 1, job->conversation_key);
        sqlite3_bind_int64(current, 2, job->parent_key);
        result = store_db_run(current);
    }
    if (result == SQLITE_OK) {
        struct store_new_generation row = { .id = send->generation_id,
                                            .conversation_key = job->conversation_key,
                                            .message_key = job->parent_key,
                                            .model = send->model,
                                            .settings = send->settings };
        result = store_write_insert_generation(db, &row, &sent->generation_key);
    }
    id_copy(sent->assistant_message_id, ID_HEX_BYTES, send->assistant_message_id);
    id_copy(sent->generation_id, ID_HEX_BYTES, send->generation_id);
    return result;
}

static enum job_outcome run_send(struct store_db *db, struct store_job *base) {
    struct send_job *job = (struct send_job *)base;
    job->conversation_key = job->parent_key = 0;
    int result = check_send(db, job);
    if (result == SQLITE_OK && job->sent.status == STATUS_OK && !job->sent.duplicate) {
        result = write_send(db, job);
    }
    base->status = job->sent.status;
    return store_job_finish(db, base, result);
}

static void answer_send(struct store_job *base) {
    struct send_job *job = (struct send_job *)base;
    job->sent.status = base->status;
    job->callback(base->ctx, &job->sent);
}

static void forget_send(struct store_job *base) {
    struct store_sent *sent = &((struct send_job *)base)->sent;
    store_attachments_free(sent->attachments, sent->n_attachments);
    *sent = (struct store_sent){ .status = STATUS_OK };
}

static const struct job_kind send_kind = {
    .writes = true, .is_durable = true, .run = run_send, .forget = forget_send, .answer = answer_send
};

static size_t said_bytes(const struct store_send *send) {
    size_t n = send->n_before * sizeof *send->before;
    for (size_t i = 0; i < send->n_before; i++) {
        n += store_job_text_bytes(send->before[i].id) + store_job_text_bytes(send->before[i].text);
    }
    return n;
}

static size_t attached_bytes(const struct store_send *send) {
    size_t n = alignof(struct store_attached) + send->n_attached * sizeof send->attached[0];
    for (size_t i = 0; i < send->n_attached; i++) {
        n += store_job_text_bytes(send->attached[i].name);
    }
    return n;
}

/* The array comes first: it has to be aligned. */
static const struct store_said *pack_said(char **at, const struct store_send *send) {
    struct store_said *said = (struct store_said *)(void *)*at;
    *at += send->n_before * sizeof *said;
    for (size_t i = 0; i < send->n_before; i++) {
        said[i] = (struct store_said){ .id = store_job_pack(at, send->before[i].id),
                                       .role = send->before[i].role,
                                       .text = store_job_pack(at, send->before[i].text) };
    }
    return said;
}

static void pack_attached(struct store_send *to, const struct store_send *from, char **at) {
    assert(from->n_attached <= STORE_ATTACHED_MAX);
    size_t align = alignof(struct store_attached);
    struct store_attached *attached = (void *)(((uintptr_t)*at + align - 1) / align * align);
    *at = (char *)(attached + from->n_attached);
    for (size_t i = 0; i < from->n_attached; i++) {
        attached[i] = from->attached[i];
        attached[i].name = store_job_pack(at, from->attached[i].name);
    }
    to->attached = attached;
    to->n_attached = from->n_attached;
}

enum status store_send(struct store *store, const struct store_send *send, store_on_sent callback,
                       void *ctx) {
    size_t n = store_job_text_bytes(send->system_text) + store_job_text_bytes(send->system_message_id) +
               store_job_text_bytes(send->conversation) + store_job_text_bytes(send->title) +
               store_job_text_bytes(send->folder) + store_job_text_bytes(send->own_settings) +
               store_job_text_bytes(send->parent) + store_job_text_bytes(send->client_msg_id) +
               store_job_text_bytes(send->text) + store_job_text_bytes(send->user_message_id) +
               store_job_text_bytes(send->assistant_message_id) + store_job_text_bytes(send->generation_id) +
               store_job_text_bytes(send->model) + store_job_text_bytes(send->settings) + said_bytes(send) +
               attached_bytes(send);
    struct send_job *job = store_job_new(&send_kind, ctx, sizeof *job, n);
    char *at = (char *)(job + 1);
    job->callback = callback;
    const struct store_said *before = pack_said(&at, send);
    job->send = (struct store_send){
        .before = before,
        .n_before = send->n_before,
        .conversation = store_job_pack(&at, send->conversation),
        .title = store_job_pack(&at, send->title),
        .folder = store_job_pack(&at, send->folder),
        .own_settings = store_job_pack(&at, send->own_settings),
        .is_temporary = send->is_temporary,
        .system_text = store_job_pack(&at, send->system_text),
        .system_message_id = store_job_pack(&at, send->system_message_id),
        .parent = store_job_pack(&at, send->parent),
        .client_msg_id = store_job_pack(&at, send->client_msg_id),
        .text = store_job_pack(&at, send->text),
        .user_message_id = store_job_pack(&at, send->user_message_id),
        .assistant_message_id = store_job_pack(&at, send->assistant_message_id),
        .generation_id = store_job_pack(&at, send->generation_id),
        .model = store_job_pack(&at, send->model),
        .settings = store_job_pack(&at, send->settings),
        .queues = send->queues,
        .wall_ms = send->wall_ms,
    };
    pack_attached(&job->send, send, &at);
    return store_post(store, &job->job);
}
