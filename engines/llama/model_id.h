/* model_id.h - is it the same model? A hash that takes milliseconds also for a file of 20 GB.
 *
 * Hashed are the size, the first MODEL_ID_HEAD_BYTES (the metadata and the table of tensors lie there) and MODEL_ID_SAMPLES pieces
 * spread evenly over the file, of every part of a model in several files. A file that differs only between the pieces passes for the
 * same: nobody changes single weights and keeps the size.
 *
 * Thread  any. Blocks on the disk.
 */
#ifndef RUNNEL_ENGINES_LLAMA_MODEL_ID_H
#define RUNNEL_ENGINES_LLAMA_MODEL_ID_H

#include "kv_file.h"

#define MODEL_ID_HEAD_BYTES   (16u << 20)
#define MODEL_ID_SAMPLE_BYTES (64u << 10)
#define MODEL_ID_SAMPLES      64

/* model_id_of: STATUS_IO when a file cannot be read. */
MUST_CHECK enum status model_id_of(const char *path, struct kv_id *out);

/* model_id_stamp says which files these are, not what is in them: as long as it is the same nobody has put another model in their place. */
struct kv_id model_id_stamp(const char *path);

#endif
