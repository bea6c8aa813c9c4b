#include "store/store_test_disk.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct disk disk;

static atomic_llong safe_bytes; /* of the log: so much is on the disk */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_is_shut;
static int n_syncs_begun;
static bool copies_are_held;
static int n_copies_held;

static bool take(atomic_int *n) {
    int left = atomic_load(n);
    while (left > 0 && !atomic_compare_exchange_weak(n, &left, left - 1)) {
    }
    return left > 0;
}

static ssize_t failing_pwrite(int fd, const void *bytes, size_t n, off_t offset) {
    long long max = atomic_load(&disk.file_bytes_max);
    if (take(&disk.n_writes_to_fail) || (max && offset + (off_t)n > max)) {
        errno = atomic_load(&disk.write_error);
        return -1;
    }
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, n, offset);
}

static ssize_t failing_write(int fd, const void *bytes, size_t n) {
    if (take(&disk.n_writes_to_fail)) {
        errno = atomic_load(&disk.write_error);
        return -1;
    }
    return write(fd, bytes, n);
}

static ssize_t failing_pread(int fd, void *bytes, size_t n, off_t offset) {
    if (offset == atomic_load(&disk.bad_offset) && take(&disk.n_reads_to_fail)) {
        errno = atomic_load(&disk.read_error);
        return -1;
    }
    return pread(fd, bytes, n, offset);
}

/* SQLite calls the system through a table that tests may change. */
int disk_install(void **state) {
    (void)state;
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    const char *read = vfs->xGetSystemCall(vfs, "pread64") ? "pread64" : "pread";
    if (vfs->xSetSystemCall(vfs, read, (sqlite3_syscall_ptr)failing_pread) != SQLITE_OK) {
        return -1;
    }
    sqlite3_syscall_ptr positioned = (sqlite3_syscall_ptr)failing_pwrite;
    int result = vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)failing_write);
    if (vfs->xGetSystemCall(vfs, "pwrite64")) {
        result |= vfs->xSetSystemCall(vfs, "pwrite64", positioned);
    }
    if (vfs->xGetSystemCall(vfs, "pwrite")) {
        result |= vfs->xSetSystemCall(vfs, "pwrite", positioned);
    }
    return result;
}

static bool is_named(int fd, const char *part) {
    char link[64], path[300];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return strstr(path, part) != NULL;
}

/* These take the place of the C library's. SQLite's own calls go straight through. */
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset) {
    if (is_named(fd, "-wal")) {
        atomic_fetch_add(&disk.n_bytes_rewritten, (long long)n);
    }
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, n, offset);
}

int fsync(int fd) {
    if (is_named(fd, "/backups/")) {
        pthread_mutex_lock(&gate_lock);
        n_copies_held += copies_are_held;
        pthread_cond_broadcast(&gate_moved);
        while (copies_are_held) {
            pthread_cond_wait(&gate_moved, &gate_lock);
        }
        pthread_mutex_unlock(&gate_lock);
    }
    return (int)syscall(SYS_fsync, fd);
}

static int fail_sync(int fd) {
    struct stat info;
    if (atomic_load(&disk.loses) && fstat(fd, &info) == 0) {
        for (off_t at = atomic_load(&safe_bytes); at < info.st_size; at++) {
            syscall(SYS_pwrite64, fd, "", 1, at);
        }
    }
    errno = EIO;
    return -1;
}

int fdatasync(int fd) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (strcmp(name, "store-sync") == 0) {
        pthread_mutex_lock(&gate_lock);
        n_syncs_begun++;
        pthread_cond_broadcast(&gate_moved);
        while (gate_is_shut) {
            pthread_cond_wait(&gate_moved, &gate_lock);
        }
        pthread_mutex_unlock(&gate_lock);
        if (take(&disk.n_syncs_to_fail)) {
            return fail_sync(fd);
        }
    }
    if (strcmp(name, "store") == 0 && take(&disk.n_store_syncs_to_fail)) {
        return fail_sync(fd);
    }
    struct stat info;
    if (fstat(fd, &info) == 0) {
        atomic_store(&safe_bytes, info.st_size);
    }
    return (int)syscall(SYS_fdatasync, fd);
}

void disk_shut_gate(bool is_shut) {
    pthread_mutex_lock(&gate_lock);
    gate_is_shut = is_shut;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

void disk_hold_copies(bool are_held) {
    pthread_mutex_lock(&gate_lock);
    copies_are_held = are_held;
    n_copies_held = 0;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

int disk_count_syncs(void) {
    pthread_mutex_lock(&gate_lock);
    int n = n_syncs_begun;
    pthread_mutex_unlock(&gate_lock);
    return n;
}

static void wait_for_count(const int *count, int n) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 50;
    pthread_mutex_lock(&gate_lock);
    int result = 0;
    while (*count < n && result == 0) {
        result = pthread_cond_timedwait(&gate_moved, &gate_lock, &until);
    }
    pthread_mutex_unlock(&gate_lock);
    assert_int_equal(result, 0);
}

void disk_wait_for_sync(int n) {
    wait_for_count(&n_syncs_begun, n);
}

int disk_setup(void **state) {
    atomic_store(&disk.write_error, ENOSPC);
    atomic_store(&disk.n_writes_to_fail, 0);
    atomic_store(&disk.n_syncs_to_fail, 0);
    atomic_store(&disk.n_reads_to_fail, 0);
    atomic_store(&disk.file_bytes_max, 0);
    atomic_store(&disk.read_error, EUCLEAN); /* as file systems say of what fails their checksum */
    return driver_setup(state);
}

int disk_teardown(void **state) {
    atomic_store(&disk.n_writes_to_fail, 0);
    atomic_store(&disk.n_syncs_to_fail, 0);
    atomic_store(&disk.n_reads_to_fail, 0);
    atomic_store(&disk.file_bytes_max, 0);
    atomic_store(&disk.loses, false);
    atomic_store(&disk.n_store_syncs_to_fail, 0);
    disk_hold_copies(false);
    disk_shut_gate(false);
    return driver_teardown(state);
}

void disk_wait_for_copy(void) {
    wait_for_count(&n_copies_held, 1);
}

void disk_wait_for_trouble(struct driver *driver, enum store_trouble trouble) {
    uint64_t give_up_ms = clock_now_ms() + 50000;
    while (store_trouble(driver->store) != trouble) {
        struct pollfd wake = { .fd = driver->wake_fd, .events = POLLIN };
        assert_true(clock_now_ms() < give_up_ms && poll(&wake, 1, 50000) == 1);
        eventfd_t value;
        eventfd_read(driver->wake_fd, &value);
        store_drain(driver->store);
    }
}
