#include "engine/codec.h"

#include <string.h>

static void add_string(struct bytes *out, const char *text) {
    bytes_add_json_string(out, text, strlen(text));
}

/* `,"key":"text"`; nothing for NULL and "". */
static void add_text_field(struct bytes *out, const char *key, const char *text) {
    if (text && text[0]) {
        bytes_add_format(out, ",\"%s\":", key);
        add_string(out, text);
    }
}

static int add_dumped(const char *data, size_t n_bytes, void *ctx) {
    return bytes_add(ctx, data, n_bytes) == STATUS_OK ? 0 : -1;
}

/* `,"key":value` without a copy of the whole text in between; nothing for NULL. */
static void add_value(struct bytes *out, const char *key, const json_t *value) {
    if (value == NULL) {
        return;
    }
    bytes_add_format(out, ",\"%s\":", key);
    if (json_dump_callback(value, add_dumped, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
        out->failed = true;
    }
}

void codec_encode_load(const struct engine_options *options, struct bytes *out) {
    bytes_add_text(out, "{\"op\":\"load\",\"model\":");
    add_string(out, options->model_path);
    bytes_add_format(
        out, ",\"options\":{\"context_size\":%u,\"slots\":%u,\"threads\":%u,\"step_ms\":%u,\"gpu_layers\":%d",
        options->context_size, options->n_slots, options->n_threads, options->step_ms, options->n_gpu_layers);
    add_text_field(out, "speculation", options->speculation);
    add_text_field(out, "kv_type", options->kv_type);
    add_text_field(out, "flash_attention", options->flash_attention);
    if (options->cache_dir) {
        add_text_field(out, "cache_dir", options->cache_dir);
        bytes_add_format(out, ",\"cache_bytes\":%lld", (long long)options->cache_bytes);
    }
    bytes_add_text(out, "}}\n");
}

/* The beginning of the answer as its tokens, or as its text; nothing when there is none. */
static void add_prefix(const struct engine_job *job, struct bytes *out) {
    if (job->n_prefix_tokens > 0) {
        bytes_add_text(out, ",\"prefix\":{\"tokens\":[");
        for (size_t i = 0; i < job->n_prefix_tokens; i++) {
            bytes_add_format(out, "%s%d", i > 0 ? "," : "", (int)job->prefix_tokens[i]);
        }
        bytes_add_text(out, "]}");
    } else if (job->prefix_text && job->prefix_text[0]) {
        bytes_add_text(out, ",\"prefix\":{\"text\":");
        add_string(out, job->prefix_text);
        bytes_add_text(out, "}");
    }
}

/* What only some calls have: tools, a format. */
static void add_more(const json_t *more, struct bytes *out) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)more, key, value) {
        if (strcmp(key, "sampling") != 0) {
            add_value(out, key, value);
        }
    }
}

static void add_sampling(const struct engine_job *job, struct bytes *out) {
    const json_t *more = json_object_get(job->more, "sampling");
    if (more == NULL) {
        add_value(out, "sampling", job->sampling);
        return;
    }
    json_t *both = job->sampling ? json_copy((json_t *)job->sampling) : json_object();
    json_object_update(both, (json_t *)more);
    add_value(out, "sampling", both);
    json_decref(both);
}

void codec_encode_generate(const struct engine_job *job, struct bytes *out) {
    bytes_add_text(out, "{\"op\":\"generate\",\"id\":");
    add_string(out, job->id);
    add_text_field(out, "cache_key", job->cache_key);
    add_value(out, "messages", job->messages);
    add_sampling(job, out);
    add_value(out, "stop", job->stop);
    add_text_field(out, "overflow", job->overflow);
    add_more(job->more, out);
    add_prefix(job, out);
    bytes_add_format(out, ",\"max_tokens\":%lld,\"ignore_eos\":%s}\n", (long long)job->n_tokens_max,
                     job->ignore_eos ? "true" : "false");
}

void codec_encode_draft(const struct engine_job *job, struct bytes *out) {
    bytes_add_text(out, "{\"op\":\"prefill\"");
    add_text_field(out, "id", job->id);
    add_text_field(out, "cache_key", job->cache_key);
    add_value(out, "messages", job->messages);
    add_text_field(out, "overflow", job->overflow);
    bytes_add_text(out, "}\n");
}

void codec_encode_forget(const char *cache_key, const char *cache_dir, struct bytes *out) {
    bytes_add_text(out, "{\"op\":\"forget\"");
    add_text_field(out, "cache_key", cache_key);
    add_text_field(out, "cache_dir", cache_dir);
    bytes_add_text(out, "}\n");
}

void codec_encode_ask(const char *op, const char *id, const json_t *members, struct bytes *out) {
    bytes_add_text(out, "{\"op\":");
    add_string(out, op);
    add_text_field(out, "id", id);
    add_more(members, out);
    bytes_add_text(out, "}\n");
}

void codec_encode_cancel(const char *id, struct bytes *out) {
    bytes_add_text(out, "{\"op\":\"cancel\",\"id\":");
    add_string(out, id);
    bytes_add_text(out, "}\n");
}

void codec_encode_ping(uint64_t n, struct bytes *out) {
    bytes_add_format(out, "{\"op\":\"ping\",\"n\":%llu}\n", (unsigned long long)n);
}

void codec_encode_unload(struct bytes *out) {
    bytes_add_text(out, "{\"op\":\"unload\"}\n");
}

void codec_encode_inspect(const char *model_path, struct bytes *out) {
    bytes_add_text(out, "{\"op\":\"inspect\",\"model\":");
    add_string(out, model_path);
    bytes_add_text(out, "}\n");
}
