/* kv_folder.h - the files of the KV cache on disk.
 *
 *   FOLDER/<kind>/<key>.kv      files 0600, folders 0700; written beside as <key>.<pid>.tmp and renamed
 *
 * A file is not synced: one that a loss of power has damaged does not pass its hashes. A file of ours that is damaged, cut short, of
 * another version or in the wrong place is removed by whoever meets it; what does not end in .kv is not ours and stays.
 *
 * Thread  any; every function blocks on the disk. Two processes may use one folder: they write the same files for the same tokens.
 * Memory  what is returned is the caller's: free().
 */
#ifndef RUNNEL_ENGINES_LLAMA_KV_FOLDER_H
#define RUNNEL_ENGINES_LLAMA_KV_FOLDER_H

#include "kv_tree.h"

/* So much stays free on the disk: conversations are written there too, and they come first. */
#define KV_FOLDER_RESERVE_BYTES ((uint64_t)256 << 20)

MUST_CHECK enum status kv_folder_open(const char *folder, struct fault *fault);

uint64_t kv_folder_free_bytes(const char *folder);

/* kv_folder_scan lists what is there, those before which others stand first, of equals the oldest first. Of `kind` (NULL: none)
 * the heads are read. Removes what is broken, and what a dead process left half written. kv_folder_free_found frees the list. */
struct kv_found *kv_folder_scan(const char *folder, const struct kv_id *kind, size_t *n /* out */);
void kv_folder_free_found(struct kv_found *found, size_t n);

/* kv_folder_write: `data` has kv_file_head_bytes of room and then the payload, n_bytes in all; the head is filled in. STATUS_FULL: the
 * disk has no room; STATUS_IO. */
MUST_CHECK enum status kv_folder_write(const char *folder, struct kv_head *head, const int32_t *tokens,
                                       uint8_t *data, size_t n_bytes);

/* kv_folder_read reads and checks a whole file, which must have n_bytes. STATUS_CORRUPT: it was removed. */
MUST_CHECK enum status kv_folder_read(const char *folder, const struct kv_head *head,
                                      uint8_t **data /* out */, size_t n_bytes);

void kv_folder_remove(const char *folder, const struct kv_head *head);

/* kv_folder_touch: it was used now. */
void kv_folder_touch(const char *folder, const struct kv_head *head);

/* kv_folder_set_owner gives the file the owner that `head` has. */
void kv_folder_set_owner(const char *folder, const struct kv_head *head);

/* kv_folder_forget removes what only this owner has, of all kinds but `except` (NULL: none). */
void kv_folder_forget(const char *folder, const struct kv_id *owner, const struct kv_id *except);

#endif
