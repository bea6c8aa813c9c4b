/* store_values.c - memory of what jobs are given and give. */
#include "base/mem.h"
#include "store/store.h"

#include <stdlib.h>

void store_attachments_free(struct store_attachment *attachments, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(attachments[i].name);
        free(attachments[i].type);
        free(attachments[i].text);
    }
    free(attachments);
}

struct store_attachment *store_attachments_copy(const struct store_attachment *attachments, size_t n) {
    struct store_attachment *copy = n ? mem_alloc(n * sizeof *copy) : NULL;
    for (size_t i = 0; i < n; i++) {
        copy[i] = attachments[i];
        copy[i].name = mem_copy_string(attachments[i].name);
        copy[i].type = mem_copy_string(attachments[i].type);
        copy[i].text =
            attachments[i].text ? mem_copy_bytes(attachments[i].text, attachments[i].text_size) : NULL;
    }
    return copy;
}

static void free_generation(struct store_generation *generation) {
    free(generation->reason);
    free(generation->error);
    free(generation->usage);
    free(generation->timings);
    free(generation->model);
    free(generation->settings);
    free(generation->text_ends);
    free(generation->tokens);
    free(generation->kinds);
    free(generation->other_ends);
    free(generation->other);
}

static void free_message(struct store_message *message) {
    for (size_t i = 0; i < message->n_generations; i++) {
        free_generation(&message->generations[i]);
    }
    free(message->generations);
    free(message->content);
    store_attachments_free(message->attachments, message->n_attachments);
}

void store_conversation_free(struct store_conversation *conversation) {
    if (conversation == NULL) {
        return;
    }
    for (size_t i = 0; i < conversation->n_messages; i++) {
        free_message(&conversation->messages[i]);
    }
    free(conversation->messages);
    free(conversation->title);
    store_own_deinit(&conversation->own);
    free(conversation);
}

/* ---- What is imported ---- */

static void free_import_generation(struct store_import_generation *generation) {
    for (size_t i = 0; i < generation->n_others; i++) {
        free(generation->others[i]);
    }
    free(generation->others);
    free(generation->other_kinds);
    free(generation->text);
    free(generation->reason);
    free(generation->error);
    free(generation->usage);
    free(generation->timings);
    free(generation->model);
    free(generation->settings);
}

static void free_import_message(struct store_import_message *message) {
    for (size_t i = 0; i < message->n_generations; i++) {
        free_import_generation(&message->generations[i]);
    }
    free(message->generations);
    free(message->text);
    store_attachments_free(message->attachments, message->n_attachments);
}

void store_import_free(struct store_import *import) {
    if (import == NULL) {
        return;
    }
    for (size_t i = 0; i < import->n_messages; i++) {
        free_import_message(&import->messages[i]);
    }
    free(import->messages);
    free(import->title);
    free(import->origin);
    store_own_deinit(&import->own);
    free(import);
}
