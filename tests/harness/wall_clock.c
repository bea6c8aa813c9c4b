/* wall_clock.c - a wall clock that a test moves: preloaded into a server, it answers for CLOCK_REALTIME and leaves CLOCK_MONOTONIC alone.
 *
 * RUNNEL_TEST_CLOCK names a file of two int64: nanoseconds to add; and, if not 0, the time at which the clock stands.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

static const volatile int64_t *shared;

__attribute__((constructor)) static void open_clock(void) {
    const char *path = getenv("RUNNEL_TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd >= 0 ? mmap(NULL, 2 * sizeof *shared, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    shared = map == MAP_FAILED ? NULL : map;
    if (fd >= 0) {
        close(fd);
    }
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    if (result != 0 || shared == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) {
        return result;
    }
    int64_t now = shared[1] ? shared[1] : out->tv_sec * NS_PER_S + out->tv_nsec + shared[0];
    out->tv_sec = now / NS_PER_S;
    out->tv_nsec = now % NS_PER_S;
    return 0;
}

int gettimeofday(struct timeval *out, void *zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
