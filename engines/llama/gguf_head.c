#include "gguf_head.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES     (64u << 10)
#define VERSION_MIN      2 /* the first with counts of 64 bits */
#define ALIGNMENT_MAX    (1u << 20)
#define PAIR_BYTES_MIN   13 /* an empty key, a type, a bool */
#define TENSOR_BYTES_MIN 24

/* Where the reading is; the first thing that is wrong stays. */
struct reader {
    int fd;
    uint64_t size; /* of the file */
    uint64_t at;
    uint64_t buffer_at; /* the place in the file of buffer[0] */
    size_t n_buffered;
    const char *wrong; /* NULL: nothing yet */
    char buffer[BUFFER_BYTES];
};

static bool refuse(struct reader *reader, const char *what) {
    if (reader->wrong == NULL) {
        reader->wrong = what;
    }
    return false;
}

static uint64_t left(const struct reader *reader) {
    return reader->size - reader->at;
}

static bool skip(struct reader *reader, uint64_t n_bytes) {
    if (reader->wrong || n_bytes > left(reader)) {
        return refuse(reader, "it ends too early");
    }
    reader->at += n_bytes;
    return true;
}

/* The file may have become shorter since its size was asked. */
static bool fill(struct reader *reader) {
    ssize_t n = pread(reader->fd, reader->buffer, sizeof reader->buffer, (off_t)reader->at);
    if (n <= 0) {
        return refuse(reader, n == 0 ? "it ends too early" : "it cannot be read");
    }
    reader->buffer_at = reader->at;
    reader->n_buffered = (size_t)n;
    return true;
}

static bool take(struct reader *reader, void *out, size_t n_bytes) {
    char *place = out;
    if (reader->wrong || n_bytes > left(reader)) {
        return refuse(reader, "it ends too early");
    }
    while (n_bytes > 0) {
        bool is_inside =
            reader->at >= reader->buffer_at && reader->at < reader->buffer_at + reader->n_buffered;
        if (!is_inside && !fill(reader)) {
            return false;
        }
        size_t from = (size_t)(reader->at - reader->buffer_at);
        size_t n = reader->n_buffered - from < n_bytes ? reader->n_buffered - from : n_bytes;
        memcpy(place, reader->buffer + from, n);
        place += n;
        n_bytes -= n;
        reader->at += n;
    }
    return true;
}

static uint32_t take_u32(struct reader *reader) {
    uint32_t number = 0;
    return take(reader, &number, sizeof number) ? number : 0;
}

static uint64_t take_u64(struct reader *reader) {
    uint64_t number = 0;
    return take(reader, &number, sizeof number) ? number : 0;
}

/* A text of at most n_max bytes in new memory; NULL: it is wrong. */
static char *take_text(struct reader *reader, uint64_t n_bytes, size_t n_max) {
    if (n_bytes > left(reader) || n_bytes > n_max) {
        refuse(reader, n_bytes > left(reader) ? "it ends too early" : "it has a name that is too long");
        return NULL;
    }
    char *text = mem_alloc((size_t)n_bytes + 1);
    if (!take(reader, text, (size_t)n_bytes)) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- Values ---- */

static size_t size_of(enum gguf_type type) {
    static const size_t sizes[GGUF_TYPE_COUNT] = {
        [GGUF_TYPE_UINT8] = 1,  [GGUF_TYPE_INT8] = 1,  [GGUF_TYPE_UINT16] = 2,  [GGUF_TYPE_INT16] = 2,
        [GGUF_TYPE_UINT32] = 4, [GGUF_TYPE_INT32] = 4, [GGUF_TYPE_FLOAT32] = 4, [GGUF_TYPE_BOOL] = 1,
        [GGUF_TYPE_UINT64] = 8, [GGUF_TYPE_INT64] = 8, [GGUF_TYPE_FLOAT64] = 8,
    };
    return type < GGUF_TYPE_COUNT ? sizes[type] : 0;
}

static bool is_whole(enum gguf_type type) {
    return size_of(type) > 0 && type != GGUF_TYPE_FLOAT32 && type != GGUF_TYPE_FLOAT64;
}

/* A number of 64 bits that passes INT64_MAX comes out as negative: nothing here is as large as that. */
static int64_t take_whole(struct reader *reader, enum gguf_type type) {
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        int64_t i64;
    } value = { .i64 = 0 };
    if (!take(reader, &value, size_of(type))) {
        return 0;
    }
    switch (type) {
    case GGUF_TYPE_INT8:
        return value.i8;
    case GGUF_TYPE_UINT16:
        return value.u16;
    case GGUF_TYPE_INT16:
        return value.i16;
    case GGUF_TYPE_UINT32:
        return value.u32;
    case GGUF_TYPE_INT32:
        return value.i32;
    case GGUF_TYPE_UINT64:
    case GGUF_TYPE_INT64:
        return value.i64;
    default:
        return value.u8;
    }
}

