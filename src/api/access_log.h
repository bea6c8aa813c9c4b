/* access_log.h - one line of JSON for each request that ends, in a file of its own. [W49]
 *
 * A line has the route, as the router's table has it, and the name of the key: no path, no query, no text of anybody and no secret is in it.
 *
 * A file that was renamed or removed is made again within a second (access_log_tick), so whatever turns the logs over need not say so.
 *
 * Owner   access_log_open and access_log_close.
 * Thread  the loop thread. A line is one write that does not wait for the disk. What cannot be written at once is dropped and counted: a
 *         log never holds a client up.
 */
#ifndef RUNNEL_API_ACCESS_LOG_H
#define RUNNEL_API_ACCESS_LOG_H

#include "access/access.h"
#include "net/net.h"

struct access_log;

/* access_log_open: STATUS_IO: the file cannot be opened. Lines are added behind what it has; a new one has the mode 0600. */
MUST_CHECK enum status access_log_open(const char *path, struct access_log **out, struct fault *fault);

/* NULL is fine for all: there is none. */
void access_log_close(struct access_log *log);
void access_log_tick(struct access_log *log);
uint64_t access_log_dropped(const struct access_log *log); /* lines, so far */

/* access_log_request: it ends; `access` knows the name of its key. access_log_refused: net_handlers.on_refused. */
void access_log_request(struct access_log *log, struct access *access, const struct net_conn *net);
void access_log_refused(struct access_log *log, const uint8_t *peer, int status);

#endif
