/* transport.h - the bytes of one client's socket: the only place that takes them from it and gives them to it.
 *
 * Thread  the loop thread; neither call blocks.
 * Errors  TRANSPORT_GONE: the socket has ended or failed, and nothing can be done but to close it.
 */
#ifndef RUNNEL_NET_TRANSPORT_H
#define RUNNEL_NET_TRANSPORT_H

#include <sys/types.h>

#define TRANSPORT_GONE (-1)

/* transport_receive: how many bytes came; 0: none now. */
ssize_t transport_receive(int fd, char *out, size_t n_bytes);

/* transport_send: how many bytes the kernel took; 0: none now. */
ssize_t transport_send(int fd, const char *bytes, size_t n_bytes);

#endif
