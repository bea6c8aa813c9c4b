#include "app/http.h"

#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char http_prefix[] = "http://";
static const char unix_prefix[] = "unix:";

/* "http://ADDRESS:PORT" in two; an address may have colons of its own. */
static bool split(const char *url, char **address, const char **port) {
    if (strncmp(url, http_prefix, sizeof http_prefix - 1) != 0) {
        return false;
    }
    const char *begin = url + sizeof http_prefix - 1;
    const char *colon = strrchr(begin, ':');
    if (colon == NULL || colon == begin) {
        return false;
    }
    bool is_bracketed = begin[0] == '[' && colon[-1] == ']';
    *address = mem_copy_bytes(begin + is_bracketed, (size_t)(colon - begin) - (is_bracketed ? 2 : 0));
    *port = colon + 1;
    return true;
}

static int dial_address(const char *address, const char *port) {
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    if (getaddrinfo(address, port, &hints, &found) != 0) {
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static int dial_path(const char *path) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = strlen(path);
    int fd = length < sizeof address.sun_path ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (fd >= 0) {
        memcpy(address.sun_path, path, length + 1);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
            close(fd);
            fd = -1;
        }
    }
    return fd;
}

/* A name that every server of ours answers to, with its port ([W3]), goes into `host`. False: it is no such address. */
static bool dial(const char *url, int *fd, char **host) {
    if (strncmp(url, unix_prefix, sizeof unix_prefix - 1) == 0) {
        *host = mem_copy_string("localhost");
        *fd = dial_path(url + sizeof unix_prefix - 1);
        return true;
    }
    char *address = NULL;
    const char *port = NULL;
    if (!split(url, &address, &port)) {
        return false;
    }
    *host = mem_format("127.0.0.1:%s", port);
    *fd = dial_address(address, port);
    free(address);
    return true;
}

static bool send_all(int fd, const char *text) {
    size_t size = strlen(text);
    for (size_t at = 0; at < size;) {
        ssize_t n = send(fd, text + at, size - at, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

/* The whole answer: the server closes behind it, as HTTP/1.0 asks. */
static bool read_answer(int fd, int *code, struct bytes *body) {
    char piece[4096];
    ssize_t n;
    while ((n = recv(fd, piece, sizeof piece, 0)) > 0 && bytes_add(body, piece, (size_t)n) == STATUS_OK) {
    }
    const char *end = n == 0 && body->data ? strstr(body->data, "\r\n\r\n") : NULL;
    if (end == NULL || strncmp(body->data, "HTTP/1.", 7) != 0) {
        return false;
    }
    *code = (int)strtol(body->data + strcspn(body->data, " "), NULL, 10);
    bytes_drop(body, (size_t)(end + 4 - body->data));
    return true;
}

enum status http_ask(const char *url, const char *method, const char *path, const char *token,
                     const char *json, int *code, struct bytes *body, struct fault *fault) {
    int fd = -1;
    char *host = NULL;
    if (!dial(url, &fd, &host)) {
        return fault_set(fault, STATUS_UNAVAILABLE,
                         "the server at %s cannot be asked from here: give it a Unix socket (--socket PATH)",
                         url);
    }
    struct timeval wait = { .tv_sec = HTTP_WAIT_S };
    char *request = mem_format("%s %s HTTP/1.0\r\nHost: %s\r\nContent-Type: application/json\r\n"
                               "Content-Length: %zu\r\n%s%s%sConnection: close\r\n\r\n%s",
                               method, path, host, strlen(json), token ? "Authorization: Bearer " : "",
                               token ? token : "", token ? "\r\n" : "", json);
    bool is_answered = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
                       send_all(fd, request) && read_answer(fd, code, body);
    enum status status = is_answered
                             ? STATUS_OK
                             : fault_set(fault, STATUS_UNAVAILABLE, "the server at %s does not answer", url);
    if (fd >= 0) {
        close(fd);
    }
    free(request);
    free(host);
    return status;
}
