#include "app/key_command.h"

#include "app/folder.h"
#include "app/http.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/store_lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOUR_S 3600
#define DAY_S  86400

/* ---- The arguments ---- */

static const char **place_of(struct key_command *command, const char *option) {
    struct {
        const char *name;
        const char **place;
    } options[] = { { "--scope", &command->scope },
                    { "--expires", &command->expires },
                    { "--rate", &command->rate },
                    { "--concurrent", &command->concurrent } };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(option, options[i].name) == 0) {
            return options[i].place;
        }
    }
    return NULL;
}

/* argv[1] is "key". Options of the server take one value each, but for those that take none, which make no sense here. */
void key_command_take(int *argc, char **argv, struct key_command *out) {
    int n_left = 1;
    *out = (struct key_command){ 0 };
    for (int i = 2; i < *argc; i++) {
        const char **place = place_of(out, argv[i]);
        if (place && i + 1 < *argc && argv[i + 1][0] != '-') {
            *place = argv[++i];
        } else if (argv[i][0] == '-') {
            argv[n_left++] = argv[i];
            if (strchr(argv[i], '=') == NULL && i + 1 < *argc && argv[i + 1][0] != '-') {
                argv[n_left++] = argv[++i];
            }
        } else if (out->action == NULL) {
            out->action = argv[i];
        } else if (out->name == NULL) {
            out->name = argv[i];
        } else {
            argv[n_left++] = argv[i]; /* nobody's: it is refused with the options */
        }
    }
    argv[n_left] = NULL;
    *argc = n_left;
}

static int64_t now_s(void) {
    return clock_wall_ms() / 1000;
}

/* "90d", "12h", or a day: its beginning, in UTC. 0: it is none of them. */
static int64_t parse_expiry(const char *text) {
    char *end;
    long n = strtol(text, &end, 10);
    if (end != text && n > 0 && n <= 100000 && (strcmp(end, "d") == 0 || strcmp(end, "h") == 0)) {
        return now_s() + n * (*end == 'd' ? DAY_S : HOUR_S);
    }
    struct tm day = { 0 };
    const char *rest = strptime(text, "%Y-%m-%d", &day);
    return rest && *rest == '\0' ? timegm(&day) : 0;
}

static enum status parse_options(const struct key_command *command, struct key *key, struct fault *fault) {
    if (!scope_parse(command->scope ? command->scope : "chat", &key->scope)) {
        return fault_set(fault, STATUS_INVALID, "--scope %.40s: use metrics, read, chat or admin",
                         command->scope);
    }
    if (command->expires) {
        key->expires_s = parse_expiry(command->expires);
        if (key->expires_s <= now_s()) {
            return fault_set(
                fault, STATUS_INVALID,
                "--expires %.40s: give a time from now on, as in 90d or 12h, or a day to come, as in "
                "2030-01-31",
                command->expires);
        }
    }
    if (command->rate && !rate_parse(command->rate, &key->rate)) {
        return fault_set(fault, STATUS_INVALID,
                         "--rate %.40s is no rate: as in 60/min, 5/s, 1000/h or 10000/d", command->rate);
    }
    char *end = "";
    unsigned long n = command->concurrent ? strtoul(command->concurrent, &end, 10) : 0;
    if (command->concurrent && (*end || n < 1 || n > KEY_CONCURRENT_MAX)) {
        return fault_set(fault, STATUS_INVALID, "--concurrent %.40s: use a number from 1 to %d",
                         command->concurrent, KEY_CONCURRENT_MAX);
    }
    key->concurrent = (uint32_t)n;
    return STATUS_OK;
}

/* ---- The server that runs ---- */

/* Each question makes it look at the file first. */
static void tell_server(const char *data) {
    char url[STORE_LOCK_URL_BYTES];
    struct bytes body;
    int code = 0;
    struct fault fault;
    if (!store_lock_find_owner(data, url) || url[0] == '\0') {
        return;
    }
    bytes_init(&body, HTTP_ANSWER_BYTES_MAX);
    if (http_ask(url, "GET", "/health", NULL, "", &code, &body, &fault) != STATUS_OK) {
        fprintf(stderr,
                "runnel: the server that runs does not answer now; it looks at the keys once a second\n");
    }
    bytes_deinit(&body);
}

/* ---- What is done ---- */

static enum status need_name(const struct key_command *command, struct fault *fault) {
    return command->name && key_name_is_good(command->name)
               ? STATUS_OK
               : fault_set(fault, STATUS_INVALID,
                           "runnel key %s NAME: the name has 1 to 64 of A-Z a-z 0-9 - _ .", command->action);
}

