/* api.h - every protocol that clients speak, over net and chat.
 *
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_API_H
#define RUNNEL_API_API_H

#include "access/access.h"
#include "chat/chat.h"
#include "download/downloads.h"
#include "net/net.h"

#define API_NAMES_MAX 16

struct api;

struct api_options {
    struct chat *chat;
    struct downloads *downloads; /* the owner's; outlives the clients */
    const char
        *allow_hosts[API_NAMES_MAX]; /* names besides loopback, without a port; NULL ends the list [W3] */
    const char *allow_origins[API_NAMES_MAX]; /* besides the server's own; NULL ends the list [W4] */
    struct access *access;                    /* the owner's; outlives the api [W5] */
    struct access_log *access_log;            /* the owner's, as the access is; NULL: none [W49] */
    const char *version;
};

struct api *api_open(const struct api_options *options);
void api_close(struct api *api); /* NULL is fine */

/* net_conn_tag: by which door somebody came. Those of API_DOOR_OWNER are programs of the user that this server runs for. */
enum api_door {
    API_DOOR_NET,
    API_DOOR_OWNER,
    API_DOOR_OLLAMA /* Ollama's clients: /api/chat is theirs [W85] */
};

/* What to give to net_serve, with the api as ctx. */
struct net_handlers api_handlers(void);

/* api_listening is called once net is open, before it listens. */
void api_listening(struct api *api, struct net *net);

#endif
