#include "store/store_tidy.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/store_name.h"
#include "store/store_place.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS2 "[0-9][0-9]"
#define DIGITS3 DIGITS2 "[0-9]"
#define UTC     DIGITS2 DIGITS2 "-" DIGITS2 "-" DIGITS2 "-" DIGITS2 "-" DIGITS2 "-" DIGITS2 "-" DIGITS3

/* Names that only this program gives. */
static const char *const beside[] = { "runnel.db.before-" DIGITS3 "-" UTC ".part",
                                      "runnel.db.before-" DIGITS3 "-" UTC ".part-journal",
                                      "runnel.db.new",
                                      "runnel.db.new-wal",
                                      "runnel.db.new-journal",
                                      "runnel.db.new-read",
                                      "runnel.db.new-read-wal" };
static const char *const in_backups[] = { "runnel-" UTC ".db.part", "runnel-" UTC ".db.part-journal" };

static void remove_file(void *ctx, const char *path) {
    (void)ctx;
    struct stat info;
    if (lstat(path, &info) == 0 && S_ISREG(info.st_mode) && unlink(path) == 0) {
        LOG_INFO("store_tidy", "removed=%s bytes=%lld", path, (long long)info.st_size);
    }
}

static void remove_empty(void *ctx, const char *path) {
    struct stat info;
    if (lstat(path, &info) == 0 && info.st_size == 0) {
        remove_file(ctx, path);
    }
}

enum status store_tidy_folder(const char *directory, struct fault *fault) {
    char *damaged = NULL;
    enum status status = store_place_finish(directory, &damaged, fault);
    free(damaged);
    for (size_t i = 0; status == STATUS_OK && i < sizeof beside / sizeof beside[0]; i++) {
        store_name_each(directory, beside[i], remove_file, NULL);
    }
    char *backups = mem_format("%s/backups", directory);
    for (size_t i = 0; status == STATUS_OK && i < sizeof in_backups / sizeof in_backups[0]; i++) {
        store_name_each(backups, in_backups[i], remove_file, NULL);
    }
    if (status == STATUS_OK) {
        store_name_each(backups, "runnel-" UTC ".db", remove_empty, NULL);
        store_name_each(directory, "runnel.db.before-" DIGITS3 "-" UTC, remove_empty, NULL);
        store_name_each(directory, "runnel.db.salvaged-" UTC, remove_empty, NULL);
    }
    free(backups);
    return status;
}
