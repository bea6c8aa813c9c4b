/* request_own.c - what a conversation has of its own, as a request says it [W50]. */
#include "api/request.h"
#include "base/mem.h"

#include <string.h>

enum status request_need_message(const json_t *object, const char *key, const char **out,
                                 struct fault *fault) {
    enum status status = request_need_string(object, key, out, fault);
    return status == STATUS_OK && !id_is_hex(*out)
               ? fault_set(fault, STATUS_INVALID, "\"%s\" " REQUEST_MESSAGE_FORM, key)
               : status;
}

enum status request_take_folder(const json_t *object, const char *key, const char **out,
                                struct fault *fault) {
    const char *name = "";
    enum status status = json_take_string(object, key, &name, fault);
    if (status == STATUS_OK && strlen(name) >= REQUEST_FOLDER_BYTES) {
        return fault_set(fault, STATUS_INVALID, "\"%s\" " REQUEST_FOLDER_FORM, key);
    }
    *out = status == STATUS_OK && name[0] ? name : NULL;
    return status;
}

enum status request_need_folder(const json_t *object, const char *key, const char **out,
                                struct fault *fault) {
    enum status status = request_take_folder(object, key, out, fault);
    return status == STATUS_OK && *out == NULL
               ? fault_set(fault, STATUS_INVALID, "\"%s\" " REQUEST_FOLDER_FORM, key)
               : status;
}

/* By any name that the list of models has; what is kept is the name of its file. */
static enum status take_model(struct chat *chat, const json_t *object, json_t *own, struct fault *fault) {
    const char *name = NULL;
    char path[PATH_MAX];
    enum status status = json_take_string(object, "model", &name, fault);
    if (status || name == NULL || name[0] == '\0') {
        json_object_set_new(own, "model", json_null());
        return status;
    }
    status = models_resolve(chat_models(chat), name, path, fault);
    if (status == STATUS_OK) {
        json_object_set_new(own, "model", json_string(models_file_name(path)));
    }
    return status;
}

static enum status take_settings(struct chat *chat, json_t *value, json_t *own, struct fault *fault) {
    struct settings checked;
    if (!json_is_object(value) && !json_is_null(value)) {
        return fault_set(fault, STATUS_INVALID, "\"settings\" must be an object or null");
    }
    settings_copy(&checked, chat_settings(chat));
    enum status status =
        json_is_object(value) ? settings_merge(&checked, value, SETTINGS_OWN, fault) : STATUS_OK;
    settings_deinit(&checked);
    json_object_set(own, "settings", value);
    return status;
}

/* -1 and 0 have a meaning; null is the setting of the server again. */
static enum status take_detach(const json_t *object, json_t *value, json_t *own, struct fault *fault) {
    int64_t seconds;
    json_object_set(own, "detach_seconds", value);
    return json_take_int(object, "detach_seconds", -1, SETTINGS_DETACH_SECONDS_MAX, &seconds, fault);
}

enum status request_take_own(struct chat *chat, const json_t *object, json_t **out, struct fault *fault) {
    json_t *own = json_object();
    json_t *settings = json_object_get(object, "settings");
    json_t *detach = json_object_get(object, "detach_seconds");
    enum status status = STATUS_OK;
    if (json_object_get(object, "model")) {
        status = take_model(chat, object, own, fault);
    }
    if (status == STATUS_OK && settings) {
        status = take_settings(chat, settings, own, fault);
    }
    if (status == STATUS_OK && detach) {
        status = take_detach(object, detach, own, fault);
    }
    bool has_some = status == STATUS_OK && json_object_size(own) > 0;
    *out = has_some ? json_incref(own) : NULL;
    json_decref(own);
    return status;
}