static void take_value_text(struct reader *reader, struct gguf_pair *pair, size_t *n_kept) {
    uint64_t n_bytes = take_u64(reader);
    if (n_bytes > GGUF_HEAD_TEXT_BYTES || *n_kept + n_bytes > GGUF_HEAD_KEPT_BYTES) {
        skip(reader, n_bytes);
        return;
    }
    pair->text = take_text(reader, n_bytes, GGUF_HEAD_TEXT_BYTES);
    *n_kept += (size_t)n_bytes;
}

static void skip_texts(struct reader *reader, uint64_t n) {
    for (uint64_t i = 0; i < n && reader->wrong == NULL; i++) {
        skip(reader, take_u64(reader));
    }
}

static void take_numbers(struct reader *reader, struct gguf_pair *pair) {
    pair->items = mem_alloc(pair->n_items * sizeof *pair->items);
    for (uint64_t i = 0; i < pair->n_items && reader->wrong == NULL; i++) {
        pair->items[i] = take_whole(reader, pair->type);
    }
}

static void take_row(struct reader *reader, struct gguf_pair *pair) {
    pair->is_row = true;
    pair->type = (enum gguf_type)take_u32(reader);
    pair->n_items = take_u64(reader);
    size_t item_bytes = size_of(pair->type);
    bool is_texts = pair->type == GGUF_TYPE_STRING;
    if (item_bytes == 0 && !is_texts) {
        refuse(reader, "it has a row of something unknown");
    } else if (pair->n_items > left(reader) / (is_texts ? sizeof(uint64_t) : item_bytes)) {
        refuse(reader, "it has a row that is longer than the file");
    } else if (is_texts) {
        skip_texts(reader, pair->n_items);
    } else if (is_whole(pair->type) && pair->n_items > 0 && pair->n_items <= GGUF_HEAD_ROW_NUMBERS) {
        take_numbers(reader, pair);
    } else {
        skip(reader, pair->n_items * item_bytes);
    }
}

static void take_pair(struct reader *reader, struct gguf_pair *pair, size_t *n_kept) {
    pair->key = take_text(reader, take_u64(reader), GGUF_HEAD_KEY_BYTES);
    pair->type = (enum gguf_type)take_u32(reader);
    if (pair->type == GGUF_TYPE_STRING) {
        take_value_text(reader, pair, n_kept);
    } else if (pair->type == GGUF_TYPE_ARRAY) {
        take_row(reader, pair);
    } else if (is_whole(pair->type)) {
        pair->number = take_whole(reader, pair->type);
    } else if (size_of(pair->type) > 0) {
        skip(reader, size_of(pair->type));
    } else {
        refuse(reader, "it has a value of an unknown type");
    }
}

static bool take_pairs(struct reader *reader, struct gguf_head *head, uint64_t n_pairs) {
    size_t n_kept = 0;
    if (n_pairs > GGUF_HEAD_PAIRS_MAX || n_pairs > left(reader) / PAIR_BYTES_MIN) {
        return refuse(reader, "it says that it has more values than it can have");
    }
    head->pairs = mem_alloc((n_pairs + 1) * sizeof *head->pairs);
    while (head->n_pairs < n_pairs && reader->wrong == NULL) {
        take_pair(reader, &head->pairs[head->n_pairs++], &n_kept);
    }
    return reader->wrong == NULL;
}

/* ---- Weights ---- */

/* What the last tensor needs behind the head; tensors may come in any order. */
struct extent {
    uint64_t alignment;
    uint64_t end;
};

/* How many numbers a tensor has; 0: it is wrong. */
static uint64_t take_shape(struct reader *reader, uint64_t *row) {
    uint32_t n_dimensions = take_u32(reader);
    uint64_t n = 1;
    *row = 1;
    if (n_dimensions > GGML_MAX_DIMS) {
        refuse(reader, "it has a tensor with too many dimensions");
        return 0;
    }
    for (uint32_t i = 0; i < n_dimensions; i++) {
        uint64_t length = take_u64(reader);
        if (length == 0 || length > INT64_MAX || __builtin_mul_overflow(n, length, &n) || n > INT64_MAX) {
            refuse(reader, "it has a tensor of an impossible size");
            return 0;
        }
        *row = i == 0 ? length : *row;
    }
    return n;
}

/* How many bytes so many numbers of a type take; 0: they cannot. */
static uint64_t weight_bytes(uint32_t type, uint64_t n, uint64_t row) {
    int64_t n_block = type < GGML_TYPE_COUNT ? ggml_blck_size((enum ggml_type)type) : 0;
    uint64_t n_bytes = 0;
    if (n_block <= 0 || row % (uint64_t)n_block != 0 ||
        __builtin_mul_overflow(n / (uint64_t)n_block, ggml_type_size((enum ggml_type)type), &n_bytes)) {
        return 0;
    }
    return n_bytes;
}

