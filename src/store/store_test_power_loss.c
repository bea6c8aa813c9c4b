#include "store/store_test_power_loss.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES_MAX    64
#define NAMES_MAX    256
#define NAME_BYTES   64
#define SECTOR_BYTES 512

/* A write that is not on the disk yet; data NULL: the file was cut at `offset`. */
struct change {
    off_t offset;
    size_t size;
    unsigned char *data;
    bool is_dropped; /* by a sync that failed: no later one brings it to the disk */
};

struct file {
    ino_t inode;
    unsigned char *bytes; /* on the disk */
    size_t size;
    struct change *changes;
    size_t n_changes;
    size_t capacity;
};

/* A name that was given or taken away (file −1). */
struct naming {
    char name[NAME_BYTES];
    int file;
};

static struct {
    pthread_mutex_t lock;
    char folder[PATH_MAX];
    struct file files[FILES_MAX];
    size_t n_files;
    struct naming namings[NAMES_MAX];
    size_t n_namings;
    size_t n_named; /* so many are on the disk */
    size_t n_calls;
    size_t at_call;
    bool is_watching;
    bool is_over;
    bool fails_sync;
    void (*on_loss)(void *ctx);
    void *ctx;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- What is known of the files ---- */

static struct file *find_inode(ino_t inode) {
    for (size_t i = 0; i < disk.n_files; i++) {
        if (disk.files[i].inode == inode) {
            return &disk.files[i];
        }
    }
    return NULL;
}

static void name_file(const char *name, int file) {
    assert(disk.n_namings < NAMES_MAX && strlen(name) < NAME_BYTES);
    strcpy(disk.namings[disk.n_namings].name, name);
    disk.namings[disk.n_namings++].file = file;
}

/* The name in the folder; NULL: it lies elsewhere, or has none any more. Paths begin at the root: SQLite makes them so. */
static const char *name_in_folder(const char *path) {
    size_t length = strlen(disk.folder);
    const char *name =
        strncmp(path, disk.folder, length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
    return name && strchr(name, '/') == NULL && strstr(name, " (deleted)") == NULL ? name : NULL;
}

static struct file *know(ino_t inode, const char *name) {
    struct file *file = find_inode(inode);
    if (file == NULL && strcmp(name, "lock") != 0) {
        assert(disk.n_files < FILES_MAX);
        file = &disk.files[disk.n_files];
        *file = (struct file){ .inode = inode };
        name_file(name, (int)disk.n_files++);
    }
    return file;
}

/* NULL: not a file of the folder. */
static struct file *file_of(int fd) {
    char link[64], path[PATH_MAX];
    struct stat info;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    const char *name = name_in_folder(path);
    return name && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? know(info.st_ino, name) : NULL;
}

static bool is_folder(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return strcmp(path, disk.folder) == 0;
}

/* ---- Changes ---- */

static void apply(struct file *file, const struct change *change, size_t from, size_t size) {
    size_t end = (size_t)change->offset + from + size;
    if (change->data == NULL) {
        end = (size_t)change->offset;
        file->bytes = realloc(file->bytes, end + 1);
        if (end > file->size) {
            memset(file->bytes + file->size, 0, end - file->size);
        }
        file->size = end;
        return;
    }
    if (end > file->size) {
        file->bytes = realloc(file->bytes, end + 1);
        memset(file->bytes + file->size, 0, end - file->size);
        file->size = end;
    }
    memcpy(file->bytes + change->offset + from, change->data + from, size);
}

static void remember(struct file *file, off_t offset, const void *data, size_t size) {
    if (file->n_changes == file->capacity) {
        file->capacity = file->capacity ? file->capacity * 2 : 64;
        file->changes = realloc(file->changes, file->capacity * sizeof file->changes[0]);
    }
    struct change *change = &file->changes[file->n_changes++];
    *change = (struct change){ .offset = offset, .size = size };
    if (data) {
        change->data = malloc(size);
        memcpy(change->data, data, size);
    }
}

static void forget_changes(struct file *file, size_t n_kept) {
    for (size_t i = n_kept; i < file->n_changes; i++) {
        free(file->changes[i].data);
    }
    file->n_changes = n_kept;
}

/* Those that were there when the sync began; dropped ones stay what they are. */
static void make_durable(struct file *file, size_t n) {
    size_t n_kept = 0;
    for (size_t i = 0; i < file->n_changes; i++) {
        struct change change = file->changes[i];
        if (i < n && !change.is_dropped) {
            apply(file, &change, 0, change.size);
            free(change.data);
        } else {
            file->changes[n_kept++] = change;
        }
    }
    file->n_changes = n_kept;
}

/* Under the lock, as all that follows. After the loss nothing is learnt any more. */
static bool is_on(void) {
    return disk.is_watching && !disk.is_over;
}

/* True: the call is to be remembered. */
static bool count_call(void) {
    if (!is_on()) {
        return false;
    }
    disk.n_calls++;
    if (disk.n_calls == disk.at_call) {
        disk.is_over = true;
        disk.on_loss(disk.ctx);
        return false;
    }
    return true;
}

/* ---- The hooks ---- */

static ssize_t hook_write_at(int fd, const void *bytes, size_t size, off_t offset) {
    pthread_mutex_lock(&disk.lock);
    struct file *file = is_on() ? file_of(fd) : NULL;
    if (file && count_call()) {
        remember(file, offset, bytes, size);
    }
    ssize_t n = (ssize_t)syscall(SYS_pwrite64, fd, bytes, size, offset);
    assert(n == (ssize_t)size);
    pthread_mutex_unlock(&disk.lock);
    return n;
}

static ssize_t hook_write(int fd, const void *bytes, size_t size) {
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t n = hook_write_at(fd, bytes, size, offset);
    lseek(fd, offset + n, SEEK_SET);
    return n;
}

/* The store's own writes, of the log. */
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    return hook_write_at(fd, bytes, size, offset);
}

static int hook_truncate(int fd, off_t size) {
    pthread_mutex_lock(&disk.lock);
    struct file *file = is_on() ? file_of(fd) : NULL;
    if (file && count_call()) {
        remember(file, size, NULL, 0);
    }
    int result = (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_unlock(&disk.lock);
    return result;
}

static int hook_unlink(const char *path) {
    pthread_mutex_lock(&disk.lock);
    const char *name = is_on() ? name_in_folder(path) : NULL;
    struct stat info;
    struct file *file = name && stat(path, &info) == 0 ? know(info.st_ino, name) : NULL;
    if (file && count_call()) {
        name_file(name, -1);
    }
    if (file) {
        file->inode = 0; /* the number may be given to another file now */
    }
    int result = unlink(path);
    pthread_mutex_unlock(&disk.lock);
    return result;
}

static void sync_folder(void) {
    DIR *entries = opendir(disk.folder);
    struct dirent *entry;
    while (entries && (entry = readdir(entries))) {
        if (entry->d_type == DT_REG) {
            know(entry->d_ino, entry->d_name);
        }
    }
    closedir(entries);
    disk.n_named = disk.n_namings;
}

static bool takes_failure(void) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    bool takes = disk.fails_sync && strcmp(name, "store-sync") == 0;
    disk.fails_sync = disk.fails_sync && !takes;
    return takes;
}

/* The call takes a while, and the power may go in it: it counts twice, and nothing is on the disk before its end. */
static int hook_sync(int fd) {
    int result = 0;
    pthread_mutex_lock(&disk.lock);
    struct file *file = is_on() ? file_of(fd) : NULL;
    bool is_of_folder = is_on() && is_folder(fd);
    size_t n = file ? file->n_changes : 0;
    bool counts = (file || is_of_folder) && count_call();
    if (counts && file && takes_failure()) {
        for (size_t i = 0; i < n; i++) {
            file->changes[i].is_dropped = true;
        }
        errno = EIO;
        result = -1;
    }
    pthread_mutex_unlock(&disk.lock);
    pthread_mutex_lock(&disk.lock);
    if (counts && result == 0 && count_call()) {
        if (file) {
            make_durable(file, n < file->n_changes ? n : file->n_changes);
        } else {
            sync_folder();
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return result;
}

int fdatasync(int fd) {
    return hook_sync(fd);
}

int fsync(int fd) {
    return hook_sync(fd);
}

void power_loss_install(void) {
    static const struct {
        const char *name;
        sqlite3_syscall_ptr call;
    } hooks[] = { { "write", (sqlite3_syscall_ptr)hook_write },
                  { "pwrite", (sqlite3_syscall_ptr)hook_write_at },
                  { "pwrite64", (sqlite3_syscall_ptr)hook_write_at },
                  { "ftruncate", (sqlite3_syscall_ptr)hook_truncate },
                  { "unlink", (sqlite3_syscall_ptr)hook_unlink } };
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        if (vfs->xGetSystemCall(vfs, hooks[i].name)) {
            vfs->xSetSystemCall(vfs, hooks[i].name, hooks[i].call);
        }
    }
}

/* ---- From outside ---- */

void power_loss_begin(const char *folder, size_t at_call, void (*on_loss)(void *ctx), void *ctx) {
    pthread_mutex_lock(&disk.lock);
    char *real = realpath(folder, disk.folder);
    assert(real);
    (void)real;
    disk.at_call = at_call;
    disk.on_loss = on_loss;
    disk.ctx = ctx;
    disk.is_watching = true;
    pthread_mutex_unlock(&disk.lock);
}

size_t power_loss_count(void) {
    pthread_mutex_lock(&disk.lock);
    size_t n = disk.n_calls;
    pthread_mutex_unlock(&disk.lock);
    return n;
}

bool power_loss_is_over(void) {
    pthread_mutex_lock(&disk.lock);
    bool is_over = disk.is_over;
    pthread_mutex_unlock(&disk.lock);
    return is_over;
}

void power_loss_fail_sync(void) {
    pthread_mutex_lock(&disk.lock);
    disk.fails_sync = true;
    pthread_mutex_unlock(&disk.lock);
}

void power_loss_end(void) {
    pthread_mutex_lock(&disk.lock);
    for (size_t i = 0; i < disk.n_files; i++) {
        forget_changes(&disk.files[i], 0);
        free(disk.files[i].changes);
        free(disk.files[i].bytes);
    }
    disk.n_files = disk.n_namings = disk.n_named = disk.n_calls = disk.at_call = 0;
    disk.is_watching = disk.is_over = disk.fails_sync = false;
    pthread_mutex_unlock(&disk.lock);
}

/* ---- What is left ---- */

static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void apply_some(struct file *to, const struct change *change, uint64_t *state) {
    uint64_t chance = next_random(state) % 4;
    if (chance == 0 && !change->is_dropped) {
        apply(to, change, 0, change->size);
    } else if (chance == 1 && change->data) {
        for (size_t at = 0; at < change->size; at += SECTOR_BYTES) {
            size_t left = change->size - at;
            if (next_random(state) % 2) {
                apply(to, change, at, left < SECTOR_BYTES ? left : SECTOR_BYTES);
            }
        }
    }
}

static void write_file(const char *folder, const char *name, const struct file *file, uint64_t *state) {
    struct file left = { .bytes = malloc(file->size + 1), .size = file->size };
    if (file->size) {
        memcpy(left.bytes, file->bytes, file->size);
    }
    size_t *order = malloc((file->n_changes + 1) * sizeof *order);
    for (size_t i = 0; i < file->n_changes; i++) {
        order[i] = i;
    }
    bool is_shuffled = next_random(state) % 2;
    for (size_t i = file->n_changes; is_shuffled && i > 1; i--) {
        size_t other = next_random(state) % i;
        size_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
    bool drops_all = next_random(state) % 4 == 0;
    for (size_t i = 0; i < file->n_changes && !drops_all; i++) {
        apply_some(&left, &file->changes[order[i]], state);
    }
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = fd < 0 ? -1 : (ssize_t)syscall(SYS_write, fd, left.bytes, left.size);
    assert(n == (ssize_t)left.size);
    (void)n;
    close(fd);
    free(order);
    free(left.bytes);
}

void power_loss_write_image(const char *folder, uint64_t seed) {
    pthread_mutex_lock(&disk.lock);
    uint64_t state = seed;
    size_t n_named = disk.n_named + next_random(&state) % (disk.n_namings - disk.n_named + 1);
    for (size_t i = 0; i < n_named; i++) {
        bool is_last = true;
        for (size_t later = i + 1; later < n_named; later++) {
            is_last &= strcmp(disk.namings[i].name, disk.namings[later].name) != 0;
        }
        if (is_last && disk.namings[i].file >= 0) {
            write_file(folder, disk.namings[i].name, &disk.files[disk.namings[i].file], &state);
        }
    }
    pthread_mutex_unlock(&disk.lock);
}
