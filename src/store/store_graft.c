#include "store/store_graft.h"

#include "base/file.h"
#include "base/mem.h"
#include "store/store_db.h"
#include "store/store_file.h"
#include "store/store_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES 4096 /* of all our databases: what SQLite takes by itself */
#define PAGES_MAX  64   /* of the list */
/* Of the first page (https://www.sqlite.org/fileformat2.html#the_database_header). */
#define AT_N_PAGES   28
#define AT_FREE_LIST 32 /* its first page, and how many there are */
#define AT_PROGRAM   68
#define HEADER_BYTES 100

struct list {
    int64_t pages[PAGES_MAX];
    size_t n;
};

static enum status find_pages(const char *fresh, struct list *list, struct fault *fault) {
    struct store_db db;
    sqlite3_stmt *rows = NULL;
    enum status status = store_db_open(&db, fresh, fault);
    if (status != STATUS_OK) {
        return status;
    }
    int result = sqlite3_prepare_v2(
        db.sqlite, "SELECT pageno FROM dbstat WHERE name = 'sqlite_schema' AND pgsize = ?1", -1, &rows, NULL);
    sqlite3_bind_int(rows, 1, PAGE_BYTES);
    while (result == SQLITE_OK && list->n < PAGES_MAX && sqlite3_step(rows) == SQLITE_ROW) {
        list->pages[list->n++] = sqlite3_column_int64(rows, 0);
    }
    sqlite3_finalize(rows);
    store_db_close(&db, false);
    return list->n ? STATUS_OK
                   : fault_set(fault, STATUS_UNAVAILABLE,
                               "this SQLite does not say where the list of tables lies");
}

static void put_high_first(unsigned char *bytes, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        bytes[i] = (unsigned char)(value >> (24 - 8 * i));
    }
}

/* What says of itself that it is another program's is not read as if it were ours. */
static enum status check_program(const char *path, struct fault *fault) {
    unsigned char ours[4];
    put_high_first(ours, STORE_SCHEMA_APPLICATION_ID);
    unsigned char header[HEADER_BYTES] = { 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, header, sizeof header, 0);
    if (fd >= 0) {
        close(fd);
    }
    bool is_ours = n != HEADER_BYTES || memcmp(header, "SQLite format 3", 16) != 0 ||
                   memcmp(header + AT_PROGRAM, ours, sizeof ours) == 0;
    return is_ours ? STATUS_OK
                   : fault_set(fault, STATUS_INVALID, "%s is a database of another program", path);
}

static bool copy_page(int from, int to, int64_t number, off_t size) {
    unsigned char page[PAGE_BYTES];
    off_t at = (off_t)(number - 1) * PAGE_BYTES;
    if (pread(from, page, sizeof page, at) != PAGE_BYTES) {
        return false;
    }
    if (number == 1) {
        put_high_first(page + AT_N_PAGES, (uint32_t)(size / PAGE_BYTES));
        memset(page + AT_FREE_LIST, 0, 8);
    }
    return pwrite(to, page, sizeof page, at) == PAGE_BYTES;
}

static enum status copy_pages(const char *fresh, const char *out, const struct list *list,
                              struct fault *fault) {
    struct stat info;
    int from = open(fresh, O_RDONLY | O_CLOEXEC);
    int to = open(out, O_RDWR | O_CLOEXEC);
    bool is_fine = from >= 0 && to >= 0 && fstat(to, &info) == 0;
    for (size_t i = 0; i < list->n && is_fine; i++) {
        is_fine = copy_page(from, to, list->pages[i], info.st_size);
    }
    enum status status =
        is_fine ? STATUS_OK : fault_set(fault, STATUS_IO, "%s cannot be made: %s", out, strerror(errno));
    if (from >= 0) {
        close(from);
    }
    if (to >= 0) {
        close(to);
    }
    return status;
}

static enum status copy_both(const char *path, const char *out, struct fault *fault) {
    char *log_path = mem_format("%s-wal", path);
    char *out_log = mem_format("%s-wal", out);
    bool is_fine = file_copy(path, out) == 0 && (file_copy(log_path, out_log) == 0 || errno == ENOENT);
    free(log_path);
    free(out_log);
    return is_fine ? STATUS_OK
                   : fault_set(fault, STATUS_IO, "%s cannot be copied to %s: %s", path, out, strerror(errno));
}

enum status store_graft_make(const char *path, const char *fresh, const char *out, struct fault *fault) {
    struct list list = { 0 };
    enum status status = check_program(path, fault);
    if (status == STATUS_OK) {
        status = copy_both(path, out, fault);
    }
    if (status == STATUS_OK) {
        status = find_pages(fresh, &list, fault);
    }
    return status == STATUS_OK ? copy_pages(fresh, out, &list, fault) : status;
}
