/* llama_infill.c - [W106] what is around a gap, of POST /infill. */
#include "api/llama_completion.h"

static bool check_text(const json_t *body, const char *key, bool is_needed, struct openai_error *error) {
    const json_t *text = json_get_present(body, key);
    if (text ? !json_is_string(text) : is_needed) {
        return openai_error_set(error, 400, NULL, key, "\"%s\" must be a string", key);
    }
    return true;
}

static bool check_extra(const json_t *extra, struct openai_error *error) {
    size_t index;
    json_t *file;
    if (extra && !json_is_array(extra)) {
        return openai_error_set(error, 400, NULL, "input_extra", "\"input_extra\" must be a list of files");
    }
    json_array_foreach(extra, index, file) {
        const json_t *name = json_get_present(file, "filename");
        if (!json_is_string(json_get_present(file, "text")) || (name && !json_is_string(name))) {
            return openai_error_set(error, 400, NULL, "input_extra",
                                    "input_extra[%zu] must have a \"text\", and may have a \"filename\"",
                                    index);
        }
    }
    return true;
}

json_t *llama_completion_take_gap(const json_t *body, struct openai_error *error) {
    if (!check_text(body, "input_prefix", true, error) || !check_text(body, "input_suffix", true, error) ||
        !check_text(body, "prompt", false, error) ||
        !check_extra(json_get_present(body, "input_extra"), error)) {
        return NULL;
    }
    json_t *files = json_array();
    size_t index;
    json_t *file;
    json_array_foreach(json_get_present(body, "input_extra"), index, file) {
        json_array_append_new(files,
                              json_pack("{s:s, s:O}", "filename", json_get_text(file, "filename", "tmp"),
                                        "text", json_object_get(file, "text")));
    }
    return json_pack("{s:O, s:O, s:s, s:o}", "prefix", json_object_get(body, "input_prefix"), "suffix",
                     json_object_get(body, "input_suffix"), "prompt", json_get_text(body, "prompt", ""),
                     "extra", files);
}
