#include "store/store_salvage.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/store_check.h"
#include "store/store_db.h"
#include "store/store_file.h"
#include "store/store_graft.h"
#include "store/store_lock.h"
#include "store/store_place.h"
#include "store/store_salvage_copy.h"
#include "store/store_salvage_mend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 500

struct work {
    struct store_salvage *salvage;
    const char *directory;
    char *path;  /* runnel.db */
    char *fresh; /* the new one, until it takes its place */
    char *fresh_log;
    char *readable; /* a copy of the damaged one that can be read, where one had to be made */
};

static void PRINTF_LIKE(2, 3) say(const struct work *work, const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    work->salvage->say(work->salvage->ctx, line);
}

static void init(struct work *work, const char *directory, struct store_salvage *salvage) {
    *work = (struct work){ .salvage = salvage, .directory = directory };
    work->path = mem_format("%s/runnel.db", directory);
    work->fresh = mem_format("%s.new", work->path);
    work->fresh_log = mem_format("%s-wal", work->fresh);
    work->readable = mem_format("%s-read", work->fresh);
}

static void deinit(struct work *work) {
    free(work->path);
    free(work->fresh);
    free(work->fresh_log);
    free(work->readable);
}

static int sync_path(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0) {
        close(fd);
    }
    return result;
}

/* ---- The new one ---- */

static void remove_database(const char *database) {
    static const char *const endings[] = { "", "-wal", "-journal" };
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char *path = mem_format("%s%s", database, endings[i]);
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

static void say_all(const struct work *work, const struct store_salvage_table *tables, size_t n_tables,
                    const struct store_salvage_mended *mended) {
    for (size_t i = 0; i < n_tables; i++) {
        say_table(work, &tables[i]);
        work->salvage->has_lost |= tables[i].n_gaps || tables[i].n_refused;
    }
    say(work,
        "mended: %zu conversations made for messages without one, %zu texts with bytes that are no text, %zu "
        "answers that keep "
        "their text alone",
        mended->n_conversations, mended->n_texts, mended->n_answers);
}

static int copy_all(const struct work *work, sqlite3 *from, struct store_db *db, size_t *n_saved) {
    struct store_salvage_table tables[] = {
        { .name = "conversation", .key = "key", .has_rowid = true },
        { .name = "message", .key = "key", .has_rowid = true },
        { .name = "generation", .key = "key", .has_rowid = true },
        { .name = "event", .key = "generation_key" },
        { .name = "attachment", .key = "key", .has_rowid = true },
        { .name = "message_attachment", .key = "message_key" },
        { .name = "setting", .key = "name" },
    };
    size_t n_tables = sizeof tables / sizeof tables[0];
    struct store_salvage_mended mended = { 0 };
    int result = sqlite3_exec(db->sqlite, "PRAGMA foreign_keys = OFF; BEGIN", NULL, NULL, NULL);
    for (size_t i = 0; result == SQLITE_OK && i < n_tables; i++) {
        result = store_salvage_copy(from, db->sqlite, &tables[i]);
        *n_saved += tables[i].n_saved;
    }
    if (result == SQLITE_OK) {
        result = store_salvage_mend(db, &mended);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_exec(db->sqlite, "COMMIT", NULL, NULL, NULL);
    }
    if (result == SQLITE_OK && *n_saved > 0) {
        say_all(work, tables, n_tables, &mended);
    }
    return result;
}

/* STATUS_CORRUPT: there is nothing in it that can be read. */
static enum status fill_from(const struct work *work, const char *source, struct fault *fault) {
    struct store_db db;
    sqlite3 *from = NULL;
    size_t n_saved = 0;
    remove_database(work->fresh);
    enum status status = store_file_open(source, &from, fault);
    if (status == STATUS_OK) {
        status = store_db_open(&db, work->fresh, fault);
    }
    if (status == STATUS_OK) {
        int result = copy_all(work, from, &db, &n_saved);
        if (result != SQLITE_OK) {
            status = store_db_fault(&db, result, fault);
        } else if (n_saved == 0) {
            status = fault_set(fault, STATUS_CORRUPT,
                               "nothing in %s can be read; nothing was changed. Put a copy in its place",
                               work->path);
        }
        store_db_close(&db, false);
    }
    store_file_close(from);
    return status;
}

static enum status fill_fresh(const struct work *work, struct fault *fault) {
    struct fault why;
    enum status status = fill_from(work, work->path, fault);
    if (status != STATUS_CORRUPT) {
        return status;
    }
    remove_database(work->readable);
    remove_database(work->fresh);
    if (store_graft_make(work->path, work->fresh, work->readable, &why) == STATUS_OK) {
        status = fill_from(work, work->readable, fault);
    } else {
        say(work, "it was tried to read it with the list of tables of a new one: %s", why.text);
    }
    remove_database(work->readable);
    if (status == STATUS_OK) {
        say(work, "the list of its tables was damaged; it was read with the one of a new database");
    }
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
        return fault_set(fault, status, "what was saved of %s does not fit together; nothing was changed",
                         work->path);
    }
    /* One that is still there holds what could not be moved into the new one. */
    bool is_one_file = access(work->fresh_log, F_OK) != 0;
    if (status == STATUS_OK && (!is_one_file || sync_path(work->fresh) != 0)) {
        status = fault_set(fault, STATUS_IO, "%s cannot be written: %s", work->fresh, strerror(errno));
    }
    return status;
}

/* What is good, is no database of ours, or is of a newer Runnel is left alone. */
static enum status check_old(const struct work *work, struct fault *fault) {
    struct store_check check = { 0 };
    enum status status = store_check_file(work->path, &check, fault);
    if (status == STATUS_OK) {
        return fault_set(fault, STATUS_CONFLICT,
                         "%s is good: there is nothing to salvage, and nothing was changed", work->path);
    }
    return status == STATUS_CORRUPT || status == STATUS_IO ? STATUS_OK : status;
}

static enum status run(const struct work *work, struct fault *fault) {
    char *damaged = NULL;
    enum status status = check_old(work, fault);
    if (status == STATUS_OK) {
        status = fill_fresh(work, fault);
    }
    if (status == STATUS_OK) {
        status = check_fresh(work, fault);
    }
    if (status == STATUS_OK) {
        status = store_place_put(work->directory, work->fresh, &damaged, fault);
    }
    if (status == STATUS_OK) {
        say(work, "the damaged database is kept as %s", damaged);
    } else {
        remove_database(work->fresh);
    }
    free(damaged);
    return status;
}

/* One that was cut off when all was decided needs no second one. */
static enum status run_or_finish(const struct work *work, struct fault *fault) {
    char *damaged = NULL;
    enum status status = store_place_finish(work->directory, &damaged, fault);
    if (status == STATUS_OK && damaged == NULL) {
        return run(work, fault);
    }
    if (status == STATUS_OK) {
        say(work, "a salvage that was cut off is finished; the damaged database is kept as %s", damaged);
    }
    free(damaged);
    return status;
}

enum status store_salvage_directory(const char *directory, struct store_salvage *salvage,
                                    struct fault *fault) {
    int lock = -1;
    enum status status = store_lock_take(directory, &lock, fault);
    if (status == STATUS_OK) {
        struct work work;
        init(&work, directory, salvage);
        status = run_or_finish(&work, fault);
        deinit(&work);
        close(lock);
    }
    return status;
}
