/* ollama_name.c - how Ollama's clients name models: with a tag, and, when they are to be pulled from a hub, with host and owner. */
#include "api/ollama.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LATEST ":latest"
/* What Ollama takes of a repository when no tag is given. */
#define QUANTISATION_DEFAULT "Q4_K_M"
#define REPO_SUFFIX          "-GGUF"

bool ollama_take_name(const json_t *body, const char *key, char out[NAME_MAX + 1],
                      struct openai_error *error) {
    const char *name = json_get_text(body, key, "");
    size_t length = strlen(name);
    size_t n_latest = sizeof LATEST - 1;
    if (length > n_latest && strcmp(name + length - n_latest, LATEST) == 0) {
        length -= n_latest;
    }
    if (length == 0 || length > NAME_MAX) {
        return openai_error_set(error, 400, NULL, NULL,
                                "\"%s\" is missing: send the name of a model, as /api/tags lists them", key);
    }
    memcpy(out, name, length);
    out[length] = '\0';
    return true;
}

static bool ends_with(const char *text, size_t length, const char *end) {
    size_t n_end = strlen(end);
    return length > n_end && strncasecmp(text + length - n_end, end, n_end) == 0;
}

/* REPO-TAG.gguf */
static void set_file(struct ollama_hub_name *out, const char *tag, const char *suffix) {
    const char *repo = strchr(out->repo, '/') + 1;
    size_t n_repo = strlen(repo);
    if (ends_with(tag, strlen(tag), suffix)) {
        snprintf(out->file, sizeof out->file, "%s", tag);
        return;
    }
    n_repo -= ends_with(repo, n_repo, REPO_SUFFIX) ? sizeof REPO_SUFFIX - 1 : 0;
    snprintf(out->file, sizeof out->file, "%.*s-%s%s", (int)n_repo, repo, tag[0] ? tag : QUANTISATION_DEFAULT,
             suffix);
}

bool ollama_name_parse(const char *name, const char *suffix, struct ollama_hub_name *out) {
    size_t n_host = strcspn(name, "/");
    size_t n_scheme = strncmp(name, "https://", 8) == 0 ? 8 : 0;
    name += n_scheme;
    n_host = strcspn(name, "/");
    bool has_host = memchr(name, '.', n_host) && name[0] != '.' && name[n_host] == '/';
    if (!has_host || strlen(name) > NAME_MAX) {
        return false;
    }
    const char *owner = name + n_host + 1;
    size_t n_owner = strcspn(owner, "/:");
    const char *repo = owner + n_owner + 1;
    size_t n_repo = owner[n_owner] == '/' ? strcspn(repo, "/:") : 0;
    if (n_owner == 0 || n_repo == 0) {
        return false;
    }
    snprintf(out->hub, sizeof out->hub, "https://%.*s", (int)n_host, name);
    snprintf(out->repo, sizeof out->repo, "%.*s", (int)(repo + n_repo - owner), owner);
    if (repo[n_repo] == '/') {
        snprintf(out->file, sizeof out->file, "%s", repo + n_repo + 1);
    } else {
        set_file(out, repo[n_repo] ? repo + n_repo + 1 : "", suffix);
    }
    return true;
}

bool ollama_take_model(const struct api *api, const json_t *body, char out[NAME_MAX + 1],
                       struct openai_error *error) {
    const char *suffix = models_suffix(chat_models(api->chat));
    struct ollama_hub_name hub;
    if (!ollama_take_name(body, json_get_text(body, "model", NULL) ? "model" : "name", out, error)) {
        return false;
    }
    const char *file = ollama_name_parse(out, suffix, &hub) ? file_safe_name(hub.file) : NULL;
    if (file && ends_with(file, strlen(file), suffix) && strlen(file) <= NAME_MAX) {
        snprintf(out, NAME_MAX + 1, "%.*s", (int)(strlen(file) - strlen(suffix)), file);
    }
    return true;
}
