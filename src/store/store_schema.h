/* store_schema.h - the migrations, as the build embeds them from migrations/NNN_name.sql.
 *
 * PRAGMA user_version is the number of migrations that a database has had. A migration that was released
 * never changes. */
#ifndef RUNNEL_STORE_STORE_SCHEMA_H
#define RUNNEL_STORE_STORE_SCHEMA_H

#include "base/status.h"

/* "RnnL": PRAGMA application_id tells our databases from others (file(1) reads it too). */
#define STORE_SCHEMA_APPLICATION_ID 0x526e6e4c

struct store_db;

struct store_migration {
    const char *name;
    const char *sql;
};

/* Ends with a NULL name. */
extern const struct store_migration store_migrations[];

/* store_schema_check looks whose database this is, and changes nothing. STATUS_CORRUPT: damaged, or of
 * another program. STATUS_CONFLICT: of a newer Runnel. */
MUST_CHECK enum status store_schema_check(struct store_db *db, struct fault *fault);

/* store_schema_migrate runs the missing migrations, one transaction each: a failure leaves the version before
 * it. A database that has had some is copied first (store_backup.h), to PATH.before-NNN-<UTC>, where NNN is the first
 * missing one: without a copy nothing is changed. Nobody removes the copy; it takes the place of the database by a
 * rename. */
MUST_CHECK enum status store_schema_migrate(struct store_db *db, struct fault *fault);

#endif
