#include "store/store_schema.h"

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store_backup.h"
#include "store/store_db.h"

#include <stdlib.h>
#include <unistd.h>

static int read_number(struct store_db *db, const char *sql, int *out) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db->sqlite, sql, -1, &statement, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        *out = result == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
        result = result == SQLITE_ROW ? SQLITE_OK : result;
    }
    sqlite3_finalize(statement);
    return result;
}

static int count_known(void) {
    int n = 0;
    while (store_migrations[n].name) {
        n++;
    }
    return n;
}

enum status store_schema_check(struct store_db *db, struct fault *fault) {
    int version = 0, application = 0, n_tables = 0;
    int result = read_number(db, "PRAGMA user_version", &version);
    if (result == SQLITE_OK) {
        result = read_number(db, "PRAGMA application_id", &application);
    }
    if (result == SQLITE_OK) {
        result = read_number(db, "SELECT count(*) FROM sqlite_schema", &n_tables);
    }
    if (result != SQLITE_OK) {
        return store_db_fault(db, result, fault);
    }
    bool is_new = version == 0 && application == 0 && n_tables == 0;
    if (!is_new && application != STORE_SCHEMA_APPLICATION_ID) {
        return fault_set(
            fault, STATUS_CORRUPT,
            "%s is a database of another program; nothing was changed. Use another data directory", db->path);
    }
    if (version > count_known()) {
        return fault_set(
            fault, STATUS_CONFLICT,
            "%s was written by a newer Runnel (schema %d, this one knows %d); nothing was changed. Use "
            "that version, or another data directory",
            db->path, version, count_known());
    }
    return STATUS_OK;
}

/* What was before is kept beside it, under the name of the first migration that follows. Of a new database there is nothing. */
static enum status keep_copy(struct store_db *db, int version, char **path, struct fault *fault) {
    if (version == 0 || store_migrations[version].name == NULL) {
        return STATUS_OK;
    }
    char when[CLOCK_ISO_BYTES];
    uint64_t size_bytes = 0;
    clock_format_dashes(clock_wall_ms(), when);
    *path = mem_format("%s.before-%.3s-%s", db->path, store_migrations[version].name, when);
    enum status status = store_backup_copy(db->sqlite, *path, &size_bytes, fault);
    LOG_INFO("store_kept", "path=%s bytes=%llu status=%d", *path, (unsigned long long)size_bytes, status);
    return status;
}

static int migrate_one(struct store_db *db, int version) {
    char *sql = mem_format("BEGIN IMMEDIATE; %s; PRAGMA application_id = %d; PRAGMA user_version = %d",
                           store_migrations[version].sql, STORE_SCHEMA_APPLICATION_ID, version + 1);
    int result = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
    free(sql);
    if (result == SQLITE_OK) {
        result = FAULT_POINT_FAILS("migrate.inside") ? SQLITE_IOERR
                                                     : sqlite3_exec(db->sqlite, "COMMIT", NULL, NULL, NULL);
    }
    return result;
}

static enum status migrate_all(struct store_db *db, int version, struct fault *fault) {
    int result = SQLITE_OK;
    for (; result == SQLITE_OK && store_migrations[version].name; version++) {
        result = migrate_one(db, version);
        LOG_INFO("store_migrated", "name=%s result=%d", store_migrations[version].name, result);
    }
    if (result == SQLITE_OK) {
        return STATUS_OK;
    }
    enum status status = store_db_fault(db, result, fault);
    if (!sqlite3_get_autocommit(db->sqlite)) {
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

enum status store_schema_migrate(struct store_db *db, struct fault *fault) {
    int version = 0;
    int result = read_number(db, "PRAGMA user_version", &version);
    if (result != SQLITE_OK) {
        return store_db_fault(db, result, fault);
    }
    char *copy = NULL;
    enum status status = keep_copy(db, version, &copy, fault);
    if (status == STATUS_OK) {
        int now = 0;
        status = migrate_all(db, version, fault);
        if (status != STATUS_OK && copy && read_number(db, "PRAGMA user_version", &now) == SQLITE_OK &&
            now == version) {
            unlink(copy); /* the database itself is what it was */
        }
    }
    free(copy);
    return status;
}
