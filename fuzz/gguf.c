/* The head of a model file ([E50]): whatever is in it, reading it ends with what it says, or with a sentence that names the file. */
#include "inspect.h"

#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char path[64];
    struct engine_error error;
    json_t *event = NULL;
    int fd = memfd_create("gguf", MFD_CLOEXEC);
    HOLDS(fd >= 0 && write(fd, data, n_bytes) == (ssize_t)n_bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum status status = inspect_model(path, &event, &error);
    HOLDS((status == STATUS_OK) == (event != NULL));
    HOLDS(event || (status == STATUS_CORRUPT && strstr(error.text, path)));
    json_decref(event);
    close(fd);
    return 0;
}
