#include "app/command.h"

#include "api/fields.h"
#include "app/backup.h"
#include "app/bench.h"
#include "base/mem.h"
#include "store/store_check.h"
#include "store/store_copies.h"
#include "store/store_lock.h"
#include "store/store_salvage.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_DAMAGED 1
#define EXIT_CANNOT  2
#define EXIT_TAKEN   3

static const char *const names[] = { "check", "salvage", "backup", "key", "bench", "fields" };

static bool is_command(const char *word) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], word) == 0) {
            return true;
        }
    }
    return false;
}

struct command command_take(int *argc, char **argv) {
    struct command command = { 0 };
    if (*argc < 2 || !is_command(argv[1])) {
        return command;
    }
    command.name = argv[1];
    if (strcmp(command.name, "key") == 0) {
        key_command_take(argc, argv, &command.key);
        return command;
    }
    bool has_file = *argc > 2 && argv[2][0] != '-' && strcmp(command.name, "salvage") != 0 &&
                    strcmp(command.name, "fields") != 0;
    command.file = has_file ? argv[2] : NULL;
    int n_taken = has_file ? 2 : 1;
    for (int i = 1; i + n_taken <= *argc; i++) {
        argv[i] = argv[i + n_taken];
    }
    *argc -= n_taken;
    return command;
}

static int fail(const struct fault *fault, enum status status) {
    fprintf(stderr, "runnel: %s\n", fault->text);
    return status == STATUS_BUSY ? EXIT_TAKEN : status == STATUS_CORRUPT ? EXIT_DAMAGED : EXIT_CANNOT;
}

static void on_line(void *ctx, const char *line) {
    (void)ctx;
    printf("%s\n", line);
}

/* The database of a data directory is its owner's; a file of another name is nobody's. */
static enum status borrow(const char *path, int *lock, struct fault *fault) {
    char *folder = mem_copy_string(path);
    char *name = strrchr(folder, '/');
    enum status status = STATUS_OK;
    *lock = -1;
    if (strcmp(name ? name + 1 : folder, "runnel.db") == 0) {
        status = store_lock_borrow(dirname(folder), lock, fault);
    }
    free(folder);
    return status;
}

static void say_copies(const char *data) {
    if (store_copies_say(data, on_line, NULL)) {
        printf("to go back to one of them: stop the server, move %s/runnel.db and runnel.db-wal away, and "
               "copy it to %s/runnel.db\n",
               data, data);
    } else {
        printf("there is no good copy under %s/backups, and none that a newer version has kept\n", data);
    }
}

static int check(const char *path, const char *data) {
    struct fault fault;
    struct store_check check = { .say = on_line };
    int lock = -1;
    enum status status = borrow(path, &lock, &fault);
    if (status == STATUS_OK) {
        status = store_check_file(path, &check, &fault);
    }
    if (lock >= 0) {
        close(lock);
    }
    if (status == STATUS_CORRUPT) {
        printf("%s is damaged: %zu things are wrong. \"runnel salvage --data %s\" makes a new database of "
               "all that can be read and keeps this one\n",
               path, check.n_wrong, data);
        say_copies(data);
        return EXIT_DAMAGED;
    }
    if (status != STATUS_OK) {
        return fail(&fault, status);
    }
    printf("%s is good: %lld conversations, %lld messages, %lld answers\n", path,
           (long long)check.n_conversations, (long long)check.n_messages, (long long)check.n_generations);
    return EXIT_SUCCESS;
}

static int salvage(const char *data) {
    struct fault fault;
    struct store_salvage salvage = { .say = on_line };
    enum status status = store_salvage_directory(data, &salvage, &fault);
    if (status == STATUS_CORRUPT || salvage.has_lost) {
        say_copies(data);
    }
    if (status != STATUS_OK) {
        return fail(&fault, status);
    }
    printf("%s/runnel.db is a new database of what could be read\n", data);
    return EXIT_SUCCESS;
}

static int backup(const char *file, const struct config *config) {
    struct fault fault;
    struct backup_made made = { 0 };
    enum status status = backup_make(config->data, config->token, file, &made, &fault);
    if (status != STATUS_OK) {
        return fail(&fault, status);
    }
    printf("%s is a backup of %llu bytes\n", made.path, (unsigned long long)made.size_bytes);
    free(made.path);
    return EXIT_SUCCESS;
}

static int key(const struct key_command *command, const struct config *config) {
    struct fault fault;
    enum status status = key_command_run(command, config->data, &fault);
    return status == STATUS_OK ? EXIT_SUCCESS : fail(&fault, STATUS_INVALID);
}

static int fields(void) {
    json_t *lists = fields_json();
    char *text = json_text(lists);
    printf("%s\n", text);
    free(text);
    json_decref(lists);
    return EXIT_SUCCESS;
}

int command_run(const struct command *command, const struct config *config) {
    if (strcmp(command->name, "key") == 0) {
        return key(&command->key, config);
    }
    if (strcmp(command->name, "fields") == 0) {
        return fields();
    }
    if (strcmp(command->name, "salvage") == 0) {
        return salvage(config->data);
    }
    if (strcmp(command->name, "backup") == 0) {
        return backup(command->file, config);
    }
    if (strcmp(command->name, "bench") == 0) {
        return bench_run(command->file, config);
    }
    char *path = command->file ? mem_copy_string(command->file) : mem_format("%s/runnel.db", config->data);
    int code = check(path, config->data);
    free(path);
    return code;
}
