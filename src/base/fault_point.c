#include "base/fault_point.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum fault_kind { FAULT_KILL, FAULT_ABORT, FAULT_EIO, FAULT_STOP };

struct point {
    const char *name;
    bool can_fail;
};

static const struct point points[] = {
    { "store.before_commit", true }, { "store.after_commit", false },  { "sync.before", true },
    { "sync.after", false },         { "migrate.inside", true },       { "ack.before", false },
    { "ack.after", false },          { "stream.before_start", false }, { "end.before_frame", false },
    { "mem.alloc", true },           { "salvage.ready", false },       { "salvage.decided", false },
    { "salvage.log_moved", false },  { "salvage.moved", false },       { "salvage.placed", false },
};

static const char *const kind_names[] = {
    [FAULT_KILL] = "kill", [FAULT_ABORT] = "abort", [FAULT_EIO] = "eio", [FAULT_STOP] = "stop"
};

struct armed {
    const char *name;
    enum fault_kind kind;
    unsigned long n;
    bool goes_on; /* at every pass from the n-th on */
    atomic_ulong n_passed;
};

static struct armed armed[FAULT_POINTS_MAX];
static size_t n_armed;

static const struct point *find_point(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        if (strlen(points[i].name) == length && memcmp(points[i].name, name, length) == 0) {
            return &points[i];
        }
    }
    return NULL;
}

static bool parse_kind(const char *name, enum fault_kind *out) {
    for (size_t i = 0; i < sizeof kind_names / sizeof kind_names[0]; i++) {
        if (strcmp(kind_names[i], name) == 0) {
            *out = (enum fault_kind)i;
            return true;
        }
    }
    return false;
}

enum status fault_point_arm(const char *text, struct fault *fault) {
    size_t length = strcspn(text, ":");
    const struct point *point = find_point(text, length);
    if (point == NULL) {
        return fault_set(fault, STATUS_INVALID, "--fault %.100s: no such point: see src/base/fault_point.h",
                         text);
    }
    const char *number = text + length + (text[length] == ':');
    char *end;
    unsigned long n = strtoul(number, &end, 10);
    bool goes_on = *end == '+';
    end += goes_on;
    enum fault_kind kind = FAULT_KILL;
    if (n == 0 || number[0] == '-' || (*end && (*end != ':' || !parse_kind(end + 1, &kind)))) {
        return fault_set(fault, STATUS_INVALID,
                         "--fault %.100s: write NAME:N[+][:kill|abort|eio|stop], N from 1", text);
    }
    if (kind == FAULT_EIO && !point->can_fail) {
        return fault_set(fault, STATUS_INVALID, "--fault %.100s: this point cannot fail with eio", text);
    }
    if (n_armed == FAULT_POINTS_MAX) {
        return fault_set(fault, STATUS_INVALID, "--fault: at most %d points", FAULT_POINTS_MAX);
    }
    armed[n_armed].name = point->name;
    armed[n_armed].kind = kind;
    armed[n_armed].n = n;
    armed[n_armed].goes_on = goes_on;
    n_armed++;
    return STATUS_OK;
}

static bool act(enum fault_kind kind) {
    switch (kind) {
    case FAULT_KILL:
        raise(SIGKILL);
        return false;
    case FAULT_ABORT:
        abort();
    case FAULT_STOP:
        raise(SIGSTOP);
        return false;
    case FAULT_EIO:
        return true;
    }
    return false;
}

bool fault_point_pass(const char *name) {
    bool fails = false;
    for (size_t i = 0; i < n_armed; i++) {
        if (strcmp(armed[i].name, name) == 0) {
            unsigned long n = atomic_fetch_add(&armed[i].n_passed, 1) + 1;
            if (n == armed[i].n || (armed[i].goes_on && n > armed[i].n)) {
                fails |= act(armed[i].kind);
            }
        }
    }
    return fails;
}
