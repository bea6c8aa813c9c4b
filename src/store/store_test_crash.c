#include "store/store_test_crash.h"

#include "store/store_test_driver.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int n_writes_left; /* 0: not armed */
static int n_wanted;

static bool is_last(void) {
    int left = atomic_load(&n_writes_left);
    return left > 0 && atomic_fetch_sub(&n_writes_left, 1) == 1;
}

static ssize_t dying_pwrite(int fd, const void *bytes, size_t n, off_t offset) {
    if (is_last()) {
        (void)!pwrite(fd, bytes, n / 2, offset);
        raise(SIGKILL);
    }
    return pwrite(fd, bytes, n, offset);
}

static ssize_t dying_write(int fd, const void *bytes, size_t n) {
    if (is_last()) {
        (void)!write(fd, bytes, n / 2);
        raise(SIGKILL);
    }
    return write(fd, bytes, n);
}

/* SQLite calls the system through a table that tests may change. */
static void catch_writes(void) {
    sqlite3_initialize();
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int result = vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)dying_write);
    static const char *const names[] = { "pwrite", "pwrite64" };
    for (int i = 0; i < 2; i++) {
        if (vfs->xGetSystemCall(vfs, names[i])) {
            result |= vfs->xSetSystemCall(vfs, names[i], (sqlite3_syscall_ptr)dying_pwrite);
        }
    }
    if (result != SQLITE_OK) {
        _exit(2);
    }
}

void crash_arm(void) {
    atomic_store(&n_writes_left, n_wanted);
}

bool crash_at_write(int n, void (*live)(void *ctx), void *ctx) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        n_wanted = n;
        catch_writes();
        live(ctx);
        _exit(0);
    }
    int how = 0;
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
    }
    bool is_killed = WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
    assert_true(is_killed || (WIFEXITED(how) && WEXITSTATUS(how) == 0));
    return is_killed;
}
