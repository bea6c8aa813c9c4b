/* export_encode.h - a conversation as JSON, and the files that it needs besides. [W61] */
#ifndef RUNNEL_API_EXPORT_ENCODE_H
#define RUNNEL_API_EXPORT_ENCODE_H

#include "api/api_internal.h"

/* export_encode is new memory; NULL: it is too large. The loop thread. */
char *export_encode(const struct conversation *conversation);

/* export_list_files adds those to `out` whose bytes the JSON of the conversation does not have, as in MESSAGE; `known` has the ids that are listed
 * already, and gets these. */
void export_list_files(const struct conversation *conversation, json_t *known, json_t *out);

/* export_encode_file adds one of them to `out`, with its bytes. False: they are not there. Any thread. Blocks for the disk. */
bool export_encode_file(const char *folder, const json_t *file, struct bytes *out);

#endif
