#include "app/command.h"

#include "api/fields.h"
#include "app/backup.h"
#include "app/bench.h"
#include "base/mem.h"
#include "chat/attachment_file.h"
#include "chat/chat.h"
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
               "copy it to %s/runnel.db; the files of its messages, if it has any, go from beside it "
               "(NAME" CHAT_BACKUP_FILES ") to %s/attachments\n",
               data, data, data);
    } else {
        printf("there is no good copy under %s/backups, and none that a newer version has kept\n", data);
    }
}

/* The files of messages: beside the database of a data folder, or of a copy. */
struct files_check {
    char *folder;
    size_t n_good;
    size_t n_texts; /* of which the text alone is there */
    size_t n_wrong;
};

static bool is_id(const char *id) {
    return strlen(id) == STORE_HASH_BYTES - 1 && strspn(id, "0123456789abcdef") == STORE_HASH_BYTES - 1;
}

static void on_attachment(void *ctx, const char *id, bool has_text) {
    struct files_check *files = ctx;
    enum status status = is_id(id) ? attachment_file_verify(files->folder, id) : STATUS_CORRUPT;
    if (status == STATUS_OK) {
        files->n_good++;
    } else if (status == STATUS_NOT_FOUND && has_text) {
        files->n_texts++;
    } else {
        files->n_wrong++;
        printf("the file %.64s of a message %s\n", id,
               status == STATUS_NOT_FOUND ? "is missing" : "has other bytes than it had");
    }
}

static char *files_folder(const char *path) {
    char *copy = mem_copy_string(path);
    const char *slash = strrchr(path, '/');
    bool is_data = strcmp(slash ? slash + 1 : path, "runnel.db") == 0;
    char *folder =
        is_data ? mem_format("%s/attachments", dirname(copy)) : mem_format("%s" CHAT_BACKUP_FILES, path);
    free(copy);
    return folder;
}

static int say_good(const char *path, const struct store_check *check, const struct files_check *files) {
    if (files->n_wrong > 0) {
        printf("%s is good, but %zu files of its messages are not: put them back from %s of a copy\n", path,
               files->n_wrong, "NAME" CHAT_BACKUP_FILES);
        return EXIT_DAMAGED;
    }
    printf("%s is good: %lld conversations, %lld messages, %lld answers", path,
           (long long)check->n_conversations, (long long)check->n_messages, (long long)check->n_generations);
    if (files->n_good + files->n_texts > 0) {
        printf(", %zu files", files->n_good + files->n_texts);
    }
    if (files->n_texts > 0) {
        printf(" (of %zu the text alone)", files->n_texts);
    }
    printf("\n");
    return EXIT_SUCCESS;
}

static int check(const char *path, const char *data) {
    struct fault fault;
    struct files_check files = { .folder = files_folder(path) };
    struct store_check check = { .say = on_line, .on_attachment = on_attachment, .ctx = &files };
    int lock = -1;
    enum status status = borrow(path, &lock, &fault);
    if (status == STATUS_OK) {
        status = store_check_file(path, &check, &fault);
    }
    if (lock >= 0) {
        close(lock);
    }
    free(files.folder);
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
    return say_good(path, &check, &files);
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
    char *files = mem_format("%s" CHAT_BACKUP_FILES, made.path);
    printf("%s is a backup of %llu bytes", made.path, (unsigned long long)made.size_bytes);
    if (access(files, F_OK) == 0) {
        printf("; the files of its messages are in %s", files);
    }
    printf("\n");
    free(files);
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
