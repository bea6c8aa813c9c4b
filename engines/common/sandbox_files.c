/* sandbox_files.c - what an engine sees of the file system (landlock(7)).
 *
 * The constants are written out: the kernel may know more than the headers that this is compiled with.
 */
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RULE_PATH_BENEATH 1
#define VERSION_FLAG      1u

#define EXECUTE     (1ull << 0)
#define WRITE_FILE  (1ull << 1)
#define READ_FILE   (1ull << 2)
#define READ_DIR    (1ull << 3)
#define REMOVE_DIR  (1ull << 4)
#define REMOVE_FILE (1ull << 5)
#define MAKE_DIR    (1ull << 7)
#define MAKE_REG    (1ull << 8)
#define REFER       (1ull << 13)
#define TRUNCATE    (1ull << 14)
#define IOCTL_DEV   (1ull << 15)

/* What the kernel can refuse, by the version of its interface. */
#define FILES_V1 ((1ull << 13) - 1)
#define NET_V4   3ull /* bind and connect of TCP */
#define SCOPE_V6 3ull /* abstract sockets, signals */

#define ON_FILES (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV)
#define READING  (READ_FILE | READ_DIR)
#define WRITING  (READING | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE)
#define DEVICES  (READING | WRITE_FILE | IOCTL_DEV)

struct ruleset {
    uint64_t files;
    uint64_t net;
    uint64_t scopes;
};

struct __attribute__((packed)) rule {
    uint64_t allowed;
    int32_t fd;
};

/* What the machine says of itself: memory, processors, its time zone; and what a driver of a graphics card looks for. */
static const char *const machine_paths[] = { "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/sys",
                                             "/dev/null",  "/dev/urandom",  "/etc/localtime" };
static const char *const driver_paths[] = { "/proc", "/usr", "/lib", "/lib64",
                                            "/etc",  "/opt", "/run", "/var/lib" };

static uint64_t files_of(int version) {
    return FILES_V1 | (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0) |
           (version >= 5 ? IOCTL_DEV : 0);
}

static size_t ruleset_bytes(int version) {
    return version < 4 ? sizeof(uint64_t) : version < 6 ? 2 * sizeof(uint64_t) : 3 * sizeof(uint64_t);
}

/* A path that is not there gives no right. */
static void allow(int ruleset, uint64_t handled, const char *path, uint64_t rights) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat info;
    if (fd >= 0 && fstat(fd, &info) == 0) {
        uint64_t fitting = S_ISDIR(info.st_mode) ? rights : rights & ON_FILES;
        struct rule rule = { .allowed = fitting & handled, .fd = fd };
        syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void allow_all(int ruleset, uint64_t handled, const char *const *paths, size_t n, uint64_t rights) {
    for (size_t i = 0; i < n; i++) {
        allow(ruleset, handled, paths[i], rights);
    }
}

static void add_rules(int ruleset, uint64_t handled, const struct sandbox *sandbox, enum sandbox_kind kind) {
    allow_all(ruleset, handled, machine_paths, sizeof machine_paths / sizeof machine_paths[0], READING);
    allow_all(ruleset, handled, sandbox->reads, sandbox->n_reads, READING);
    if (sandbox->writes) {
        allow(ruleset, handled, sandbox->writes, WRITING);
    }
    if (kind == SANDBOX_DEVICES) {
        allow_all(ruleset, handled, driver_paths, sizeof driver_paths / sizeof driver_paths[0],
                  READING | EXECUTE);
        allow(ruleset, handled, "/dev", DEVICES);
    }
}

int sandbox_files_enter(const struct sandbox *sandbox, enum sandbox_kind kind) {
    int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    if (version <= 0) {
        return 0;
    }
    /* Landlock knows what is there: the folder comes before its rule. */
    if (sandbox->writes && mkdir(sandbox->writes, 0700) != 0 && errno != EEXIST) {
        return 0;
    }
    struct ruleset wanted = { .files = files_of(version), .net = NET_V4, .scopes = SCOPE_V6 };
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &wanted, ruleset_bytes(version), 0);
    if (ruleset < 0) {
        return 0;
    }
    add_rules(ruleset, wanted.files, sandbox, kind);
    bool is_in = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    int error = errno;
    close(ruleset);
    errno = error;
    return is_in ? version : 0;
}
