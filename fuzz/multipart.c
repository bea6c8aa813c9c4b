/* An upload: the first line is the Content-Type, the rest the body. However it is cut into pieces, the same file comes out, and no byte
 * of it before it was named. */
#include "api/multipart.h"

#include "fuzz.h"

struct file {
    struct bytes bytes;
    size_t n_files;
};

static enum status on_file(void *ctx, const char *file_name) {
    struct file *file = ctx;
    HOLDS(strlen(file_name) < MULTIPART_NAME_BYTES);
    file->n_files++;
    HOLDS(file->n_files == 1);
    return STATUS_OK;
}

static enum status on_bytes(void *ctx, const char *bytes, size_t n_bytes) {
    struct file *file = ctx;
    HOLDS(file->n_files == 1);
    return bytes_add(&file->bytes, bytes, n_bytes);
}

static enum status feed(const char *type, const char *body, size_t n_body, size_t piece, struct file *file,
                        bool *is_complete) {
    static const struct multipart_handlers handlers = { on_file, on_bytes };
    struct multipart multipart;
    bytes_init(&file->bytes, n_body + 1);
    file->n_files = 0;
    enum status status = multipart_init(&multipart, type, &handlers, file);
    for (size_t at = 0; status == STATUS_OK && at < n_body; at += piece) {
        size_t n = n_body - at < piece ? n_body - at : piece;
        char *exact = fuzz_copy((const uint8_t *)body + at, n);
        status = multipart_feed(&multipart, exact, n);
        free(exact);
    }
    *is_complete = status == STATUS_OK && multipart_is_complete(&multipart);
    multipart_deinit(&multipart);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char *text = fuzz_string(data, n_bytes);
    size_t n_type = strcspn(text, "\n");
    bool has_body = n_type < n_bytes && text[n_type] == '\n';
    text[n_type] = '\0';
    const char *body = has_body ? text + n_type + 1 : text + n_type;
    size_t n_body = has_body ? n_bytes - n_type - 1 : 0;
    struct file whole;
    struct file cut;
    bool whole_is_complete;
    bool cut_is_complete;
    enum status status = feed(text, body, n_body, n_body ? n_body : 1, &whole, &whole_is_complete);
    enum status cut_status = feed(text, body, n_body, n_body % 13 + 1, &cut, &cut_is_complete);
    HOLDS((status == STATUS_OK) == (cut_status == STATUS_OK) && whole_is_complete == cut_is_complete);
    if (whole_is_complete) {
        HOLDS(whole.bytes.size == cut.bytes.size);
        HOLDS(whole.bytes.size == 0 || memcmp(whole.bytes.data, cut.bytes.data, cut.bytes.size) == 0);
    }
    bytes_deinit(&whole.bytes);
    bytes_deinit(&cut.bytes);
    free(text);
    return 0;
}
