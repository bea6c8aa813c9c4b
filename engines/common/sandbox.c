#include "common/sandbox.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

struct sandbox_state sandbox_enter(const struct sandbox *sandbox, enum sandbox_kind kind) {
    /* The order: the filter takes away the calls that the others are made with, and both want the first. */
    struct sandbox_state state = { .keeps_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 };
    state.files_version = sandbox_files_enter(sandbox, kind);
    int files_error = errno;
    state.has_filter = sandbox_filter_enter(kind, sandbox->writes != NULL);
    int filter_error = errno;
    if (state.keeps_privileges || state.files_version == 0 || !state.has_filter) {
        LOG_WARN("sandbox", "text=this kernel shuts the engine in only in part: files: %s; system calls: %s",
                 state.files_version ? "yes" : strerror(files_error),
                 state.has_filter ? "yes" : strerror(filter_error));
    } else {
        LOG_INFO("sandbox", "files=%d devices=%d", state.files_version, kind == SANDBOX_DEVICES);
    }
    return state;
}