static enum status add_key(struct key_file *file, const struct key_command *command, const char *data,
                           struct fault *fault) {
    char text[SECRET_KEY_BYTES];
    struct key key = { .created_s = now_s() };
    enum status status = parse_options(command, &key, fault);
    if (status) {
        return status;
    }
    if (key_file_find(file, command->name)) {
        return fault_set(fault, STATUS_CONFLICT,
                         "there is a key of the name %s: revoke it, or take another name", command->name);
    }
    if (file->n_keys >= KEY_FILE_KEYS_MAX) {
        return fault_set(fault, STATUS_FULL, "there are %d keys: revoke one first", KEY_FILE_KEYS_MAX);
    }
    secret_make_key(text);
    key.hash = secret_hash_of(text);
    snprintf(key.name, sizeof key.name, "%s", command->name);
    key_file_add(file, &key);
    status = key_file_write(data, file, fault);
    if (status == STATUS_OK) {
        tell_server(data);
        printf("%s\n", text);
        fprintf(stderr, "This is the key %s, for %s. It is kept nowhere: write it down now.\n", key.name,
                scope_name(key.scope));
    }
    return status;
}

static enum status revoke_key(struct key_file *file, const struct key_command *command, const char *data,
                              struct fault *fault) {
    struct key *key = key_file_find(file, command->name);
    if (key == NULL) {
        return fault_set(fault, STATUS_NOT_FOUND, "there is no key of the name %s: see runnel key list",
                         command->name);
    }
    key_file_remove(file, key);
    enum status status = key_file_write(data, file, fault);
    if (status == STATUS_OK) {
        tell_server(data);
        printf("the key %s opens nothing any more\n", command->name);
        if (file->n_keys == 0) {
            printf("there is no key left: nobody comes in until there is one, or %s/" KEY_FILE_NAME
                   " is removed and the server started again\n",
                   data);
        }
    }
    return status;
}

static void list(const struct key_file *file) {
    printf("%-24s %-8s %-12s %-12s %-10s %s\n", "name", "scope", "made", "ends", "rate", "at a time");
    for (size_t i = 0; i < file->n_keys; i++) {
        const struct key *key = &file->keys[i];
        char made[CLOCK_ISO_BYTES];
        char ends[CLOCK_ISO_BYTES] = "never     ";
        char rate[RATE_TEXT_BYTES];
        char concurrent[12] = "";
        clock_format_iso(key->created_s * 1000, made);
        if (key->expires_s) {
            clock_format_iso(key->expires_s * 1000, ends);
        }
        rate_format(&key->rate, rate);
        if (key->concurrent) {
            snprintf(concurrent, sizeof concurrent, "%u", key->concurrent);
        }
        bool is_over = key->expires_s && key->expires_s <= now_s();
        printf("%-24s %-8s %-12.10s %-12.10s %-10s %s%s\n", key->name, scope_name(key->scope), made, ends,
               rate, concurrent, is_over ? "  (it has ended)" : "");
    }
}

static enum status change(const struct key_command *command, const char *data, struct fault *fault) {
    struct key_file file = { 0 };
    int lock = -1;
    bool adds = strcmp(command->action, "add") == 0;
    enum status status = need_name(command, fault);
    if (status == STATUS_OK && adds) {
        status = folder_make(data, 0700, fault); /* it may come before the first server */
    }
    status = status ? status : key_file_lock(data, &lock, fault);
    status = status ? status : key_file_read(data, &file, fault);
    if (status == STATUS_OK) {
        status = adds ? add_key(&file, command, data, fault) : revoke_key(&file, command, data, fault);
    }
    if (lock >= 0) {
        close(lock);
    }
    key_file_deinit(&file);
    return status;
}

enum status key_command_run(const struct key_command *command, const char *data, struct fault *fault) {
    const char *action = command->action ? command->action : "";
    if (strcmp(action, "add") == 0 || strcmp(action, "revoke") == 0) {
        return change(command, data, fault);
    }
    if (strcmp(action, "list") != 0 || command->name) {
        return fault_set(fault, STATUS_INVALID, "runnel key: use add NAME, list, or revoke NAME");
    }
    struct key_file file;
    enum status status = key_file_read(data, &file, fault);
    if (status == STATUS_OK) {
        list(&file);
        key_file_deinit(&file);
    }
    return status;
}
