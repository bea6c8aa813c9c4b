#include "access/access.h"

#include "access/guesses.h"
#include "access/key_file.h"
#include "access/sessions.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_NAME "token"
#define OWNER_NAME "owner"

/* The token, the owner, or a key. */
struct holder {
    uint64_t number;
    struct key key;
    uint64_t full_ns; /* rate_take */
};

struct access {
    struct access_options options;
    char *directory;
    char *path; /* of keys.json */
    struct file_stamp stamp;
    bool is_guarded;
    uint64_t next_number;
    struct holder anybody;
    struct holder owner;
    struct holder token;    /* number 0: there is none */
    struct holder *holders; /* the keys, in the order of the file */
    size_t n_holders;
    struct guesses guesses;
    struct sessions sessions;
    int64_t next_end_s; /* of the key or session that ends first; 0: none does */
    struct secret_hash once;
    int64_t once_until_s; /* 0: there is none */
};

static int64_t now_s(void) {
    return clock_wall_ms() / 1000;
}

static bool is_over(int64_t expires_s) {
    return expires_s > 0 && expires_s <= now_s();
}

/* ---- Who holds a right ---- */

static struct holder holder_of_all(uint64_t number, const char *name) {
    struct holder holder = { .number = number, .key.scope = SCOPE_ADMIN };
    memcpy(holder.key.name, name, strlen(name) + 1);
    return holder;
}

/* All are compared: which one it is tells no time. */
static struct holder *find_by_hash(struct access *access, const struct secret_hash *hash) {
    struct holder *found = NULL;
    if (access->token.number && secret_is_same(hash, &access->token.key.hash)) {
        found = &access->token;
    }
    if (secret_is_same(hash, &access->owner.key.hash)) {
        found = &access->owner;
    }
    for (size_t i = 0; i < access->n_holders; i++) {
        if (secret_is_same(hash, &access->holders[i].key.hash)) {
            found = &access->holders[i];
        }
    }
    return found && !is_over(found->key.expires_s) ? found : NULL;
}

static struct holder *find_by_number(struct access *access, uint64_t number) {
    struct holder *found = NULL;
    if (number == ACCESS_NOBODY) {
        return NULL;
    }
    if (number == ACCESS_OWNER) {
        found = &access->owner;
    } else if (number == ACCESS_ANYBODY) {
        found = access->is_guarded ? NULL : &access->anybody;
    } else if (number == access->token.number) {
        found = &access->token;
    }
    for (size_t i = 0; i < access->n_holders && found == NULL; i++) {
        found = access->holders[i].number == number ? &access->holders[i] : NULL;
    }
    return found && !is_over(found->key.expires_s) ? found : NULL;
}

static const struct session *find_session(const struct access *access, uint64_t number) {
    for (size_t i = 0; i < access->sessions.n; i++) {
        if (access->sessions.rows[i].number == number) {
            return &access->sessions.rows[i];
        }
    }
    return NULL;
}

/* The holder of a key, or of the key that a session came by. */
static struct holder *find_holder(struct access *access, uint64_t number, const struct session **session) {
    *session = find_session(access, number);
    if (*session == NULL) {
        return find_by_number(access, number);
    }
    return is_over((*session)->expires_s) ? NULL : find_by_hash(access, &(*session)->holder);
}

bool access_find(struct access *access, uint64_t number, struct access_caller *out) {
    const struct session *session;
    const struct holder *holder = find_holder(access, number, &session);
    if (holder == NULL) {
        return false;
    }
    const struct key *key = &holder->key;
    bool is_sooner = session && (key->expires_s == 0 || session->expires_s < key->expires_s);
    *out =
        (struct access_caller){ .number = number,
                                .holder = holder->number,
                                .name = key->name,
                                .scope = key->scope,
                                .concurrent = key->concurrent ? key->concurrent : access->options.concurrent,
                                .is_session = session != NULL,
                                .expires_s = is_sooner ? session->expires_s : key->expires_s };
    return true;
}

/* The token is the one that can be guessed. NULL: it is nobody's, or, with *wait_s, it is not looked at. The hash of the owner is of no
 * text. */
