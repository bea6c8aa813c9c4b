#include "api/tape.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct extra {
    uint64_t offset;
    char *text;
    size_t size;
};

struct tape {
    size_t n_refs;
    uint64_t size;
    struct extra *extras;
    size_t n_extras;
    size_t capacity;
};

struct tape *tape_new(void) {
    struct tape *tape = mem_alloc(sizeof *tape);
    tape->n_refs = 1;
    return tape;
}

struct tape *tape_ref(struct tape *tape) {
    tape->n_refs++;
    return tape;
}

void tape_unref(struct tape *tape) {
    if (tape == NULL || --tape->n_refs > 0) {
        return;
    }
    for (size_t i = 0; i < tape->n_extras; i++) {
        free(tape->extras[i].text);
    }
    free(tape->extras);
    free(tape);
}

uint64_t tape_size(const struct tape *tape) {
    return tape->size;
}

/* Leaves of the bytes from `from` on what is wanted. */
static void advance(struct tape_reader *reader, struct bytes *frame, size_t from) {
    size_t n = frame->size - from;
    uint64_t n_skipped = reader->skip_to > reader->offset ? reader->skip_to - reader->offset : 0;
    size_t n_cut = n_skipped < n ? (size_t)n_skipped : n;
    if (n_cut > 0) {
        memmove(frame->data + from, frame->data + from + n_cut, n - n_cut);
        frame->size -= n_cut;
        frame->data[frame->size] = '\0';
    }
    reader->offset += n;
    if (reader->offset > reader->tape->size) {
        reader->tape->size = reader->offset;
    }
}

bool tape_follow(struct tape_reader *reader, struct bytes *frame) {
    bool is_any = false;
    while (reader->tape && reader->next_extra < reader->tape->n_extras &&
           reader->tape->extras[reader->next_extra].offset == reader->offset) {
        const struct extra *extra = &reader->tape->extras[reader->next_extra++];
        size_t from = frame->size;
        bytes_add(frame, extra->text, extra->size);
        advance(reader, frame, from);
        is_any = true;
    }
    return is_any;
}

bool tape_may_add(const struct tape_reader *reader) {
    const struct tape *tape = reader->tape;
    return tape == NULL || (reader->offset == tape->size && tape->n_extras < TAPE_EXTRAS_MAX);
}

void tape_wrote(struct tape_reader *reader, struct bytes *frame, size_t from, bool is_extra) {
    struct tape *tape = reader->tape;
    if (tape == NULL || frame->size == from) {
        return;
    }
    if (is_extra) {
        tape->extras = mem_grow_array(tape->extras, tape->n_extras, &tape->capacity, sizeof *tape->extras,
                                      TAPE_EXTRAS_MAX);
        tape->extras[tape->n_extras++] =
            (struct extra){ .offset = reader->offset,
                            .text = mem_copy_bytes(frame->data + from, frame->size - from),
                            .size = frame->size - from };
        reader->next_extra = tape->n_extras;
    }
    advance(reader, frame, from);
}
