/* folder.h - folders of ours, made when they are missing. */
#ifndef RUNNEL_APP_FOLDER_H
#define RUNNEL_APP_FOLDER_H

#include "base/status.h"

#include <sys/types.h>

/* folder_make makes it and those above it. */
MUST_CHECK enum status folder_make(const char *path, mode_t mode, struct fault *fault);

#endif
