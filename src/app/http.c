#include "app/http.h"

#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char prefix[] = "http://";

/* "http://ADDRESS:PORT" in two; an address may have colons of its own. */
static bool split(const char *url, char **address, const char **port) {
    if (strncmp(url, prefix, sizeof prefix - 1) != 0) {
        return false;
    }
    const char *begin = url + sizeof prefix - 1;
    const char *colon = strrchr(begin, ':');
    if (colon == NULL || colon == begin) {
        return false;
    }
    bool is_bracketed = begin[0] == '[' && colon[-1] == ']';
    *address = mem_copy_bytes(begin + is_bracketed, (size_t)(colon - begin) - (is_bracketed ? 2 : 0));
    *port = colon + 1;
    return true;
}

static int dial(const char *address, const char *port) {
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
    struct timeval wait = { .tv_sec = HTTP_WAIT_S };
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    }
    return fd;
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

enum status http_post(const char *url, const char *path, const char *token, const char *json, int *code,
                      struct bytes *body, struct fault *fault) {
    char *address = NULL;
    const char *port = NULL;
    if (!split(url, &address, &port)) {
        return fault_set(fault, STATUS_INVALID, "%s is no address of a server", url);
    }
    /* A name that every server of ours answers to, with its port ([W3]). */
    char *request = mem_format("POST %s HTTP/1.0\r\nHost: 127.0.0.1:%s\r\nContent-Type: application/json\r\n"
                               "Content-Length: %zu\r\n%s%s%sConnection: close\r\n\r\n%s",
                               path, port, strlen(json), token ? "Authorization: Bearer " : "",
                               token ? token : "", token ? "\r\n" : "", json);
    int fd = dial(address, port);
    bool is_answered = fd >= 0 && send_all(fd, request) && read_answer(fd, code, body);
    enum status status = is_answered
                             ? STATUS_OK
                             : fault_set(fault, STATUS_UNAVAILABLE, "the server at %s does not answer", url);
    if (fd >= 0) {
        close(fd);
    }
    free(request);
    free(address);
    return status;
}
