/* net_world.h - for the unit tests of net: a server in a thread of its own, and a client of plain sockets.
 *
 * The server answers /host with its Host, /stream with three frames, /gate with one and after /open with two more, /unchanged with 304,
 * /big with three mebibytes, /where with the tag, port and address of where the client came in, refuses /refused, says the argument `name` where there is one, and else the body. A WebSocket says "hello",
 * then whatever it hears but for "bye" (it closes), "stop" (the server stops) and "big" (three mebibytes).
 *
 * Owner   the test: world_set_up and world_tear_down are its cmocka functions; *state is the world.
 */
#ifndef RUNNEL_NET_NET_WORLD_H
#define RUNNEL_NET_NET_WORLD_H

#include "net/net.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORLD_SILENCE "still here"

/* Tags of the places where the server listens: an IPv4 address, an IPv6 one if the machine has any, a Unix socket. */
enum { WORLD_V4 = 4, WORLD_V6 = 6, WORLD_UNIX = 8 };

struct net_world {
    struct net *net;
    uint16_t v6_port; /* 0: the machine has no IPv6 */
    char path[64];    /* of the Unix socket */
    pthread_t thread;
    atomic_bool stop;
    atomic_int n_closed;
    int n_frames_left;      /* of the stream under way */
    struct net_conn *gated; /* its stream waits behind its first frame for /open */
};

int world_set_up(void **state);
int world_tear_down(void **state);

/* ---- The client. What it gets is valid until the next call; it waits 20 s at most, and a test fails where that was not enough ---- */

int world_dial(struct net_world *world);
int world_dial_tag(struct net_world *world, int tag);
void world_put(int fd, const void *bytes, size_t n_bytes);
/* world_get_until reads until `text` is in what came, or the end; NULL: the end. */
char *world_get_until(int fd, const char *text);
size_t world_get_exactly(int fd, void *out, size_t n_bytes);
/* world_ask is one connection: what it is answered until `until`. */
char *world_ask(struct net_world *world, const char *request, const char *until);
/* world_turn: what was sent before is read by the server when it returns. */
void world_turn(struct net_world *world);
size_t world_count_of(const char *text, const char *wanted);

/* world_dial_websocket has read the server's "hello". */
int world_dial_websocket(struct net_world *world);
/* world_make_head is the head of a frame, with a mask of zeroes, which is a mask. */
size_t world_make_head(unsigned char head[14], unsigned char first, size_t n_bytes);
void world_put_frame(int fd, unsigned char first, const char *payload, size_t n_bytes);
/* world_get_frame is the next frame's payload; *opcode 0 when the socket ended. What is said into a silence is left out: a slow machine
 * makes one anywhere. */
char *world_get_frame(int fd, unsigned *opcode);
char *world_get_any_frame(int fd, unsigned *opcode);
void world_expect_close(int fd, unsigned code);

#endif
