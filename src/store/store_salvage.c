#include "store/store_salvage.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store_check.h"
#include "store/store_db.h"
#include "store/store_file.h"
#include "store/store_lock.h"
#include "store/store_salvage_copy.h"
#include "store/store_salvage_mend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES 500

struct work {
    const struct store_salvage *salvage;
    const char *directory;
    char *path;        /* runnel.db */
    char *log_path;    /* its log */
    char *damaged;     /* where the damaged one stays */
    char *damaged_log; /* and its log */
    char *fresh;       /* the new one, until it has the name */
};

static void PRINTF_LIKE(2, 3) say(const struct work *work, const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    work->salvage->say(work->salvage->ctx, line);
}

static void init(struct work *work, const char *directory, const struct store_salvage *salvage) {
    char when[CLOCK_ISO_BYTES];
    clock_format_dashes(clock_wall_ms(), when);
    *work = (struct work){ .salvage = salvage, .directory = directory };
    work->path = mem_format("%s/runnel.db", directory);
    work->log_path = mem_format("%s-wal", work->path);
    work->damaged = mem_format("%s.damaged-%s", work->path, when);
    work->damaged_log = mem_format("%s-wal", work->damaged);
    work->fresh = mem_format("%s.new", work->path);
}

static void deinit(struct work *work) {
    free(work->path);
    free(work->log_path);
    free(work->damaged);
    free(work->damaged_log);
    free(work->fresh);
}

static enum status cannot(const char *path, struct fault *fault) {
    return fault_set(fault, STATUS_IO, "%s cannot be made: %s", path, strerror(errno));
}

static int sync_path(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0) {
        close(fd);
    }
    return result;
}

/* ---- The damaged one gets a second name, so that it stays whatever happens ---- */

static enum status keep_damaged(const struct work *work, struct fault *fault) {
    struct stat info;
    if (stat(work->path, &info) != 0) {
        return fault_set(fault, STATUS_NOT_FOUND, "%s cannot be read: %s", work->path, strerror(errno));
    }
    if (link(work->path, work->damaged) != 0) {
        return cannot(work->damaged, fault);
    }
    if (link(work->log_path, work->damaged_log) != 0 && errno != ENOENT) {
        return cannot(work->damaged_log, fault);
    }
    return sync_path(work->directory) == 0 ? STATUS_OK : cannot(work->damaged, fault);
}

static void forget_damaged(const struct work *work) {
    unlink(work->damaged);
    unlink(work->damaged_log);
}

/* ---- The new one ---- */

static void remove_fresh(const struct work *work) {
    static const char *const endings[] = { "", "-wal", "-journal" };
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char *path = mem_format("%s%s", work->fresh, endings[i]);
        unlink(path);
        free(path);
    }
}

static void say_table(const struct work *work, const struct store_salvage_table *table) {
    say(work, "%s: %zu rows saved%s", table->name, table->n_saved,
        table->n_gaps || table->n_refused ? "" : ", none lost");
    if (table->n_gaps || table->n_refused) {
        say(work, "%s: LOST: rows on %zu damaged places, and %zu rows that make no sense", table->name,
            table->n_gaps, table->n_refused);
    }
}

static int copy_all(const struct work *work, sqlite3 *from, struct store_db *db, size_t *n_saved) {
    struct store_salvage_table tables[] = {
        { .name = "conversation", .key = "key", .has_rowid = true },
        { .name = "message", .key = "key", .has_rowid = true },
        { .name = "generation", .key = "key", .has_rowid = true },
        { .name = "event", .key = "generation_key" },
        { .name = "setting", .key = "name" },
    };
    struct store_salvage_mended mended = { 0 };
    int result = sqlite3_exec(db->sqlite, "PRAGMA foreign_keys = OFF; BEGIN", NULL, NULL, NULL);
    for (size_t i = 0; result == SQLITE_OK && i < sizeof tables / sizeof tables[0]; i++) {
        result = store_salvage_copy(from, db->sqlite, &tables[i]);
        *n_saved += tables[i].n_saved;
        say_table(work, &tables[i]);
    }
    if (result == SQLITE_OK) {
        result = store_salvage_mend(db, &mended);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_exec(db->sqlite, "COMMIT", NULL, NULL, NULL);
    }
    say(work,
        "mended: %zu conversations made for messages without one, %zu texts with bytes that are no text, %zu "
        "answers that keep "
        "their text alone",
        mended.n_conversations, mended.n_texts, mended.n_answers);
    return result;
}

static enum status fill_fresh(const struct work *work, sqlite3 *from, struct fault *fault) {
    struct store_db db;
    size_t n_saved = 0;
    remove_fresh(work);
    enum status status = store_db_open(&db, work->fresh, fault);
    if (status != STATUS_OK) {
        return status;
    }
    int result = copy_all(work, from, &db, &n_saved);
    if (result != SQLITE_OK) {
        status = store_db_fault(&db, result, fault);
    } else if (n_saved == 0) {
        status = fault_set(fault, STATUS_CORRUPT,
                           "nothing in %s can be read; nothing was changed. Put a backup in its place",
                           work->path);
    }
    store_db_close(&db, false);
    return status;
}

static void say_wrong(void *ctx, const char *line) {
    LOG_ERROR("salvage_check", "%s", line);
    (void)ctx;
}

static enum status check_fresh(const struct work *work, struct fault *fault) {
    struct store_check check = { .say = say_wrong };
    enum status status = store_check_file(work->fresh, &check, fault);
    if (status == STATUS_CORRUPT) {
        fault_set(fault, status, "what was saved of %s does not fit together; nothing was changed",
                  work->path);
    }
    return status == STATUS_OK && sync_path(work->fresh) != 0 ? cannot(work->fresh, fault) : status;
}

/* The log first: SQLite would play the old one into the new file. */
static enum status put_in_place(const struct work *work, struct fault *fault) {
    if ((unlink(work->log_path) != 0 && errno != ENOENT) || rename(work->fresh, work->path) != 0 ||
        sync_path(work->directory) != 0) {
        return cannot(work->path, fault);
    }
    return STATUS_OK;
}

static void say_nothing(void *ctx, const char *line) {
    (void)ctx;
    (void)line;
}

static bool is_good(const struct work *work) {
    struct store_check check = { .say = say_nothing };
    return store_check_file(work->path, &check, NULL) == STATUS_OK;
}

static enum status run(const struct work *work, struct fault *fault) {
    if (is_good(work)) {
        return fault_set(fault, STATUS_CONFLICT,
                         "%s is good: there is nothing to salvage, and nothing was changed", work->path);
    }
    enum status status = keep_damaged(work, fault);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite3 *from = NULL;
    status = store_file_open(work->damaged, &from, fault);
    if (status == STATUS_OK) {
        status = fill_fresh(work, from, fault);
    }
    store_file_close(from);
    if (status == STATUS_OK) {
        status = check_fresh(work, fault);
    }
    if (status == STATUS_OK) {
        status = put_in_place(work, fault);
    } else {
        remove_fresh(work);
        forget_damaged(work);
    }
    if (status == STATUS_OK) {
        say(work, "the damaged database is kept as %s", work->damaged);
    }
    return status;
}

enum status store_salvage_directory(const char *directory, const struct store_salvage *salvage,
                                    struct fault *fault) {
    int lock = -1;
    enum status status = store_lock_take(directory, &lock, fault);
    if (status == STATUS_OK) {
        struct work work;
        init(&work, directory, salvage);
        status = run(&work, fault);
        deinit(&work);
        close(lock);
    }
    return status;
}