static void take_tensor(struct reader *reader, struct gguf_head *head, struct extent *extent) {
    uint64_t row;
    uint64_t n_name = take_u64(reader);
    if (n_name >= GGML_MAX_NAME) {
        refuse(reader, "it has a tensor whose name is too long");
        return;
    }
    skip(reader, n_name);
    uint64_t n = take_shape(reader, &row);
    uint32_t type = take_u32(reader);
    uint64_t offset = take_u64(reader);
    uint64_t n_bytes = n > 0 ? weight_bytes(type, n, row) : 0;
    uint64_t end;
    if (reader->wrong) {
        return;
    }
    if (n_bytes == 0) {
        refuse(reader, "it has a tensor of an unknown type");
    } else if (offset % extent->alignment != 0 || __builtin_add_overflow(offset, n_bytes, &end) ||
               end > reader->size) {
        refuse(reader, "weights that it names are not in it: the file may be incomplete");
    } else {
        extent->end = end > extent->end ? end : extent->end;
        head->n_parameters += n;
    }
}

static bool take_tensors(struct reader *reader, struct gguf_head *head) {
    int64_t alignment = gguf_head_number(head, GGUF_KEY_GENERAL_ALIGNMENT);
    struct extent extent = { .alignment = GGUF_DEFAULT_ALIGNMENT };
    if (gguf_head_find(head, GGUF_KEY_GENERAL_ALIGNMENT)) {
        if (alignment <= 0 || alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0) {
            return refuse(reader, "its alignment is no power of two");
        }
        extent.alignment = (uint64_t)alignment;
    }
    if (head->n_tensors > GGUF_HEAD_TENSORS_MAX || head->n_tensors > left(reader) / TENSOR_BYTES_MIN) {
        return refuse(reader, "it says that it has more tensors than it can have");
    }
    for (uint64_t i = 0; i < head->n_tensors && reader->wrong == NULL; i++) {
        take_tensor(reader, head, &extent);
    }
    uint64_t data_at = (reader->at + extent.alignment - 1) & ~(extent.alignment - 1);
    if (reader->wrong == NULL && extent.end > 0 &&
        (data_at > reader->size || extent.end > reader->size - data_at)) {
        return refuse(reader, "weights that it names are not in it: the file may be incomplete");
    }
    return reader->wrong == NULL;
}

/* ---- The file ---- */

static void take_head(struct reader *reader, struct gguf_head *head) {
    char magic[4];
    if (!take(reader, magic, sizeof magic) || memcmp(magic, GGUF_MAGIC, sizeof magic) != 0) {
        reader->wrong = "it is not a GGUF file";
        return;
    }
    uint32_t version = take_u32(reader);
    if (reader->wrong == NULL && (version < VERSION_MIN || version > GGUF_VERSION)) {
        refuse(reader, (version & 0xFFFF) == 0 ? "it is for machines of the other byte order"
                                               : "its version is not one that can be read");
    }
    head->n_tensors = take_u64(reader);
    uint64_t n_pairs = take_u64(reader);
    if (reader->wrong == NULL && take_pairs(reader, head, n_pairs)) {
        take_tensors(reader, head);
    }
}

static enum status refuse_path(struct engine_error *error, const char *path, const char *why) {
    engine_error_set(error, ERROR_MODEL_NOT_FOUND, "cannot open %.240s: %s", path, why);
    return STATUS_NOT_FOUND;
}

enum status gguf_head_read(const char *path, struct gguf_head *out, struct engine_error *error) {
    *out = (struct gguf_head){ 0 };
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return refuse_path(error, path, strerror(errno));
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return refuse_path(error, path, "it is no file: give the path of a .gguf file");
    }
    struct reader *reader = mem_alloc(sizeof *reader);
    reader->fd = fd;
    reader->size = out->size_bytes = (uint64_t)info.st_size;
    take_head(reader, out);
    enum status status = STATUS_OK;
    if (reader->wrong) {
        engine_error_set(error, ERROR_MODEL_CORRUPT, "%.240s cannot be used: %s", path, reader->wrong);
        gguf_head_deinit(out);
        status = STATUS_CORRUPT;
    }
    free(reader);
    close(fd);
    return status;
}

void gguf_head_deinit(struct gguf_head *head) {
    for (size_t i = 0; i < head->n_pairs; i++) {
        free(head->pairs[i].key);
        free(head->pairs[i].text);
        free(head->pairs[i].items);
    }
    free(head->pairs);
    *head = (struct gguf_head){ 0 };
}

const struct gguf_pair *gguf_head_find(const struct gguf_head *head, const char *key) {
    for (size_t i = 0; i < head->n_pairs; i++) {
        if (head->pairs[i].key && strcmp(head->pairs[i].key, key) == 0) {
            return &head->pairs[i];
        }
    }
    return NULL;
}

const char *gguf_head_text(const struct gguf_head *head, const char *key) {
    const struct gguf_pair *pair = gguf_head_find(head, key);
    return pair ? pair->text : NULL;
}

int64_t gguf_head_number(const struct gguf_head *head, const char *key) {
    const struct gguf_pair *pair = gguf_head_find(head, key);
    return pair && !pair->is_row && is_whole(pair->type) ? pair->number : -1;
}