static const struct holder *find_by_text(struct access *access, const struct secret_hash *hash,
                                         const uint8_t *address, uint32_t *wait_s) {
    uint64_t now_ns = clock_now_ns();
    const struct holder *holder = find_by_hash(access, hash);
    *wait_s = 0;
    if (holder == &access->owner) {
        return NULL;
    }
    if (access->token.number && (holder == NULL || holder == &access->token)) {
        *wait_s = guesses_wait(&access->guesses, address, now_ns);
        if (*wait_s > 0) {
            return NULL;
        }
        if (holder == NULL) {
            guesses_add(&access->guesses, address, now_ns);
        }
    }
    return holder;
}

uint64_t access_by_key(struct access *access, const char *text, const uint8_t *address, uint32_t *wait_s) {
    struct secret_hash hash = secret_hash_of(text);
    const struct holder *holder = find_by_text(access, &hash, address, wait_s);
    return holder ? holder->number : ACCESS_NOBODY;
}

uint64_t access_by_session(struct access *access, const char *text) {
    struct secret_hash hash = secret_hash_of(text);
    uint64_t number = ACCESS_NOBODY;
    for (size_t i = 0; i < access->sessions.n; i++) {
        const struct session *session = &access->sessions.rows[i];
        number = secret_is_same(&session->hash, &hash) ? session->number : number;
    }
    struct access_caller caller;
    return number && access_find(access, number, &caller) ? number : ACCESS_NOBODY;
}

uint32_t access_take(struct access *access, uint64_t number) {
    const struct session *session;
    struct holder *holder = find_holder(access, number, &session);
    if (holder == NULL) {
        return 0;
    }
    const struct rate *rate = holder->key.rate.n ? &holder->key.rate : &access->options.rate;
    return rate_take(rate, &holder->full_ns, clock_now_ns());
}

/* ---- keys.json ---- */

/* A key that stays keeps its number, and what it has used up. */
static struct holder holder_of_key(struct access *access, const struct key *key) {
    for (size_t i = 0; i < access->n_holders; i++) {
        if (secret_is_same(&access->holders[i].key.hash, &key->hash)) {
            struct holder holder = access->holders[i];
            holder.key = *key;
            return holder;
        }
    }
    return (struct holder){ .number = access->next_number++, .key = *key };
}

static void take_keys(struct access *access, const struct key_file *file) {
    struct holder *holders = mem_alloc((file->n_keys + 1) * sizeof *holders);
    for (size_t i = 0; i < file->n_keys; i++) {
        holders[i] = holder_of_key(access, &file->keys[i]);
    }
    free(access->holders);
    access->holders = holders;
    access->n_holders = file->n_keys;
    access->is_guarded = access->is_guarded || file->is_there;
}

static enum status read_keys(struct access *access, struct fault *fault) {
    struct key_file file;
    access->stamp = file_stamp_of(access->path);
    enum status status = key_file_read(access->directory, &file, fault);
    if (status == STATUS_OK) {
        take_keys(access, &file);
        key_file_deinit(&file);
    }
    return status;
}

static bool is_session_good(const struct session *session, void *ctx) {
    struct access *access = ctx;
    return !is_over(session->expires_s) && find_by_hash(access, &session->holder) != NULL;
}

static void note_end(struct access *access, int64_t expires_s) {
    if (expires_s > 0 && (access->next_end_s == 0 || expires_s < access->next_end_s)) {
        access->next_end_s = expires_s;
    }
}

/* A key that is over stays in the file, and is nobody's. */
static void forget_what_is_over(struct access *access) {
    access->next_end_s = 0;
    for (size_t i = 0; i < access->n_holders; i++) {
        struct holder *holder = &access->holders[i];
        if (!is_over(holder->key.expires_s)) {
            note_end(access, holder->key.expires_s);
        }
    }
    sessions_keep(&access->sessions, is_session_good, access);
    for (size_t i = 0; i < access->sessions.n; i++) {
        note_end(access, access->sessions.rows[i].expires_s);
    }
}

