#include "api/llama_streams.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static struct llama_stream *of_node(struct list_node *node) {
    return CONTAINER_OF(node, struct llama_stream, node);
}

static void drop(struct llama_streams *streams, struct llama_stream *stream) {
    list_remove(&stream->node);
    streams->n--;
    tape_unref(stream->tape);
    free(stream->model);
    free(stream);
}

void llama_streams_init(struct llama_streams *streams) {
    list_init(&streams->all);
    streams->n = 0;
}

void llama_streams_deinit(struct llama_streams *streams) {
    LIST_EACH(node, &streams->all) {
        drop(streams, of_node(node));
    }
}

bool llama_streams_is_id(const char *id) {
    size_t length = strlen(id);
    return length > 0 && length < LLAMA_STREAM_ID_BYTES && utf8_is_valid(id, length);
}

struct llama_stream *llama_streams_find(const struct llama_streams *streams, uint64_t asker, const char *id) {
    LIST_EACH(node, &streams->all) {
        struct llama_stream *stream = of_node(node);
        if (stream->asker == asker && strcmp(stream->id, id) == 0) {
            return stream;
        }
    }
    return NULL;
}

struct llama_stream *llama_streams_open(struct llama_streams *streams, uint64_t asker, const char *id) {
    struct llama_stream *stream = mem_alloc(sizeof *stream);
    struct llama_stream *before = llama_streams_find(streams, asker, id);
    stream->asker = asker;
    id_copy(stream->id, sizeof stream->id, id);
    stream->tape = tape_new();
    if (before) {
        id_copy(stream->conversation, sizeof stream->conversation, before->conversation);
        drop(streams, before);
    }
    if (streams->n >= LLAMA_STREAMS_MAX) {
        drop(streams, of_node(streams->all.next));
    }
    list_append(&streams->all, &stream->node);
    streams->n++;
    return stream;
}
