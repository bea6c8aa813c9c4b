/* base64.h - bytes as text (RFC 4648 section 4), with padding.
 *
 * Thread  any; no state.
 * Memory  the caller's.
 */
#ifndef RUNNEL_BASE_BASE64_H
#define RUNNEL_BASE_BASE64_H

#include "base/bytes.h"

/* base64_add appends the text of n bytes; look at out->failed. */
void base64_add(struct bytes *out, const void *data, size_t n);

/* base64_read puts exactly n bytes into `out`. False: the text is not the base64 of so many. */
MUST_CHECK bool base64_read(const char *text, size_t n_text, void *out, size_t n);

/* BASE64_SIZE: so long is the text of n bytes. */
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4)

#endif
