#include "net/tls.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/module.h"

#include <stdlib.h>
#include <string.h>

#define LIBRARY_NAME      "runnel-tls.so"
#define ERROR_BYTES       300
#define EXPIRES_SOON_DAYS 14
#define DAY_S             86400

struct stamps {
    struct file_stamp certificate;
    struct file_stamp key;
};

struct tls {
    const struct tls_library *library;
    struct tls_context *context;
    char *certificate;
    char *key;
    struct stamps tried; /* of the last load, whatever came of it */
    struct stamps seen;  /* at the last tick */
};

static struct stamps stamps_of(const struct tls *tls) {
    return (struct stamps){ file_stamp_of(tls->certificate), file_stamp_of(tls->key) };
}

static bool is_same(const struct stamps *a, const struct stamps *b) {
    return file_stamp_is_same(&a->certificate, &b->certificate) && file_stamp_is_same(&a->key, &b->key);
}

static void say_when_it_ends(const struct tls *tls) {
    int64_t left_s = tls_expires_s(tls) - clock_wall_ms() / 1000;
    if (left_s < EXPIRES_SOON_DAYS * DAY_S) {
        LOG_WARN("tls_certificate_ends", "certificate=%s days=%lld", tls->certificate,
                 (long long)(left_s / DAY_S));
    }
}

/* Errors change nothing. */
static enum status load(struct tls *tls, struct fault *fault) {
    char error[ERROR_BYTES] = "";
    tls->tried = tls->seen = stamps_of(tls);
    struct tls_context *context = tls->library->context_new(tls->certificate, tls->key, error, sizeof error);
    if (context == NULL) {
        return fault_set(fault, STATUS_INVALID, "%s", error);
    }
    tls->library->context_free(tls->context);
    tls->context = context;
    say_when_it_ends(tls);
    return STATUS_OK;
}

enum status tls_open(const char *certificate, const char *key, struct tls **out, struct fault *fault) {
    *out = NULL;
    const struct tls_library *library = module_load(LIBRARY_NAME, TLS_LIBRARY_SYMBOL, "TLS", fault);
    if (library == NULL) {
        return STATUS_UNAVAILABLE;
    }
    struct tls *tls = mem_alloc(sizeof *tls);
    tls->library = library;
    tls->certificate = mem_copy_string(certificate);
    tls->key = mem_copy_string(key);
    enum status status = load(tls, fault);
    if (status) {
        tls_close(tls);
        return status;
    }
    *out = tls;
    return STATUS_OK;
}

void tls_close(struct tls *tls) {
    if (tls == NULL) {
        return;
    }
    tls->library->context_free(tls->context);
    free(tls->certificate);
    free(tls->key);
    free(tls);
}

void tls_tick(struct tls *tls) {
    struct stamps now = stamps_of(tls);
    bool is_still = is_same(&now, &tls->seen);
    tls->seen = now;
    if (!is_still || is_same(&now, &tls->tried)) {
        return;
    }
    struct fault fault;
    if (load(tls, &fault) == STATUS_OK) {
        LOG_INFO("tls_reloaded", "certificate=%s", tls->certificate);
    } else {
        LOG_ERROR("tls_not_reloaded", "error=\"%s\" goes_on_with=\"the certificate from before\"",
                  fault.text);
    }
}

struct tls_conn *tls_conn_new(struct tls *tls, int fd) {
    return tls->library->conn_new(tls->context, fd);
}

const struct tls_library *tls_functions(const struct tls *tls) {
    return tls->library;
}

int64_t tls_expires_s(const struct tls *tls) {
    return tls->library->context_expires_s(tls->context);
}