bool access_refresh(struct access *access) {
    struct file_stamp stamp = file_stamp_of(access->path);
    bool has_changed = !file_stamp_is_same(&stamp, &access->stamp);
    if (has_changed) {
        struct fault fault;
        if (read_keys(access, &fault) == STATUS_OK) {
            LOG_INFO("keys_read", "keys=%zu", access->n_holders);
        } else {
            LOG_ERROR("keys_not_read", "error=\"%s\" goes_on_with=\"the keys from before\"", fault.text);
        }
    }
    if (!has_changed && !is_over(access->next_end_s)) {
        return false;
    }
    forget_what_is_over(access);
    return true;
}

bool access_is_guarded(const struct access *access) {
    return access->is_guarded;
}

/* ---- Sessions ---- */

static bool take_once(struct access *access, const struct secret_hash *hash) {
    bool is_it =
        access->once_until_s && !is_over(access->once_until_s) && secret_is_same(hash, &access->once);
    access->once_until_s = is_it ? 0 : access->once_until_s;
    return is_it;
}

uint64_t access_sign_in(struct access *access, const char *text, const uint8_t *address,
                        char out[SECRET_HEX_BYTES], uint32_t *wait_s) {
    struct secret_hash hash = secret_hash_of(text);
    *wait_s = 0;
    const struct holder *holder =
        take_once(access, &hash) ? &access->owner : find_by_text(access, &hash, address, wait_s);
    if (holder == NULL) {
        return ACCESS_NOBODY;
    }
    secret_make_hex(out);
    struct session session = { .number = access->next_number++,
                               .hash = secret_hash_of(out),
                               .holder = holder->key.hash,
                               .expires_s = now_s() + ACCESS_SESSION_S };
    sessions_add(&access->sessions, &session);
    note_end(access, session.expires_s);
    return session.number;
}

static bool is_other_session(const struct session *session, void *ctx) {
    return session->number != *(const uint64_t *)ctx;
}

void access_sign_out(struct access *access, uint64_t number) {
    sessions_keep(&access->sessions, is_other_session, &number);
}

void access_make_once(struct access *access, char out[SECRET_HEX_BYTES]) {
    secret_make_hex(out);
    access->once = secret_hash_of(out);
    access->once_until_s = now_s() + ACCESS_ONCE_S;
}

/* ---- Life ---- */

static enum status check(const struct access *access, struct fault *fault) {
    bool has_key = access->token.number || access->n_holders > 0;
    return access->options.is_exposed && !has_key
               ? fault_set(fault, STATUS_DENIED,
                           "other machines could come in, and there is no key: make one with \"runnel key "
                           "add NAME\", or set a --token, or leave --host away")
               : STATUS_OK;
}

enum status access_open(const struct access_options *options, struct access **out, struct fault *fault) {
    struct access *access = mem_alloc(sizeof *access);
    access->options = *options;
    access->directory = mem_copy_string(options->directory);
    access->path = mem_format("%s/" KEY_FILE_NAME, options->directory);
    access->is_guarded = options->token != NULL || options->is_exposed;
    access->anybody = holder_of_all(ACCESS_ANYBODY, "");
    access->owner = holder_of_all(ACCESS_OWNER, OWNER_NAME);
    /* Of no text that anybody can say: it only names the owner in the file of sessions. */
    access->owner.key.hash = (struct secret_hash){ { 0 } };
    access->next_number = ACCESS_OWNER + 1;
    if (options->token) {
        access->token = holder_of_all(access->next_number++, TOKEN_NAME);
        access->token.key.hash = secret_hash_of(options->token);
    }
    enum status status = read_keys(access, fault);
    if (status == STATUS_OK) {
        status = check(access, fault);
    }
    if (status) {
        access_close(access);
        *out = NULL;
        return status;
    }
    sessions_read(&access->sessions, options->directory, &access->next_number);
    forget_what_is_over(access);
    *out = access;
    return STATUS_OK;
}

void access_close(struct access *access) {
    if (access == NULL) {
        return;
    }
    sessions_deinit(&access->sessions);
    free(access->holders);
    free(access->path);
    free(access->directory);
    free(access);
}
